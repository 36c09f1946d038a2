//! Text to the name of an R package.

use std::fmt;
use std::str::FromStr;

/// Name of an R package, e.g. `data.table`.
///
/// Invariant: ASCII letters, digits and `.`; two to 64 characters; a letter first, no `.`
/// last (Writing R Extensions, "The DESCRIPTION file"; the upper bound is ours, so that a
/// name fits wherever a file name does). A name is therefore always one safe path component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not the name of an R package: letters, digits and `.`, a letter first", .0.escape_debug())]
pub struct InvalidPackageName(String);

impl PackageName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PackageName {
    type Err = InvalidPackageName;

    fn from_str(text: &str) -> Result<Self, InvalidPackageName> {
        let valid = match text.as_bytes() {
            [first, middle @ .., last] => {
                first.is_ascii_alphabetic()
                    && middle.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'.')
                    && last.is_ascii_alphanumeric()
                    && text.len() <= 64
            }
            _ => false,
        };
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPackageName(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::PackageName;

    #[test]
    fn a_name_is_always_one_safe_path_component() {
        let cases = [
            ("R6", true),
            ("data.table", true),
            ("A3", true),
            ("R", false), // R itself is no package
            ("", false),
            ("a.", false),
            (".a", false),
            ("6R", false),
            ("a_b", false),
            ("a-b", false),
            ("../etc", false),
            ("a/b", false),
            ("a\0b", false),
            ("é1", false),
        ];
        for (text, valid) in cases {
            assert_eq!(text.parse::<PackageName>().is_ok(), valid, "{text:?}");
        }
        assert!("a".repeat(65).parse::<PackageName>().is_err());
    }
}
