//! An inventory to what is audited: for each function, or for a layer that stands for
//! itself, its packages and libraries. Pure.

use std::collections::BTreeMap;

use super::behaviour::Behaviour;
use crate::inventory::{Inventory, Library, Origin, Package};
use crate::lockfile::CRAN_URL;
use crate::model::{PackageId, RVersion, Sha256Digest};
use crate::resolve::BIOCONDUCTOR_URL;

/// One function, or one layer that stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// As it was named.
    pub path: String,
    pub function: Option<String>,
    pub r: Option<RVersion>,
    /// The release of Debian that the libraries are of, such as `13`.
    pub debian: Option<String>,
    pub packages: Vec<Audited>,
    pub libraries: Vec<AuditedLibrary>,
    /// Layers that nobody could say the packages of.
    pub unknown_layers: Vec<String>,
}

/// A package, and what was found out about it. What nobody looked at is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    pub id: PackageId,
    pub source: Source,
    /// `License` of its DESCRIPTION.
    pub licence: Option<String>,
    /// In the file that it is locked in, from 1.
    pub line: Option<usize>,
    pub layers: Vec<String>,
    /// The CRAN-like repository that it is from.
    pub repository: Option<String>,
    /// Where its source tarball was found, and its digest.
    pub tarball: Option<(String, Sha256Digest)>,
    pub standing: Option<Standing>,
    pub bytes: Option<Bytes>,
    pub behaviours: Option<Vec<Behaviour>>,
}

/// Whose package it is, as far as advisories go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// CRAN's or Bioconductor's, or one whose source nobody says: advisories are of these.
    Covered,
    /// From elsewhere; advisories of the name may be of another package.
    ByName(String),
}

/// What a repository has of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The newest.
    Current,
    Newer(RVersion),
    Archived,
    Removed,
}

/// What became of a source tarball since it was locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bytes {
    Same,
    /// SHA-256, hexadecimal.
    Other {
        locked: String,
        found: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedLibrary {
    pub name: String,
    /// The source package of the base's system, and its version.
    pub source: Option<(String, String)>,
    pub licences: Vec<String>,
    pub layers: Vec<String>,
    /// The form of the system's packages and the distribution, where it is said.
    pub system: Option<String>,
}

impl Audited {
    /// A package of which no more is known than that layers hold it.
    pub fn bare(id: PackageId, layers: Vec<String>) -> Self {
        Self {
            id,
            source: Source::Covered,
            licence: None,
            line: None,
            layers,
            repository: None,
            tarball: None,
            standing: None,
            bytes: None,
            behaviours: None,
        }
    }
}

impl Subject {
    /// All that an inventory has. `text` is that of a lockfile, for the lines.
    pub fn of(inventory: &Inventory, path: &str, text: Option<&str>) -> Vec<Self> {
        let lines = text.map(lines_of).unwrap_or_default();
        let debian = inventory.base.as_ref().and_then(|base| debian_release(&base.recipe));
        // Of a base that is an image or a folder, its own word.
        let systems =
            || inventory.libraries.iter().filter_map(|library| library.owner.as_ref()?.system.as_deref());
        let debian =
            debian.or_else(|| systems().find_map(|said| said.strip_prefix("deb/debian-")).map(str::to_owned));
        let one = |function: Option<&str>| {
            let is_of = |functions: &std::collections::BTreeSet<String>| {
                function.is_none_or(|function| functions.contains(function))
            };
            let packages = inventory.packages.iter().filter(|package| is_of(&package.functions));
            let libraries = inventory.libraries.iter().filter(|library| is_of(&library.functions));
            Self {
                path: path.to_owned(),
                function: function.map(str::to_owned),
                r: inventory.r.clone(),
                debian: debian.clone(),
                packages: packages.map(|package| audited(package, &lines)).collect(),
                libraries: libraries.map(audited_library).collect(),
                unknown_layers: Vec::new(),
            }
        };
        if inventory.functions.is_empty() {
            return vec![one(None)];
        }
        inventory.functions.iter().map(|function| one(Some(&function.name))).collect()
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        self.function.as_deref().unwrap_or(&self.path)
    }
}

fn audited(package: &Package, lines: &BTreeMap<String, usize>) -> Audited {
    Audited {
        source: source(&package.origin),
        licence: package.license.clone(),
        line: lines.get(package.id.name.as_str()).copied(),
        repository: repository(package),
        tarball: package.url.clone().zip(package.sha256),
        ..Audited::bare(package.id.clone(), package.layers.iter().cloned().collect())
    }
}

/// Where the package's newest version would be: for CRAN's, CRAN itself, and not a snapshot
/// of some day that the lockfile may name.
fn repository(package: &Package) -> Option<String> {
    match &package.origin {
        Origin::Cran => Some(CRAN_URL.to_owned()),
        Origin::Bioconductor { release: Some(release) } => {
            Some(format!("{BIOCONDUCTOR_URL}/packages/{release}/bioc"))
        }
        Origin::Repository { url } => Some(url.clone()),
        Origin::Bioconductor { release: None }
        | Origin::Forge { .. }
        | Origin::Git { .. }
        | Origin::Archive { .. }
        | Origin::Local
        | Origin::Unknown => None,
    }
}

fn source(origin: &Origin) -> Source {
    match origin {
        Origin::Cran | Origin::Bioconductor { .. } | Origin::Unknown => Source::Covered,
        Origin::Repository { .. }
        | Origin::Forge { .. }
        | Origin::Git { .. }
        | Origin::Archive { .. }
        | Origin::Local => Source::ByName(origin.shown()),
    }
}

fn audited_library(library: &Library) -> AuditedLibrary {
    let owner = library.owner.as_ref();
    AuditedLibrary {
        name: library.name.clone(),
        source: owner.map(|owner| (owner.source.clone(), owner.source_version.clone())),
        licences: library.licenses.clone(),
        system: owner.and_then(|owner| owner.system.clone()),
        layers: library.layers.iter().cloned().collect(),
    }
}

/// Debian's suites by the numbers that advisories have.
const SUITES: [(&str, &str); 6] = [
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("duke", "15"),
];

/// Of a base's recipe, with what it was told behind `+`.
fn debian_release(recipe: &str) -> Option<String> {
    let suite = recipe.strip_prefix("debian:")?.split(['+', ' ']).next()?;
    SUITES.iter().find(|(name, _)| *name == suite).map(|(_, number)| (*number).to_owned())
}

/// Where each package's record begins, in lockfiles of JSON, DCF or TOML.
fn lines_of(text: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        let in_quotes = |rest: &str| Some(rest.strip_prefix('"')?.split_once('"')?.0.to_owned());
        let after =
            |key: &str| Some(line.strip_prefix(key)?.trim().trim_start_matches([':', '=']).trim().to_owned());
        let name = match line.strip_suffix('{') {
            // "name": {
            Some(head) => in_quotes(head.trim_end().trim_end_matches(':')),
            None => after("\"Package\"")
                .or_else(|| after("\"package\""))
                .or_else(|| after("name"))
                .and_then(|rest| in_quotes(&rest))
                .or_else(|| line.strip_prefix("Package:").map(|name| name.trim().to_owned()))
                // A record on one line.
                .or_else(|| line.contains("\"Version\"").then(|| in_quotes(line)).flatten()),
        };
        if let Some(name) = name {
            lines.entry(name).or_insert(at + 1);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_s_line_is_found_in_each_form() {
        let cases = [
            ("{\n  \"Packages\": {\n    \"R6\": {\n      \"Package\": \"R6\",\n", 3),
            ("{\n  \"Packages\": {\n    \"R6\": { \"Package\": \"R6\", \"Version\": \"1.0\" }\n", 3),
            ("PackratFormat: 1.4\n\nPackage: R6\nSource: CRAN\n", 3),
            ("version = 1\n\n[[package]]\nname = \"R6\"\n", 4),
        ];
        for (text, line) in cases {
            assert_eq!(lines_of(text).get("R6"), Some(&line), "{text}");
        }
    }

    #[test]
    fn a_base_s_recipe_tells_the_release_of_debian() {
        let cases = [
            ("debian:trixie", Some("13")),
            ("debian:bookworm+libxml2-dev", Some("12")),
            ("debian:sid", None),
            ("al2023 r=4.5.0", None),
        ];
        for (recipe, release) in cases {
            assert_eq!(debian_release(recipe).as_deref(), release, "{recipe}");
        }
    }
}
