//! `--base TEXT` to a recipe. Pure.

use std::fmt;
use std::path::PathBuf;

use super::BaseOptions;
use crate::model::Sha256Digest;

/// How a base is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipe {
    /// Debian's own R and compilers, from Debian's package archive.
    Debian { suite: String },
    /// Lambda's image with compilers and the portable R.
    Al2023,
    /// Any image that has R, by digest.
    Image { reference: String, digest: Sha256Digest },
    /// A root file system that has R, or the folder of a base.
    Folder(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no recipe for a base", .0.escape_debug())]
pub struct InvalidRecipe(String);

impl InvalidRecipe {
    pub fn hint(&self) -> String {
        "say `al2023`, `debian:trixie`, `IMAGE@sha256:DIGEST`, or the path of a root file system, \
         with a slash in it"
            .to_owned()
    }
}

impl Recipe {
    /// # Errors
    ///
    /// Where the text is none of the forms.
    pub fn parse(text: &str) -> Result<Self, InvalidRecipe> {
        let invalid = || InvalidRecipe(text.chars().take(200).collect());
        if text == "al2023" {
            Ok(Self::Al2023)
        } else if let Some(suite) = text.strip_prefix("debian:") {
            let valid = !suite.is_empty() && suite.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if valid && !suite.starts_with('-') {
                Ok(Self::Debian { suite: suite.to_owned() })
            } else {
                Err(invalid())
            }
        } else if let Some((name, digest)) = text.rsplit_once("@sha256:") {
            let valid = !name.is_empty() && !name.starts_with('-') && !name.contains(char::is_whitespace);
            let digest = digest.parse().ok().ok_or_else(invalid)?;
            if valid { Ok(Self::Image { reference: text.to_owned(), digest }) } else { Err(invalid()) }
        } else if text.contains('/') || text == "." {
            Ok(Self::Folder(PathBuf::from(text)))
        } else {
            Err(invalid())
        }
    }

    /// The name under which a made base is found again: all that the recipe was told.
    pub(super) fn canonical(&self, options: &BaseOptions) -> String {
        let mut name = self.to_string();
        let mut include = options.include.clone();
        include.sort();
        include.dedup();
        if !include.is_empty() {
            name.push_str(&format!("+{}", include.join("+")));
        }
        if let (Self::Al2023, Some(r)) = (self, &options.r) {
            name.push_str(&format!(" r={r}"));
        }
        if let Some(arch) = options.foreign() {
            name.push_str(&format!(" arch={arch}"));
        }
        name
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Debian { suite } => write!(f, "debian:{suite}"),
            Self::Al2023 => f.write_str("al2023"),
            Self::Image { reference, .. } => f.write_str(reference),
            Self::Folder(folder) => write!(f, "{}", folder.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Architecture;

    #[test]
    fn each_form_is_told_from_the_others() {
        let digest = "ab".repeat(32);
        let image = format!("docker.io/rocker/r-ver@sha256:{digest}");
        assert_eq!(Recipe::parse("al2023"), Ok(Recipe::Al2023));
        assert_eq!(Recipe::parse("debian:trixie"), Ok(Recipe::Debian { suite: "trixie".to_owned() }));
        assert!(matches!(Recipe::parse(&image), Ok(Recipe::Image { .. })));
        assert_eq!(Recipe::parse("./rootfs"), Ok(Recipe::Folder("./rootfs".into())));
        for wrong in ["", "ubuntu", "debian:", "debian:-x", "debian:a b", "x@sha256:ab", "-x@sha256:"] {
            assert!(Recipe::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_included_is_part_of_the_name_in_any_order() {
        let named = |include: &[&str]| {
            let include = include.iter().map(|name| (*name).to_owned()).collect();
            Recipe::Al2023.canonical(&BaseOptions { include, ..BaseOptions::default() })
        };
        assert_eq!(named(&["b", "a"]), named(&["a", "b", "a"]));
        assert_ne!(named(&["a"]), named(&[]));
    }

    #[test]
    fn a_base_for_another_processor_has_another_name() {
        let named =
            |arch| Recipe::Al2023.canonical(&BaseOptions { arch: Some(arch), ..BaseOptions::default() });
        let mut both = [Architecture::X86_64, Architecture::Arm64].map(named);
        both.sort();
        assert_eq!(both[0], "al2023");
        assert!(both[1].starts_with("al2023 arch="));
    }
}
