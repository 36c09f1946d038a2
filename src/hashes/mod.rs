//! `Hash` of renv's and packrat's lockfiles, recomputed: does a package's DESCRIPTION say
//! what it said when the lockfile was written? Pure.
//!
//! Both are MD5 over a few fields of the installed DESCRIPTION, not over code. So they tell
//! whether lockfile and sources are consistent, and nothing about integrity: for that,
//! layr.lock has SHA-256. How they are computed changed over the years, and a lockfile does
//! not say how its own were; a hash that any of the known ways gives is right.

mod packrat;
mod renv;

use std::collections::BTreeMap;

pub use renv::of_record;

use crate::model::{Description, PackageId, PackageName, RVersion, Record};

/// What a lockfile says that a package's DESCRIPTION digests to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedHash {
    pub writer: Writer,
    /// 32 hexadecimal digits, in lower case.
    pub md5: String,
    /// The `Remote…` and `Github…` fields of the lockfile's record: managers write them to
    /// an installed DESCRIPTION, so no source has them.
    pub remotes: Vec<(String, String)>,
}

/// Who computed a hash, and from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// renv, from an installed DESCRIPTION.
    Renv,
    /// We, from a record that is a whole DESCRIPTION and has no `Hash`, as renv would.
    Record,
    Packrat,
}

/// A package whose DESCRIPTION is another than when the lockfile was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{package}`: its DESCRIPTION digests to {computed}, and the lockfile has {} ({})",
    .locked,
    match .writer {
        Writer::Renv => "renv's `Hash`",
        Writer::Record => "of its record",
        Writer::Packrat => "packrat's `Hash`",
    }
)]
pub struct HashMismatch {
    pub package: PackageId,
    pub writer: Writer,
    pub locked: String,
    /// As the newest version of the writer would compute it.
    pub computed: String,
}

/// The text of a hash, if it is one.
pub fn parse_md5(text: &str) -> Option<String> {
    let is_md5 = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_md5.then(|| text.to_ascii_lowercase())
}

/// Whether a hash can be computed from what the source says. renv's covers `Author` and
/// `Maintainer`, which R derives from `Authors@R` where a package is built or installed.
pub fn needs_installed(locked: &LockedHash, source: &Record) -> bool {
    let is_complete = ["Author", "Maintainer"].iter().all(|field| source.has(field));
    locked.writer != Writer::Packrat && !is_complete
}

/// Holds a DESCRIPTION against what the lockfile has. `r` is the lockfile's, and `linked`
/// has the packages whose headers it can be built against.
///
/// # Errors
///
/// Where no known way of computing gives the locked hash.
pub fn check(
    locked: &LockedHash,
    description: &Description,
    r: Option<&RVersion>,
    linked: &BTreeMap<&PackageName, &Description>,
) -> Result<(), HashMismatch> {
    let computed = match locked.writer {
        Writer::Renv | Writer::Record => renv::all(&description.record, &locked.remotes, r),
        Writer::Packrat => packrat::all(&description.record, &locked.remotes, linked),
    };
    if computed.contains(&locked.md5) {
        return Ok(());
    }
    let computed = computed.into_iter().next().unwrap_or_default();
    let LockedHash { writer, md5, .. } = locked.clone();
    Err(HashMismatch { package: description.id.clone(), writer, locked: md5, computed })
}

/// Adds a text without what R's `[[:space:]]` matches in a UTF-8 locale on Linux. That is
/// not Unicode's `White_Space`: no-break blanks and U+0085 are not in it.
fn push_without_space(to: &mut String, text: &str) {
    let is_space = |c: char| {
        matches!(
            c,
            '\t'..='\r' | ' ' | '\u{1680}' | '\u{2000}'..='\u{2006}' | '\u{2008}'..='\u{200a}'
                | '\u{2028}' | '\u{2029}' | '\u{205f}' | '\u{3000}'
        )
    };
    to.extend(text.chars().filter(|c| !is_space(*c)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(writer: Writer, md5: &str, remotes: &[(&str, &str)]) -> LockedHash {
        let remotes = remotes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        LockedHash { writer, md5: md5.to_owned(), remotes: remotes.collect() }
    }

    fn fixture(name: &str) -> Description {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/descriptions/");
        Description::parse(&std::fs::read_to_string(format!("{folder}{name}")).unwrap()).unwrap()
    }

    /// Hashes that public lockfiles have.
    #[test]
    fn renv_s_hashes_are_those_of_real_lockfiles() {
        let (r6, emo) = (fixture("R6_2.5.1"), fixture("emo_3f03b11"));
        let nothing = BTreeMap::new();
        let of_r6 = locked(Writer::Renv, "470851b6d5d0ac559e9d01bb352b4021", &[]);
        assert_eq!(check(&of_r6, &r6, None, &nothing), Ok(()));
        let remotes = [
            ("RemoteType", "github"),
            ("RemoteHost", "api.github.com"),
            ("RemoteRepo", "emo"),
            ("RemoteUsername", "hadley"),
            ("RemoteRef", "master"),
            ("RemoteSha", "3f03b11491ce3d6fc5601e210927eff73bf8e350"),
        ];
        let of_emo = locked(Writer::Renv, "5ece31a6c0f94811e6bef59482d87164", &remotes);
        assert_eq!(check(&of_emo, &emo, None, &nothing), Ok(()));
        let another = locked(Writer::Renv, "470851b6d5d0ac559e9d01bb352b4022", &[]);
        let mismatch = check(&another, &r6, None, &nothing).unwrap_err();
        assert_eq!(mismatch.computed, "470851b6d5d0ac559e9d01bb352b4021");
    }

    /// `packrat` versions and hashes of public lockfiles: R6, assertthat and cellranger of
    /// several, triebeard and Rcpp of BimberLab/geneSetVis.
    #[test]
    fn packrat_s_hashes_are_those_of_real_lockfiles() {
        let rcpp = "Package: Rcpp\nVersion: 1.0.4\nDepends: R (>= 3.0.0)\nImports: methods, utils\nSuggests: tinytest, inline, rbenchmark, pkgKitten (>= 0.1.2)\n";
        let cellranger = "Package: cellranger\nVersion: 1.1.0\nDepends: R (>= 3.0.0)\nSuggests: covr, testthat (>= 1.0.0), knitr, rmarkdown\nImports: rematch, tibble\n";
        let triebeard = "Package: triebeard\nVersion: 0.3.0\nLinkingTo: Rcpp\nImports: Rcpp\nSuggests: knitr, rmarkdown, testthat\n";
        let cases = [
            (
                "Package: R6\nVersion: 2.4.0\nDepends: R (>= 3.0)\nSuggests: knitr, microbenchmark, pryr, testthat, ggplot2, scales\n",
                "948a547c484e5bea15eee76cc53cce3f",
            ),
            (rcpp, "ed8b47781f96c8f2509bbedd3c61e395"),
            (cellranger, "be9d203e7849f73818b36f93e9273c2c"), // 0.5.0: in a fixed order
            (cellranger, "4e1ef4d099b0c5fd531a3938cf4624bd"), // 0.4.9.2: as written
            (triebeard, "27c33fe448852c6a631e67dea4f6a55d"),  // with the hash of Rcpp 1.0.4
        ];
        let rcpp = Description::parse(rcpp).unwrap();
        let linked = BTreeMap::from([(&rcpp.id.name, &rcpp)]);
        for (text, md5) in cases {
            let description = Description::parse(text).unwrap();
            assert_eq!(
                check(&locked(Writer::Packrat, md5, &[]), &description, None, &linked),
                Ok(()),
                "{text}"
            );
        }
        let triebeard = Description::parse(triebeard).unwrap();
        let of_triebeard = locked(Writer::Packrat, "27c33fe448852c6a631e67dea4f6a55d", &[]);
        let without = check(&of_triebeard, &triebeard, None, &BTreeMap::new());
        assert!(without.is_err(), "the headers it is built against are part of it");
    }

    /// The same package in the lockfiles of CRI-iAtlas/shiny-iatlas and of
    /// BimberLab/geneSetVis, each with the headers of its own Rcpp.
    #[test]
    fn packrat_s_hashes_change_with_the_headers_that_a_package_is_built_against() {
        let rcpp = |version: &str, suggests: &str| {
            let text = format!(
                "Package: Rcpp\nVersion: {version}\nDepends: R (>= 3.0.0)\nImports: methods, utils\nSuggests: {suggests}\n"
            );
            Description::parse(&text).unwrap()
        };
        let of_2019 =
            rcpp("1.0.2", "RUnit, inline, rbenchmark, knitr, rmarkdown, pinp, pkgKitten (>= 0.1.2)");
        let of_2020 = rcpp("1.0.4", "tinytest, inline, rbenchmark, pkgKitten (>= 0.1.2)");
        let r6 = "Package: R6\nVersion: 2.4.1\nDepends: R (>= 3.0)\nSuggests: knitr, microbenchmark, pryr, testthat, ggplot2, scales\n";
        let r6 = Description::parse(r6).unwrap();
        let ggrepel = |version: &str| {
            let text = format!(
                "Package: ggrepel\nVersion: {version}\nDepends: R (>= 3.0.0), ggplot2 (>= 2.2.0)\nImports: grid, Rcpp, scales (>= 0.3.0)\nSuggests: knitr, rmarkdown, testthat, gridExtra, devtools, prettydoc\nLinkingTo: Rcpp\n"
            );
            Description::parse(&text).unwrap()
        };
        let (before, after) = (ggrepel("0.8.1"), ggrepel("0.8.2"));
        let cases = [
            (&of_2019, &of_2019, "d04e441a8d398e3d3a71f294c07fa94d"),
            (&r6, &of_2020, "b488861d8c3dfac497e041ec911df9fb"),
            (&before, &of_2019, "eb493288016e758c2ca94a6b675b0b1d"),
            (&after, &of_2020, "b99c876ec7ab33063609782ae778a919"),
        ];
        for (description, rcpp, md5) in cases {
            let linked = BTreeMap::from([(&rcpp.id.name, rcpp)]);
            let locked = locked(Writer::Packrat, md5, &[]);
            assert_eq!(check(&locked, description, None, &linked), Ok(()), "{}", description.id);
        }
        let linked = BTreeMap::from([(&of_2020.id.name, &of_2020)]);
        let of_before = locked(Writer::Packrat, "eb493288016e758c2ca94a6b675b0b1d", &[]);
        assert!(check(&of_before, &before, None, &linked).is_err());
    }

    /// Packages from GitHub, of CRI-iAtlas/shiny-iatlas (0.5.0) and of pkgr's tests (0.4.9.2).
    #[test]
    fn packrat_s_hashes_of_packages_from_github_need_the_commit() {
        let concordance = "Package: concordanceIndex\nVersion: 0.1\nDepends: R (>= 3.3.1)\n";
        let dt = "Package: DT\nVersion: 0.4.15\nImports:\n    htmltools (>= 0.3.6),\n    htmlwidgets (>= 1.0),\n    magrittr,\n    crosstalk,\n    promises\nSuggests:\n    jsonlite (>= 0.9.16),\n    knitr (>= 1.8),\n    rmarkdown,\n    shiny (>= 0.12.1)\n";
        let cases = [
            (concordance, "2e6f75f9c85c509e021e374a83ca58478e88e2dc", "074ea053c9330fc330ed2fd4eed5a18f"),
            (dt, "103ac5d562148b813219f4cc9a3f4b29bda2f6c6", "7d46ef83ce542f2e5a587653d826c253"),
        ];
        for (text, commit, md5) in cases {
            let description = Description::parse(text).unwrap();
            let with = locked(Writer::Packrat, md5, &[("GithubSHA1", commit)]);
            assert_eq!(check(&with, &description, None, &BTreeMap::new()), Ok(()), "{text}");
            let without = locked(Writer::Packrat, md5, &[]);
            assert!(check(&without, &description, None, &BTreeMap::new()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_circle_of_headers_ends() {
        let (a, b) =
            ("Package: a1\nVersion: 1.0\nLinkingTo: b1\n", "Package: b1\nVersion: 1.0\nLinkingTo: a1\n");
        let (a, b) = (Description::parse(a).unwrap(), Description::parse(b).unwrap());
        let linked = BTreeMap::from([(&a.id.name, &a), (&b.id.name, &b)]);
        assert!(check(&locked(Writer::Packrat, "", &[]), &a, None, &linked).is_err());
    }

    #[test]
    fn blanks_are_those_of_r_and_not_of_unicode() {
        let mut text = String::new();
        push_without_space(&mut text, "a b\u{3000}c\u{2003}d\u{a0}e\u{85}f\u{2007}g\u{202f}h");
        assert_eq!(text, "abcd\u{a0}e\u{85}f\u{2007}g\u{202f}h");
    }

    #[test]
    fn what_r_derives_at_installation_has_to_be_waited_for() {
        let (renv, packrat) = (locked(Writer::Renv, "", &[]), locked(Writer::Packrat, "", &[]));
        let complete = Description::parse("Package: a1\nVersion: 1.0\nAuthor: x\nMaintainer: x\n").unwrap();
        let source = Description::parse("Package: a1\nVersion: 1.0\nAuthors@R: x\n").unwrap();
        let needs = [(&renv, &complete), (&renv, &source), (&packrat, &source)]
            .map(|(hash, description)| needs_installed(hash, &description.record));
        assert_eq!(needs, [false, true, false]);
    }
}
