//! What of a package is left out when it is shipped: rules by profile, exceptions by
//! package, and the user's own patterns. Pure.

use std::collections::BTreeMap;

use glob::{MatchOptions, Pattern};
use serde::Deserialize;

use crate::model::PackageName;

/// The rules, carried inside the program.
const RULES: &str = include_str!("../../slim/rules.toml");

const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true, // `*` stays within one name
    require_literal_leading_dot: false,
};

/// How much is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slimness {
    /// Nothing.
    None,
    /// What no documented use of a package at run time needs.
    Default,
    /// Also translations, examples' data and the like.
    Max,
}

/// Patterns of paths inside a package, by the package's name; `*` is for all packages.
pub type Patterns = BTreeMap<String, Vec<String>>;

/// What is to be left out.
#[derive(Debug, Clone)]
pub struct Profile {
    drop: Vec<Rule>,
    keep: Vec<Rule>,
}

/// What is to be left out of one package.
#[derive(Debug, Clone)]
pub struct PackageProfile<'a> {
    drop: Vec<&'a Pattern>,
    keep: Vec<&'a Pattern>,
}

/// A pattern, and the package it is for; for all if `None`.
#[derive(Debug, Clone)]
struct Rule {
    package: Option<String>,
    pattern: Pattern,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    rule: Vec<RawRule>,
    exception: Vec<RawException>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    profile: Slimness,
    patterns: Vec<String>,
    #[serde(rename = "why")]
    _why: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawException {
    package: String,
    patterns: Vec<String>,
    #[serde(rename = "why")]
    _why: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    #[error("`{pattern}` of [slim] is no pattern: {reason}")]
    Pattern { pattern: String, reason: &'static str },
    #[error("the rules that this program carries cannot be read: {0}")]
    Rules(String),
}

impl Profile {
    /// # Errors
    ///
    /// Where one of the patterns is none.
    pub fn new(slimness: Slimness, drop: &Patterns, keep: &Patterns) -> Result<Self, ProfileError> {
        let file: RulesFile =
            toml::from_str(RULES).map_err(|error| ProfileError::Rules(error.to_string()))?;
        let mut profile = Self { drop: of_user(drop)?, keep: of_user(keep)? };
        for rule in file.rule.iter().filter(|rule| rule.profile <= slimness) {
            profile.drop.extend(rules(None, &rule.patterns)?);
        }
        // What the user drops by name goes, also where we would keep it.
        for exception in file.exception.iter().filter(|exception| !drop.contains_key(&exception.package)) {
            profile.keep.extend(rules(Some(&exception.package), &exception.patterns)?);
        }
        Ok(profile)
    }

    pub fn of(&self, package: &PackageName) -> PackageProfile<'_> {
        let applies = |rule: &&Rule| rule.package.as_ref().is_none_or(|name| name == package.as_str());
        PackageProfile {
            drop: self.drop.iter().filter(applies).map(|rule| &rule.pattern).collect(),
            keep: self.keep.iter().filter(applies).map(|rule| &rule.pattern).collect(),
        }
    }
}

fn of_user(patterns: &Patterns) -> Result<Vec<Rule>, ProfileError> {
    let mut all = Vec::new();
    for (package, patterns) in patterns {
        all.extend(rules((package != "*").then_some(package), patterns)?);
    }
    Ok(all)
}

fn rules(package: Option<&String>, patterns: &[String]) -> Result<Vec<Rule>, ProfileError> {
    let rule = |text: &String| match Pattern::new(text) {
        Ok(pattern) => Ok(Rule { package: package.cloned(), pattern }),
        Err(error) => Err(ProfileError::Pattern { pattern: text.clone(), reason: error.msg }),
    };
    patterns.iter().map(rule).collect()
}

impl PackageProfile<'_> {
    /// Whether the file or link at that path inside the package is left out.
    pub fn leaves_out(&self, path: &str) -> bool {
        let matches =
            |patterns: &[&Pattern]| patterns.iter().any(|pattern| pattern.matches_with(path, MATCHING));
        matches(&self.drop) && !matches(&self.keep)
    }

    /// Everything that decides, for a key.
    pub fn parts(&self) -> impl Iterator<Item = String> {
        let named = |kind: &'static str, patterns: &[&Pattern]| -> Vec<String> {
            patterns.iter().map(|pattern| format!("{kind} {pattern}")).collect()
        };
        named("drop", &self.drop).into_iter().chain(named("keep", &self.keep))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(slimness: Slimness, package: &str, path: &str) -> bool {
        let none = Patterns::new();
        Profile::new(slimness, &none, &none).unwrap().of(&package.parse().unwrap()).leaves_out(path)
    }

    #[test]
    fn each_profile_leaves_out_what_it_says_and_no_more() {
        let cases = [
            // path, default, max
            ("include/Rcpp.h", true, true),
            ("lib/libtbb.a", true, true),
            ("lib/libtbb.so.2", false, false),
            ("libs/x.so", false, false),
            ("Meta/package.rds", false, false),
            ("Meta/Rd.rds", true, true),
            ("DESCRIPTION", false, false),
            ("LICENSE", false, false), // it has to come with the package
            ("COPYRIGHTS", false, false),
            ("NEWS.md", true, true),
            ("deep/NEWS.md", false, false), // a folder of the package's own
            ("po/de/LC_MESSAGES/R-x.mo", false, true),
            ("extdata/x.csv", false, true),
            ("CITATION", false, true),
            ("data/Rdata.rdb", false, false),
        ];
        for (path, default, max) in cases {
            assert!(!left_out(Slimness::None, "x1", path), "{path}");
            assert_eq!(left_out(Slimness::Default, "x1", path), default, "{path}");
            assert_eq!(left_out(Slimness::Max, "x1", path), max, "{path}");
        }
    }

    #[test]
    fn an_exception_keeps_what_the_package_uses_unless_the_user_drops_it() {
        assert!(!left_out(Slimness::Default, "tinytest", "tinytest/test_x.R"));
        assert!(left_out(Slimness::Default, "other1", "tinytest/test_x.R"));
        let drop = Patterns::from([("tinytest".to_owned(), vec!["tinytest/**".to_owned()])]);
        let profile = Profile::new(Slimness::None, &drop, &Patterns::new()).unwrap();
        assert!(profile.of(&"tinytest".parse().unwrap()).leaves_out("tinytest/test_x.R"));
    }

    #[test]
    fn the_user_s_patterns_are_for_one_package_or_for_all() {
        let patterns =
            |package: &str, pattern: &str| Patterns::from([(package.to_owned(), vec![pattern.to_owned()])]);
        let profile =
            Profile::new(Slimness::Default, &patterns("*", "big/**"), &patterns("a1", "include/**")).unwrap();
        let (a1, b1) = ("a1".parse().unwrap(), "b1".parse().unwrap());
        assert!(profile.of(&a1).leaves_out("big/x") && profile.of(&b1).leaves_out("big/x"));
        assert!(!profile.of(&a1).leaves_out("include/x.h") && profile.of(&b1).leaves_out("include/x.h"));
        let wrong = Profile::new(Slimness::None, &patterns("*", "a/***"), &Patterns::new()).unwrap_err();
        assert!(wrong.to_string().contains("`a/***`"), "{wrong}");
    }
}
