//! Text to a release of Bioconductor.

use std::fmt;
use std::str::FromStr;

/// Release of Bioconductor, e.g. `3.18`.
///
/// Ordered as releases follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BioconductorRelease {
    pub major: u16,
    pub minor: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a release of Bioconductor such as `3.18`", .0.escape_debug())]
pub struct InvalidRelease(String);

impl BioconductorRelease {
    /// The release that a branch of Bioconductor's own git is of: `3.18` of `RELEASE_3_18`.
    pub fn of_branch(branch: &str) -> Option<Self> {
        branch.strip_prefix("RELEASE_")?.replacen('_', ".", 1).parse().ok()
    }

    /// The release that a repository's URL is of: `3.18` of
    /// `https://bioconductor.org/packages/3.18/bioc`.
    pub fn of_url(url: &str) -> Option<Self> {
        url.split_once("/packages/")?.1.split('/').next()?.parse().ok()
    }
}

impl FromStr for BioconductorRelease {
    type Err = InvalidRelease;

    fn from_str(text: &str) -> Result<Self, InvalidRelease> {
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| text.parse().ok()).flatten()
        };
        let numbers = text.split_once('.').and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
        match numbers {
            Some((major, minor)) => Ok(Self { major, minor }),
            None => Err(InvalidRelease(text.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for BioconductorRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::BioconductorRelease as Release;

    #[test]
    fn a_release_is_two_numbers_and_follows_the_one_before() {
        let release = |text: &str| text.parse::<Release>().unwrap();
        assert!(release("3.9") < release("3.10"));
        assert_eq!(Release::of_branch("RELEASE_3_18"), Some(release("3.18")));
        assert_eq!((Release::of_branch("devel"), Release::of_branch("RELEASE_3_x")), (None, None));
        let url = "https://bioconductor.org/packages/3.18/bioc";
        assert_eq!(Release::of_url(url), Some(release("3.18")));
        assert_eq!(Release::of_url("https://cloud.r-project.org"), None);
        for wrong in ["", "3", "3.18.1", "3.+1", "devel", "3."] {
            assert!(wrong.parse::<Release>().is_err(), "{wrong:?}");
        }
    }
}
