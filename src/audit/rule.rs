//! What an audit can find, under names that stay, and what a finding comes to. Pure.

use serde::{Deserialize, Serialize};

/// What a finding comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It is not looked for.
    Off,
    /// It is told.
    Note,
    /// It is told as something to look at.
    Warn,
    /// The run fails.
    Deny,
}

impl Level {
    pub(super) const NAMES: &str = "off, note, warn or deny";

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Off, Self::Note, Self::Warn, Self::Deny].into_iter().find(|level| level.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

macro_rules! rules {
    ($($variant:ident, $name:literal, $level:ident, $about:literal;)*) => {
        /// What can be found. Closed: each has a name that users write in layr.toml, a level
        /// where they write none, and a sentence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(into = "&'static str")]
        pub enum Rule {
            $(#[doc = $about] $variant,)*
        }

        impl Rule {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Where layr.toml does not say.
            pub fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)* }
            }

            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

rules! {
    Vulnerable, "vulnerable", Deny, "An advisory affects the version";
    LicenceDenied, "license-denied", Deny, "Every choice of the licence is denied by layr.toml";
    LicenceNotAllowed, "license-not-allowed", Deny, "No choice of the licence is allowed by layr.toml";
    LicenceUnknown, "license-unknown", Note, "The licence has no name in SPDX, or is not known at all";
    Outdated, "outdated", Note, "A repository has a newer version";
    Archived, "archived", Warn, "The package is in the repository's archive alone";
    Removed, "removed", Warn, "The package is in the repository no more";
    ChangedBytes, "changed-bytes", Deny, "The source tarball has other bytes than were locked";
    RUnsupported, "r-unsupported", Warn, "R's series gets no fixes any more";
    RunsCode, "runs-code", Note, "Installing the package runs programs that it brings";
    Downloads, "downloads", Warn, "The package may download while it is installed or loaded";
    NativeCode, "native-code", Note, "The package has code to compile";
    SerializedCode, "serialized-code", Note, "A file of R data holds code";
    DatabaseStale, "database-stale", Warn, "The advisories are older than layr.toml allows";
    DatabaseFuture, "database-future", Warn, "The advisories are from the future";
    DatabaseRecord, "database-record", Warn, "Records of the advisories are of no use";
    NotCovered, "not-covered", Note, "No advisories are known of what the thing is from";
    IgnoreUnused, "ignore-unused", Warn, "An ignore of layr.toml applies to nothing";
    IgnoreExpired, "ignore-expired", Warn, "An ignore of layr.toml has expired";
}

impl From<Rule> for &'static str {
    fn from(rule: Rule) -> Self {
        rule.name()
    }
}

impl Rule {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }
}
