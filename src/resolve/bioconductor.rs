//! Which release of Bioconductor a package is of, and where that release's packages are.

use crate::lockfile::Lockfile;
use crate::model::{BioconductorRelease, RVersion};

/// Where all releases are; the name `Bioconductor` stands for it in `--repository`.
pub const BIOCONDUCTOR_URL: &str = "https://bioconductor.org";

/// The repositories of one release. Each package is in one of them.
pub(super) fn repositories(release: BioconductorRelease) -> [String; 5] {
    ["bioc", "data/annotation", "data/experiment", "workflows", "books"]
        .map(|folder| format!("{BIOCONDUCTOR_URL}/packages/{release}/{folder}"))
}

/// The release of a package: what its record says, else what the lockfile says as a
/// whole, else the locked `BiocVersion`, else a repository's URL, else the R version.
/// The last is a guess, since an R has two releases.
pub(super) fn release_of(
    recorded: Option<BioconductorRelease>,
    lockfile: &Lockfile,
) -> Option<(BioconductorRelease, Certainty)> {
    let said =
        recorded.or(lockfile.bioconductor).or_else(|| by_bioc_version(lockfile)).or_else(|| by_url(lockfile));
    let said = said.map(|release| (release, Certainty::Said));
    said.or_else(|| Some((by_r(lockfile.r.as_ref()?)?, Certainty::Guessed)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certainty {
    Said,
    Guessed,
}

/// `BiocVersion` 3.18.1 is of release 3.18.
fn by_bioc_version(lockfile: &Lockfile) -> Option<BioconductorRelease> {
    let package = lockfile.packages.values().find(|package| package.id.name.as_str() == "BiocVersion")?;
    package.id.version.minor_series().parse().ok()
}

fn by_url(lockfile: &Lockfile) -> Option<BioconductorRelease> {
    let part = |url: &str| url.split_once("/packages/")?.1.split('/').next()?.parse().ok();
    lockfile.repositories.iter().find_map(|repository| part(&repository.url))
}

/// The last release for each R, by Bioconductor's own table of releases.
fn by_r(r: &RVersion) -> Option<BioconductorRelease> {
    const LAST: [(&str, u16); 12] = [
        ("3.1", 0),
        ("3.2", 2),
        ("3.3", 4),
        ("3.4", 6),
        ("3.5", 8),
        ("3.6", 10),
        ("4.0", 12),
        ("4.1", 14),
        ("4.2", 16),
        ("4.3", 18),
        ("4.4", 20),
        ("4.5", 22),
    ];
    let series = r.minor_series();
    let (_, minor) = LAST.into_iter().find(|(known, _)| *known == series)?;
    Some(BioconductorRelease { major: 3, minor })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lockfile(r: &str, bioconductor: &str, url: &str, version: &str) -> Lockfile {
        let text = format!(
            r#"{{ "R": {{ "Version": "{r}", "Repositories": [ {{ "Name": "A", "URL": "{url}" }} ] }}, {bioconductor}
                "Packages": {{ "BiocVersion": {{ "Package": "{version}", "Version": "3.17.1", "Source": "Repository" }} }} }}"#
        );
        crate::lockfile::parse(&text.replace("BiocVersion", version)).unwrap()
    }

    #[test]
    fn the_release_is_what_the_nearest_word_says() {
        let block = r#""Bioconductor": { "Version": "3.16" },"#;
        let (bioc, cran) = ("https://bioconductor.org/packages/3.18/bioc", "https://cran.example");
        let recorded = Some(BioconductorRelease { major: 3, minor: 15 });
        let cases = [
            (recorded, lockfile("4.4.1", block, bioc, "BiocVersion"), "3.15 Said"),
            (None, lockfile("4.4.1", block, bioc, "BiocVersion"), "3.16 Said"),
            (None, lockfile("4.4.1", "", bioc, "BiocVersion"), "3.17 Said"),
            (None, lockfile("4.4.1", "", bioc, "limma"), "3.18 Said"),
            (None, lockfile("4.4.1", "", cran, "limma"), "3.20 Guessed"),
        ];
        for (recorded, lockfile, expected) in cases {
            let (release, certainty) = release_of(recorded, &lockfile).unwrap();
            assert_eq!(format!("{release} {certainty:?}"), expected);
        }
        assert_eq!(release_of(None, &lockfile("2.15.0", "", cran, "limma")), None);
    }
}
