//! What a system offers to shared libraries, as data: read, written and asked. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::Architecture;

const AL2023: [&str; 2] =
    [include_str!("../../targets/al2023-x86_64.toml"), include_str!("../../targets/al2023-arm64.toml")];

/// The parts of glibc. They fit one kernel interface and one another, so they are the
/// target's or nothing: never taken along.
const GLIBC: [&str; 15] = [
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    "libBrokenLocale.so.1",
    "libanl.so.1",
    "libc.so.6",
    "libc_malloc_debug.so.0",
    "libdl.so.2",
    "libm.so.6",
    "libmvec.so.1",
    "libnsl.so.1",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libthread_db.so.1",
    "libutil.so.1",
];

/// The libraries of a target, and which versions of their symbols they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub name: String,
    pub arch: Architecture,
    /// By soname. Of each family of versions the highest will do; a library without any is
    /// taken as it is.
    pub libraries: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    name: String,
    arch: String,
    libraries: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("it is no description of a target:\n{}", .0.to_string().trim_end())]
    Syntax(#[source] Box<toml::de::Error>),
    #[error("its `arch` is `{0}`, which is not an architecture of Lambda's: `x86_64` or `arm64`")]
    Architecture(String),
}

impl Policy {
    /// Lambda's `provided.al2023`.
    ///
    /// # Errors
    ///
    /// None for the files that this program carries; the types do not know it.
    pub fn al2023(arch: Architecture) -> Result<Self, PolicyError> {
        let [x86_64, arm64] = AL2023;
        Self::parse(match arch {
            Architecture::X86_64 => x86_64,
            Architecture::Arm64 => arm64,
        })
    }

    /// # Errors
    ///
    /// Where the text is none that [`Policy::render`] could have given.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let PolicyFile { name, arch, libraries } =
            toml::from_str(text).map_err(|error| PolicyError::Syntax(Box::new(error)))?;
        let arch = arch.parse().map_err(|_unknown| PolicyError::Architecture(arch))?;
        Ok(Self { name, arch, libraries })
    }

    pub fn render(&self) -> String {
        let Self { name, arch, libraries } = self.clone();
        let file = PolicyFile { name, arch: arch.to_string(), libraries };
        // Serializing strings and tables of them to TOML cannot fail.
        toml::to_string(&file).unwrap_or_default()
    }

    /// Whether the target has the library in all these versions.
    pub fn offers(&self, library: &str, versions: &BTreeSet<String>) -> bool {
        self.libraries.contains_key(library)
            && versions.iter().all(|version| self.has_version(library, version))
    }

    /// Whether the target's library has symbols of that version.
    pub fn has_version(&self, library: &str, version: &str) -> bool {
        let Some(offered) = self.libraries.get(library) else { return false };
        offered.is_empty() || offered.iter().any(|other| covers(other, version))
    }

    /// The highest version the library has of the same family.
    pub fn highest(&self, library: &str, version: &str) -> Option<&str> {
        let (family, _) = family_and_number(version)?;
        let offered = self.libraries.get(library)?.iter();
        let same = offered.filter_map(|other| Some((family_and_number(other)?, other)));
        same.filter(|((other, _), _)| *other == family).max().map(|(_, text)| text.as_str())
    }
}

/// Whether a library is a part of glibc.
pub fn is_glibc(library: &str) -> bool {
    GLIBC.contains(&library) || library.starts_with("libnss_")
}

/// Whether a library that has `offered` has `wanted` too: each version of a family comes
/// with all before it.
fn covers(offered: &str, wanted: &str) -> bool {
    match (family_and_number(offered), family_and_number(wanted)) {
        (Some((family, number)), Some((wanted_family, wanted_number))) => {
            family == wanted_family && number >= wanted_number
        }
        _ => offered == wanted,
    }
}

/// `GLIBC_2.34` is of family `GLIBC` and has the number 2.34; `GLIBC_ABI_DT_RELR` stands
/// for itself.
fn family_and_number(version: &str) -> Option<(&str, Vec<u64>)> {
    let (family, number) = version.rsplit_once('_')?;
    let parts = number.split('.').map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
    Some((family, parts))
}

/// Only the highest version of each family, and those that stand for themselves.
pub(super) fn highest_of_each_family(versions: &BTreeSet<String>) -> BTreeSet<String> {
    let outdone = |version: &String| versions.iter().any(|other| other != version && covers(other, version));
    versions.iter().filter(|version| !outdone(version) && *version != "GLIBC_PRIVATE").cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_s_own_libraries_are_known_for_both_architectures() {
        for (arch, loader) in
            [(Architecture::X86_64, "ld-linux-x86-64.so.2"), (Architecture::Arm64, "ld-linux-aarch64.so.1")]
        {
            let policy = Policy::al2023(arch).unwrap();
            assert_eq!((policy.arch, policy.libraries.contains_key(loader)), (arch, true));
            for absent in ["libgfortran.so.5", "libgomp.so.1", "libgobject-2.0.so.0", "libicuuc.so.67"] {
                assert!(!policy.libraries.contains_key(absent), "{absent}");
            }
        }
    }

    #[test]
    fn versions_are_held_against_the_highest_of_their_family() {
        let policy = Policy::al2023(Architecture::X86_64).unwrap();
        let cases = [
            ("libc.so.6", "GLIBC_2.2.5", true),
            ("libc.so.6", "GLIBC_2.34", true),
            ("libc.so.6", "GLIBC_2.4", true), // not a decimal fraction
            ("libc.so.6", "GLIBC_2.38", false),
            ("libc.so.6", "GLIBC_ABI_DT_RELR", false), // of glibc 2.36
            ("libstdc++.so.6", "GLIBCXX_3.4.29", true),
            ("libstdc++.so.6", "GLIBCXX_3.4.30", false),
            ("libcurl.so.4", "CURL_OPENSSL_4", true), // nothing is recorded of it
            ("libgfortran.so.5", "GFORTRAN_8", false),
        ];
        for (library, version, has) in cases {
            assert_eq!(policy.has_version(library, version), has, "{library} {version}");
        }
        assert_eq!(policy.highest("libc.so.6", "GLIBC_2.38"), Some("GLIBC_2.34"));
    }

    #[test]
    fn a_policy_is_read_back_as_it_was_written() {
        let policy = Policy::al2023(Architecture::Arm64).unwrap();
        assert_eq!(Policy::parse(&policy.render()).unwrap(), policy);
        assert!(Policy::parse("name = 'x'\narch = 'mips'\n[libraries]\n").is_err());
        assert!(Policy::parse("name = 'x'\narch = 'arm64'\nlibs = 1\n").is_err());
    }

    #[test]
    fn of_each_family_the_highest_is_kept() {
        let versions = ["GLIBC_2.2.5", "GLIBC_2.10", "GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR"];
        let kept = highest_of_each_family(&versions.map(str::to_owned).into());
        assert_eq!(kept, ["GLIBC_2.10", "GLIBC_ABI_DT_RELR"].map(str::to_owned).into());
    }
}
