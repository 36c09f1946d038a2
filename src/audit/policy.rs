//! `[audit]` of layr.toml to what a finding comes to in a function. Pure.

use std::collections::BTreeMap;

use glob::Pattern;
use jiff::civil::Date;

use super::advisory::Severity;
use super::licence::{self, Choice, Licence};
use super::rule::{Level, Rule};
use crate::config::{AuditConfig, IgnoreConfig, LevelsConfig};

/// What is wrong with `[audit]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("[audit] of layr.toml has a level for `{name}`, which is no {what}{}", meant(*.near))]
    Name { what: &'static str, name: String, near: Option<&'static str> },
    #[error("`{name}` of [audit] in layr.toml is `{level}`, not {}", Level::NAMES)]
    Level { name: String, level: String },
    #[error("license `{id}` of [audit.licenses] in layr.toml has no such name in SPDX")]
    Licence { id: String },
    #[error("`{pattern}` of [audit.licenses] in layr.toml is no pattern")]
    Pattern { pattern: String },
    #[error("an ignore of layr.toml has neither an id nor a rule and a package")]
    Nothing,
    #[error("the ignore of `{what}` in layr.toml has an empty {field}")]
    Empty { what: String, field: &'static str },
    #[error(
        "the ignore of `{what}` in layr.toml expires on `{expires}`, which is neither a date nor `fixed`"
    )]
    Expires { what: String, expires: String },
    #[error("the ignore of `{what}` in layr.toml is for function `{function}`, which there is not")]
    Function { what: String, function: String },
}

fn meant(near: Option<&'static str>) -> String {
    near.map(|near| format!("; `{near}` is one")).unwrap_or_default()
}

/// What findings come to.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(super) max_age_days: Option<u32>,
    levels: Levels,
    /// By function, where it has its own.
    functions: BTreeMap<String, Levels>,
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
    clarify: BTreeMap<String, String>,
    pub(super) ignores: Vec<Ignore>,
}

#[derive(Debug, Clone, Default)]
struct Levels {
    rules: BTreeMap<Rule, Level>,
    /// `None` is the severity that nobody said.
    severities: BTreeMap<Option<Severity>, Level>,
}

/// A finding that is known and put up with, for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ignore {
    pub(super) id: Option<String>,
    pub(super) rule: Option<Rule>,
    pub(super) package: Option<String>,
    pub(super) version: Option<String>,
    pub(super) functions: Vec<String>,
    pub(super) reason: String,
    pub(super) owner: String,
    pub(super) until: Until,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The last day on which it holds, in UTC.
    Day(Date),
    /// There is a version that mends it.
    Fixed,
}

impl Policy {
    /// `functions` are those of layr.toml, with levels of their own where they have such.
    ///
    /// # Errors
    ///
    /// The first thing that is misspelt: a policy that is not understood would pass for one
    /// that allows.
    pub fn new(
        config: &AuditConfig,
        functions: &BTreeMap<String, LevelsConfig>,
    ) -> Result<Self, PolicyError> {
        let AuditConfig { max_age, sources: _, levels, severity, licenses, ignore } = config;
        let own =
            functions.iter().map(|(name, own)| Ok((name.clone(), Levels::new(&own.levels, &own.severity)?)));
        let patterns = |list: &[String]| list.iter().map(|id| pattern(id)).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            max_age_days: *max_age,
            levels: Levels::new(levels, severity)?,
            functions: own.collect::<Result<_, PolicyError>>()?,
            allow: patterns(&licenses.allow)?,
            deny: patterns(&licenses.deny)?,
            clarify: licenses.clarify.clone(),
            ignores: ignore.iter().map(|one| Ignore::new(one, functions)).collect::<Result<_, _>>()?,
        })
    }

    /// What a finding comes to.
    pub(super) fn level(&self, rule: Rule, severity: Option<Severity>, function: Option<&str>) -> Level {
        let own = function.and_then(|function| self.functions.get(function));
        let tables = || own.into_iter().chain([&self.levels]);
        if rule == Rule::Vulnerable
            && let Some(level) = tables().find_map(|table| table.severities.get(&severity))
        {
            return *level;
        }
        tables().find_map(|table| table.rules.get(&rule)).copied().unwrap_or(rule.level())
    }

    /// A package's licence: what layr.toml clarifies, else what the package says.
    pub(super) fn licence(&self, package: &str, field: Option<&str>) -> Option<Licence> {
        let field = self.clarify.get(package).map(String::as_str).or(field);
        field.map(Licence::parse)
    }

    /// What is wrong with a licence, if anything.
    pub(super) fn judge(&self, licence: &Licence) -> Option<Rule> {
        let is_any = |patterns: &[Pattern], id: &str| patterns.iter().any(|pattern| pattern.matches(id));
        let is_denied = |choice: &Choice| {
            choice.0.iter().any(|id| {
                let also = licence::also(id);
                let only: Vec<&String> = also.iter().filter(|id| id.ends_with("-only")).collect();
                is_any(&self.deny, id) || (!only.is_empty() && only.iter().all(|id| is_any(&self.deny, id)))
            })
        };
        let is_allowed = |choice: &Choice| {
            choice.0.iter().all(|id| {
                is_any(&self.allow, id) || licence::also(id).iter().any(|id| is_any(&self.allow, id))
            })
        };
        let left: Vec<&Choice> = licence.choices.iter().filter(|choice| !is_denied(choice)).collect();
        if left.is_empty() {
            return Some(Rule::LicenceDenied);
        }
        if left.iter().any(|choice| is_allowed(choice)) {
            return None;
        }
        if !self.allow.is_empty() {
            return Some(Rule::LicenceNotAllowed);
        }
        (!licence.is_known()).then_some(Rule::LicenceUnknown)
    }
}

impl Levels {
    fn new(
        rules: &BTreeMap<String, String>,
        severities: &BTreeMap<String, String>,
    ) -> Result<Self, PolicyError> {
        let level = |name: &str, level: &str| {
            Level::parse(level)
                .ok_or_else(|| PolicyError::Level { name: name.to_owned(), level: level.to_owned() })
        };
        let mut levels = Self::default();
        for (name, text) in rules {
            let rule = Rule::parse(name).ok_or_else(|| PolicyError::Name {
                what: "rule",
                name: name.clone(),
                near: nearest(name, Rule::ALL.iter().map(|rule| rule.name())),
            })?;
            levels.rules.insert(rule, level(name, text)?);
        }
        for (name, text) in severities {
            let severity = match name.as_str() {
                "unknown" => None,
                word => {
                    Some(Severity::of_word(word).filter(|severity| severity.as_str() == word).ok_or_else(
                        || PolicyError::Name {
                            what: "severity",
                            name: name.clone(),
                            near: nearest(name, ["critical", "high", "medium", "low", "unknown"].into_iter()),
                        },
                    )?)
                }
            };
            levels.severities.insert(severity, level(name, text)?);
        }
        Ok(levels)
    }
}

impl Ignore {
    fn new(config: &IgnoreConfig, functions: &BTreeMap<String, LevelsConfig>) -> Result<Self, PolicyError> {
        let IgnoreConfig { id, rule, package, version, functions: of, reason, owner, expires } =
            config.clone();
        if id.is_none() && (rule.is_none() || package.is_none()) {
            return Err(PolicyError::Nothing);
        }
        let what = id.clone().or_else(|| rule.clone()).unwrap_or_default();
        for (field, text) in [("reason", &reason), ("owner", &owner)] {
            if text.trim().is_empty() {
                return Err(PolicyError::Empty { what, field });
            }
        }
        if let Some(function) = of.iter().find(|function| !functions.contains_key(*function)) {
            return Err(PolicyError::Function { what, function: function.clone() });
        }
        let rule = rule
            .map(|name| {
                Rule::parse(&name).ok_or_else(|| PolicyError::Name {
                    what: "rule",
                    near: nearest(&name, Rule::ALL.iter().map(|rule| rule.name())),
                    name,
                })
            })
            .transpose()?;
        let until = match expires.as_str() {
            "fixed" => Until::Fixed,
            day => match day.parse() {
                Ok(day) => Until::Day(day),
                Err(_) => return Err(PolicyError::Expires { what, expires }),
            },
        };
        Ok(Self { id, rule, package, version, functions: of, reason, owner, until })
    }

    /// What it is of, for messages.
    pub(super) fn shown(&self) -> String {
        let what = self.id.clone().or_else(|| Some(self.rule?.name().to_owned())).unwrap_or_default();
        let of = self.package.iter().chain(&self.version).map(|part| format!(" {part}"));
        format!("{what}{}", of.collect::<String>())
    }
}

/// A name of SPDX's, or a pattern of such.
fn pattern(id: &str) -> Result<Pattern, PolicyError> {
    let is_plain = !id.contains(['*', '?', '[']);
    if is_plain && !licence::is_reference(id) && spdx::license_id(id).is_none() {
        return Err(PolicyError::Licence { id: id.to_owned() });
    }
    Pattern::new(id).ok().ok_or_else(|| PolicyError::Pattern { pattern: id.to_owned() })
}

/// The name that was probably meant: few letters are others.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |a: &str, b: &str| {
        let b: Vec<char> = b.chars().collect();
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for (i, x) in a.chars().enumerate() {
            let mut diagonal = row[0];
            row[0] = i + 1;
            for (j, y) in b.iter().enumerate() {
                let replaced = diagonal + usize::from(x != *y);
                diagonal = row[j + 1];
                row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
            }
        }
        row[b.len()]
    };
    let near = known.map(|known| (distance(name, known), known)).min();
    near.filter(|(distance, known)| *distance * 3 <= known.len()).map(|(_, known)| known)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn policy(toml: &str) -> Policy {
        parse(toml).unwrap()
    }

    fn parse(text: &str) -> Result<Policy, PolicyError> {
        let config = crate::config::parse(text).unwrap();
        Policy::new(&config.audit, &config.audit_levels())
    }

    #[test]
    fn what_a_finding_comes_to_is_said_by_the_function_then_by_all() {
        let policy = policy(
            r#"
            [audit]
            levels = { outdated = "warn" }
            severity = { low = "note", unknown = "warn" }
            [functions.score]
            lockfile = "renv.lock"
            [functions.score.audit]
            levels = { outdated = "deny", vulnerable = "note" }
            "#,
        );
        let level = |rule, severity, function| policy.level(rule, severity, function);
        assert_eq!(level(Rule::Outdated, None, None), Level::Warn);
        assert_eq!(level(Rule::Outdated, None, Some("score")), Level::Deny);
        assert_eq!(level(Rule::Archived, None, Some("score")), Level::Warn, "as by default");
        assert_eq!(level(Rule::Vulnerable, Some(Severity::Low), None), Level::Note);
        assert_eq!(level(Rule::Vulnerable, None, None), Level::Warn);
        assert_eq!(level(Rule::Vulnerable, Some(Severity::High), None), Level::Deny);
        assert_eq!(level(Rule::Vulnerable, Some(Severity::High), Some("score")), Level::Note);
    }

    #[test]
    fn what_is_misspelt_is_an_error_that_says_what_was_meant() {
        let ignore = |fields: &str| format!("[[audit.ignore]]\n{fields}");
        let whole = "reason = \"r\"\nowner = \"o\"\nexpires = \"2026-12-31\"\n";
        let cases = [
            ("[audit.levels]\noutdatet = \"warn\"".to_owned(), "`outdated` is one"),
            ("[audit.levels]\noutdated = \"error\"".to_owned(), "off, note, warn or deny"),
            ("[audit.severity]\nhi = \"warn\"".to_owned(), "no severity"),
            ("[audit.licenses]\nallow = [\"MTI\"]".to_owned(), "`MTI`"),
            (ignore(&format!("package = \"a1\"\n{whole}")), "neither an id nor a rule"),
            (ignore(&format!("id = \"A\"\n{}", whole.replace("2026-12-31", "soon"))), "`soon`"),
            (ignore(&format!("id = \"A\"\n{}", whole.replace("\"o\"", "\" \""))), "empty owner"),
            (ignore(&format!("id = \"A\"\nfunctions = [\"nobody\"]\n{whole}")), "`nobody`"),
        ];
        for (text, part) in cases {
            let message = parse(&text).unwrap_err().to_string();
            assert!(message.contains(part), "{text:?} gave {message}");
        }
    }

    #[test]
    fn a_licence_is_allowed_where_one_choice_is() {
        let policy = policy(
            "[audit.licenses]\nallow = [\"MIT\", \"GPL-3.0-only\", \"BSD-*\"]\ndeny = [\"AGPL-*\"]\n[audit.licenses.clarify]\nodd = \"MIT\"",
        );
        let cases = [
            ("MIT + file LICENSE", None),
            ("BSD_3_clause + file LICENSE", None),
            ("GPL (>= 2)", None), // version 3 may be chosen
            ("GPL-2", Some(Rule::LicenceNotAllowed)),
            ("GPL-2 | MIT", None),
            ("AGPL-3", Some(Rule::LicenceDenied)),
            ("AGPL (>= 3)", Some(Rule::LicenceDenied)),
            ("AGPL-3 | MIT", None),
            ("MIT | file LICENSE", None),
            ("GPL-3 + file LICENSE", Some(Rule::LicenceNotAllowed)),
            ("file LICENSE", Some(Rule::LicenceNotAllowed)),
        ];
        for (field, expected) in cases {
            assert_eq!(policy.judge(&Licence::parse(field)), expected, "{field}");
        }
        assert_eq!(policy.licence("odd", Some("file LICENSE")).unwrap().expression(), "MIT");
    }

    #[test]
    fn without_a_list_only_what_has_no_name_is_told() {
        let policy = policy("");
        assert_eq!(policy.judge(&Licence::parse("GPL-2")), None);
        assert_eq!(policy.judge(&Licence::parse("file LICENSE")), Some(Rule::LicenceUnknown));
    }
}
