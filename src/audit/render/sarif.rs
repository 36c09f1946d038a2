//! A report to SARIF 2.1.0, as GitHub and others take it.
//!
//! An advisory is a rule of its own, since that is where the severity of a vulnerability
//! stands. Every result has a location, and a fingerprint that stays when lines move.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::finding::{Finding, Place, Report};
use super::super::rule::{Level, Rule};
use super::{line, pretty};
use crate::sys::hash::sha256;

pub(super) fn render(report: &Report) -> String {
    let mut rules: BTreeMap<String, Value> = BTreeMap::new();
    for finding in &report.findings {
        rules.entry(rule_id(finding)).or_insert_with(|| rule(finding));
    }
    let results: Vec<Value> = report.findings.iter().map(result).collect();
    pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "layr",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_values().collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
}

fn rule_id(finding: &Finding) -> String {
    finding.id.clone().unwrap_or_else(|| finding.rule.name().to_owned())
}

fn rule(finding: &Finding) -> Value {
    let mut rule = json!({
        "id": rule_id(finding),
        "name": finding.rule.name(),
        "shortDescription": { "text": finding.rule.about() },
        "defaultConfiguration": { "level": level(finding.rule.level()) },
    });
    if finding.rule == Rule::Vulnerable {
        rule["fullDescription"] = json!({ "text": finding.message });
        rule["properties"] = json!({ "tags": ["security"] });
        if let Some(score) = &finding.score {
            rule["properties"]["security-severity"] = json!(score);
        }
        if let Some(url) = &finding.url {
            rule["helpUri"] = json!(url);
        }
    }
    rule
}

fn result(finding: &Finding) -> Value {
    let mut result = json!({
        "ruleId": rule_id(finding),
        "level": level(finding.level),
        "message": { "text": line(finding) },
        "locations": finding.places.iter().map(location).collect::<Vec<_>>(),
        "partialFingerprints": { "layr/v1": fingerprint(finding) },
    });
    if let Some(ignored) = &finding.ignored {
        let why = format!("{} ({}, until {})", ignored.reason, ignored.owner, ignored.expires);
        result["suppressions"] = json!([{ "kind": "external", "justification": why }]);
    }
    result
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Deny => "error",
        Level::Warn => "warning",
        Level::Note => "note",
        Level::Off => "none",
    }
}

fn location(place: &Place) -> Value {
    let mut location = json!({ "physicalLocation": { "artifactLocation": { "uri": uri(&place.path) } } });
    location["physicalLocation"]["region"] = json!({ "startLine": place.line.unwrap_or(1) });
    if let Some(function) = &place.function {
        location["logicalLocations"] = json!([{ "name": function, "kind": "function" }]);
    }
    location
}

/// A path as a relative reference.
fn uri(path: &str) -> String {
    let path = path.trim_start_matches("./");
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

fn fingerprint(finding: &Finding) -> String {
    let (rule, package, id, message) = finding.identity();
    let parts = [Some(rule.name().to_owned()), package, id, message];
    sha256(parts.map(Option::unwrap_or_default).join("\n").as_bytes()).to_hex()
}
