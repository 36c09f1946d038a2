//! Where Posit's package managers have the binary packages of a repository.
//!
//! They have the sources' names and lie beside them, below `__linux__/SYSTEM`. Where there
//! is no binary package for an R, the source comes instead, without a word.

use std::collections::BTreeSet;

use super::Candidate;
use crate::lockfile::Lockfile;
use crate::model::{Architecture, PackageId, RVersion};

/// For glibc 2.28, which Amazon Linux 2023 has newer; what they need beside is inside.
const SYSTEM: &str = "manylinux_2_28";
/// Posit's own, under all of its names.
const PUBLIC: [&str; 3] =
    ["https://packagemanager.posit.co/", "https://packagemanager.rstudio.com/", "https://p3m.dev/"];

/// What binary packages have to be built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    pub r: RVersion,
    pub arch: Architecture,
}

/// Where the repositories that are package managers have a package as a binary one.
pub(super) fn candidates(
    id: &PackageId,
    repositories: &[String],
    lockfile: &Lockfile,
    binaries: &Binaries,
) -> Vec<Candidate> {
    // A company's own is known by what a lockfile has of it.
    let known = lockfile.repositories.iter().filter(|repository| repository.url.contains("/__linux__/"));
    let known: BTreeSet<String> = known.map(|repository| of_sources(&repository.url)).collect();
    let is_manager = |url: &&String| known.contains(*url) || PUBLIC.iter().any(|host| url.starts_with(host));
    repositories.iter().filter(is_manager).filter_map(|url| candidate(id, url, binaries)).collect()
}

fn candidate(id: &PackageId, repository: &str, binaries: &Binaries) -> Option<Candidate> {
    let (before, snapshot) = repository.trim_end_matches('/').rsplit_once('/')?;
    let series = binaries.r.minor_series();
    let arch = match binaries.arch {
        Architecture::X86_64 => "x86_64",
        Architecture::Arm64 => "aarch64",
    };
    let PackageId { name, version } = id;
    let url = format!(
        "{before}/__linux__/{SYSTEM}/{snapshot}/src/contrib/{name}_{version}.tar.gz?r_version={series}&arch={arch}"
    );
    Some(Candidate { is_binary: true, ..Candidate::tarball(url) })
}

/// Posit's package managers have binary packages below `__linux__/<system>`, and the
/// sources of the same packages beside them.
pub(super) fn of_sources(url: &str) -> String {
    let Some((before, after)) = url.split_once("/__linux__/") else { return url.to_owned() };
    after.split_once('/').map_or_else(|| before.to_owned(), |(_, snapshot)| format!("{before}/{snapshot}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posit_s_binary_packages_are_passed_by() {
        let cases = [
            ("https://p3m.dev/cran/__linux__/jammy/2024-05-01", "https://p3m.dev/cran/2024-05-01"),
            ("https://p3m.dev/cran/__linux__/jammy", "https://p3m.dev/cran"),
            ("https://p3m.dev/cran/latest", "https://p3m.dev/cran/latest"),
        ];
        for (url, sources) in cases {
            assert_eq!(of_sources(url), sources);
        }
    }

    #[test]
    fn a_package_manager_is_asked_for_the_binary_package_of_the_same_snapshot() {
        let text = r#"{ "R": { "Version": "4.5.1", "Repositories": [
            { "Name": "Own", "URL": "https://pm.acme.com/r/__linux__/jammy/2025-06-02" },
            { "Name": "CRAN", "URL": "https://cran.example" } ] }, "Packages": {} }"#;
        let lockfile = crate::lockfile::parse(text).unwrap();
        let id = PackageId { name: "cli".parse().unwrap(), version: "3.6.5".parse().unwrap() };
        let repositories = [
            "https://packagemanager.posit.co/cran/latest",
            "https://pm.acme.com/r/2025-06-02",
            "https://cran.example",
        ];
        let repositories = repositories.map(str::to_owned);
        let binaries = |arch| Binaries { r: "4.5.1".parse().unwrap(), arch };
        let found = candidates(&id, &repositories, &lockfile, &binaries(Architecture::X86_64));
        assert!(found.iter().all(|candidate| candidate.is_binary));
        let urls: Vec<&str> = found.iter().map(|candidate| candidate.url.as_str()).collect();
        assert_eq!(
            urls,
            [
                "https://packagemanager.posit.co/cran/__linux__/manylinux_2_28/latest/src/contrib/cli_3.6.5.tar.gz?r_version=4.5&arch=x86_64",
                "https://pm.acme.com/r/__linux__/manylinux_2_28/2025-06-02/src/contrib/cli_3.6.5.tar.gz?r_version=4.5&arch=x86_64",
            ]
        );
        let found = candidates(&id, &repositories, &lockfile, &binaries(Architecture::Arm64));
        assert!(found[0].url.ends_with("&arch=aarch64"));
    }
}
