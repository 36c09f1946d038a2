//! `[audit]` of layr.toml: what a finding comes to, and which are known and put up with.
//!
//! The names of rules and what they may come to are for the audit to check.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `[audit]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AuditConfig {
    /// Days after which advisories are too old to go by.
    pub max_age: Option<u32>,
    /// Where advisories are fetched from, by a name of one's own; empty for not at all.
    pub sources: BTreeMap<String, String>,
    /// What findings come to, by rule.
    pub levels: BTreeMap<String, String>,
    /// What vulnerabilities come to, by how severe they are.
    pub severity: BTreeMap<String, String>,
    pub licenses: LicensesConfig,
    pub ignore: Vec<IgnoreConfig>,
}

/// `[functions.NAME.audit]`: what findings come to in one function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LevelsConfig {
    pub levels: BTreeMap<String, String>,
    pub severity: BTreeMap<String, String>,
}

/// `[audit.licenses]`: identifiers of SPDX, or patterns of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LicensesConfig {
    /// If any, all others are not allowed.
    pub allow: Vec<String>,
    pub deny: Vec<String>,
    /// By package, what its licence really is.
    pub clarify: BTreeMap<String, String>,
}

/// `[[audit.ignore]]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct IgnoreConfig {
    /// An advisory, by any of its names.
    pub id: Option<String>,
    /// Else a rule.
    pub rule: Option<String>,
    pub package: Option<String>,
    /// Of the package, exactly.
    pub version: Option<String>,
    /// Of layr.toml; all if not given.
    #[serde(default)]
    pub functions: Vec<String>,
    pub reason: String,
    pub owner: String,
    /// The last day on which it holds, or `fixed` for until there is a version without it.
    pub expires: String,
}
