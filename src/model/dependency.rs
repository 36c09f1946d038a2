//! `Imports: cli (>= 3.6.0), glue` to a list of dependencies.

use std::cmp::Ordering;
use std::fmt;

use super::{PackageName, RVersion, compare_numeric};

/// One entry of `Depends`, `Imports` or `LinkingTo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    pub name: PackageName,
    pub requirement: Option<Requirement>,
}

/// `>= 3.6.0`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    pub operator: Operator,
    pub version: RVersion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    AtLeast,
    Above,
    AtMost,
    Below,
    Equal,
    NotEqual,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a dependency such as `cli (>= 3.6.0)`", .0.escape_debug())]
pub struct InvalidDependency(String);

impl Requirement {
    /// In the order that R's own operators follow.
    pub fn accepts(&self, version: &RVersion) -> bool {
        let order = compare_numeric(version, &self.version);
        match self.operator {
            Operator::AtLeast => order != Ordering::Less,
            Operator::Above => order == Ordering::Greater,
            Operator::AtMost => order != Ordering::Greater,
            Operator::Below => order == Ordering::Less,
            Operator::Equal => order == Ordering::Equal,
            Operator::NotEqual => order != Ordering::Equal,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        const OPERATORS: [(&str, Operator); 8] = [
            (">=", Operator::AtLeast),
            ("<=", Operator::AtMost),
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            (">>", Operator::Above),
            ("<<", Operator::Below),
            (">", Operator::Above),
            ("<", Operator::Below),
        ];
        let text = text.trim();
        let (sign, operator) = OPERATORS.into_iter().find(|(sign, _)| text.starts_with(sign))?;
        let version = text[sign.len()..].trim();
        // `R (>= 4)` is written although R itself calls it malformed.
        let version =
            if version.contains(['.', '-']) { version.parse() } else { format!("{version}.0").parse() };
        Some(Self { operator, version: version.ok()? })
    }
}

impl Dependency {
    /// A comma-separated field. `R` itself is left to [`r_requirement`](super::Description):
    /// it is not a package. Empty entries, which real DESCRIPTIONs have, are passed over.
    ///
    /// # Errors
    ///
    /// An entry that is no name, or whose parentheses hold no requirement.
    pub fn parse_list(text: &str) -> Result<(Vec<Self>, Option<Requirement>), InvalidDependency> {
        let mut packages = Vec::new();
        let mut r = None;
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let invalid = || InvalidDependency(entry.chars().take(80).collect());
            let (name, rest) = match entry.split_once('(') {
                Some((name, rest)) => (name.trim(), Some(rest.trim_end().trim_end_matches(')'))),
                None => (entry, None),
            };
            let requirement = rest.map(|rest| Requirement::parse(rest).ok_or_else(invalid)).transpose()?;
            if name == "R" {
                r = requirement.or(r);
                continue;
            }
            packages.push(Self { name: name.parse().ok().ok_or_else(invalid)?, requirement });
        }
        Ok((packages, r))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.operator {
            Operator::AtLeast => ">=",
            Operator::Above => ">",
            Operator::AtMost => "<=",
            Operator::Below => "<",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
        };
        write!(f, "{sign} {}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_real_descriptions_write_it() {
        let (packages, r) = Dependency::parse_list("R (>= 4.0.0), foo (>= 1.0), , bar(<2.1),\n baz").unwrap();
        let shown: Vec<_> = packages
            .iter()
            .map(|d| (d.name.as_str(), d.requirement.as_ref().map(ToString::to_string)))
            .collect();
        assert_eq!(
            shown,
            [("foo", Some(">= 1.0".to_owned())), ("bar", Some("< 2.1".to_owned())), ("baz", None)]
        );
        assert_eq!(r.unwrap().to_string(), ">= 4.0.0");
        assert!(Dependency::parse_list("R (>= 4)").unwrap().1.is_some());
        for wrong in ["foo (1.0)", "../x", "foo (>= one)"] {
            assert!(Dependency::parse_list(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_requirement_is_held_against_a_version_as_r_does() {
        let cases = [
            (">= 1.0.0", "1.0", true),
            ("> 1.0", "1.0.0", false),
            ("< 2", "1.9", true),
            ("!= 1.0", "1.0.0", false),
        ];
        for (requirement, version, accepted) in cases {
            let requirement = Requirement::parse(requirement).unwrap();
            assert_eq!(requirement.accepts(&version.parse().unwrap()), accepted, "{version} {requirement}");
        }
    }
}
