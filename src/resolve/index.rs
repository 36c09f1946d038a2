//! The text of a repository's `PACKAGES` to what resolving asks of it.

use std::collections::BTreeMap;

use crate::model::{
    DcfError, Dependency, InvalidDependency, PackageName, RVersion, compare_version, parse_dcf,
};

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
    license: Option<String>,
    /// `Depends`, `Imports` and `LinkingTo`.
    needs: [Option<String>; 3],
}

/// What an index repeats of a package's DESCRIPTION.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub license: Option<String>,
    /// To build or to run; `None` where it is not in R's form.
    pub needs: Option<Vec<Dependency>>,
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
                license: record.get("License").map(str::to_owned),
                needs: ["Depends", "Imports", "LinkingTo"].map(|field| record.get(field).map(str::to_owned)),
            };
            packages.entry(name).or_default().push(listing);
        }
        Ok(Self { packages })
    }

    pub(super) fn listing(&self, name: &PackageName, version: &RVersion) -> Option<&Listing> {
        self.packages.get(name)?.iter().find(|listing| listing.version == *version)
    }

    /// What is said of exactly that version.
    pub fn listed(&self, name: &PackageName, version: &RVersion) -> Option<Listed> {
        let Listing { license, needs, .. } = self.listing(name, version)?;
        let needs = needs.iter().flatten().map(|field| Ok(Dependency::parse_list(field)?.0));
        let needs: Result<Vec<Vec<Dependency>>, InvalidDependency> = needs.collect();
        Some(Listed { license: license.clone(), needs: needs.ok().map(|lists| lists.concat()) })
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

    #[test]
    fn an_index_repeats_the_licence_and_the_needs_of_the_versions_it_has() {
        let text = "Package: a1\nVersion: 1.0\nLicense: GPL-3\nDepends: R (>= 4.0), b1\nLinkingTo: c1 (>= 2.0)\n\nPackage: d1\nVersion: 1.0\nImports: ???\n";
        let index = PackageIndex::parse(text).unwrap();
        let listed = |name: &str, version: &str| {
            let listed = index.listed(&name.parse().unwrap(), &version.parse().unwrap())?;
            let needs = listed.needs.map(|needs| needs.iter().map(|need| need.name.to_string()).collect());
            Some((listed.license, needs))
        };
        let names =
            |names: &[&str]| -> Option<Vec<String>> { Some(names.iter().map(ToString::to_string).collect()) };
        assert_eq!(listed("a1", "1.0"), Some((Some("GPL-3".to_owned()), names(&["b1", "c1"]))));
        assert_eq!(listed("a1", "1.1"), None, "of another version it says nothing");
        assert_eq!(listed("d1", "1.0"), Some((None, None)));
    }
}
