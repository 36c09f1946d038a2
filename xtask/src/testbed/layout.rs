//! Source packages to their places in a repository. Pure.
//!
//! As on CRAN, the newest version of a package is current and all others are in the
//! Archive, so a lockfile that is a few months old needs both.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::tarball::Tarball;

/// The packages of a repository by name, then from the newest version to the oldest.
pub type Layout = BTreeMap<String, Vec<Tarball>>;

/// Orders `tarballs`; of the same version, the first to come stays.
pub fn arrange(tarballs: Vec<Tarball>) -> Layout {
    let mut layout = Layout::new();
    for tarball in tarballs {
        let versions = layout.entry(tarball.name.clone()).or_default();
        if versions.iter().all(|known: &Tarball| known.version != tarball.version) {
            versions.push(tarball);
        }
    }
    for versions in layout.values_mut() {
        versions.sort_by(|a, b| compare_versions(&b.version, &a.version));
    }
    layout
}

/// R's `compareVersion`: part by part, and a longer one is the newer.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let parts = |version: &str| -> Vec<u64> {
        version.split(['.', '-']).map(|part| part.parse().unwrap_or_default()).collect()
    };
    parts(a).cmp(&parts(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dcf::Record;
    use std::path::PathBuf;

    #[test]
    fn versions_are_compared_as_numbers_and_not_as_text() {
        let cases = [
            ("1.10", "1.9", Ordering::Greater),
            ("7.3-65", "7.3-60.0.1", Ordering::Greater),
            ("1.0", "1.0.0", Ordering::Less),
            ("1.7-3", "1.7.3", Ordering::Equal),
        ];
        for (a, b, expected) in cases {
            assert_eq!(compare_versions(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn the_newest_version_comes_first_whatever_the_order_was() {
        let tarball = |version: &str| Tarball {
            name: "zoo".to_owned(),
            version: version.to_owned(),
            path: PathBuf::new(),
            description: Record::new(),
        };
        let layout = arrange(["1.8-9", "1.8-14", "1.8-9", "1.8-12"].map(tarball).to_vec());
        let versions: Vec<&str> = layout["zoo"].iter().map(|found| found.version.as_str()).collect();
        assert_eq!(versions, ["1.8-14", "1.8-12", "1.8-9"]);
    }
}
