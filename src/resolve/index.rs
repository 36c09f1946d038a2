//! The text of a repository's `PACKAGES` to what resolving asks of it.

use std::collections::BTreeMap;

use crate::model::{DcfError, PackageName, RVersion, compare_version, parse_dcf};

/// The current packages of one repository. A package can be listed several times, for
/// several versions of R.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageIndex {
    packages: BTreeMap<PackageName, Vec<Listing>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) version: RVersion,
    /// MD5 of the tarball, hexadecimal; a check against damage, not against malice.
    pub(super) md5: Option<String>,
    /// Folder below `src/contrib`, such as `4.5.0/Recommended`.
    pub(super) path: Option<String>,
}

impl PackageIndex {
    /// Entries with an impossible name or version are passed over: they cannot be locked
    /// to either.
    ///
    /// # Errors
    ///
    /// Where the text is no index at all, such as a proxy's error page.
    pub fn parse(text: &str) -> Result<Self, DcfError> {
        let mut packages: BTreeMap<PackageName, Vec<Listing>> = BTreeMap::new();
        for record in parse_dcf(text)? {
            let name = record.get("Package").and_then(|text| text.parse().ok());
            let version = record.get("Version").and_then(|text| text.parse().ok());
            let (Some(name), Some(version)) = (name, version) else { continue };
            let listing = Listing {
                version,
                md5: record.get("MD5sum").map(str::to_ascii_lowercase),
                path: record.get("Path").filter(|path| is_safe_path(path)).map(str::to_owned),
            };
            packages.entry(name).or_default().push(listing);
        }
        Ok(Self { packages })
    }

    pub(super) fn listing(&self, name: &PackageName, version: &RVersion) -> Option<&Listing> {
        self.packages.get(name)?.iter().find(|listing| listing.version == *version)
    }

    /// The newest version of the package that is current.
    pub fn newest(&self, name: &PackageName) -> Option<&RVersion> {
        let versions = self.packages.get(name)?.iter().map(|listing| &listing.version);
        versions.max_by(|a, b| compare_version(a, b))
    }
}

/// A path that only leads down.
fn is_safe_path(path: &str) -> bool {
    path.split('/').all(|part| {
        !part.is_empty()
            && part != ".."
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_answers_for_exact_and_for_newest_versions() {
        let text = "Package: a1\nVersion: 1.9\nMD5sum: ABC\n\nPackage: a1\nVersion: 1.10\nPath: 4.5.0/Recommended\n\nPackage: b/d\nVersion: 1.0\n\nPackage: c1\nVersion: 1.0\nPath: ../../x\n";
        let index = PackageIndex::parse(text).unwrap();
        let (a1, c1) = ("a1".parse().unwrap(), "c1".parse().unwrap());
        assert_eq!(index.newest(&a1).unwrap().as_str(), "1.10");
        assert_eq!(index.listing(&a1, &"1.9".parse().unwrap()).unwrap().md5.as_deref(), Some("abc"));
        assert_eq!(index.listing(&a1, &"1.8".parse().unwrap()), None);
        assert_eq!(
            index.listing(&c1, &"1.0".parse().unwrap()).unwrap().path,
            None,
            "a path may not lead out"
        );
        assert!(PackageIndex::parse("<html>\n").is_err());
    }
}
