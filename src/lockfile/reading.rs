//! A [`Lockfile`] as it comes together, the same way for every format: what may stand in it
//! once, what is left out, and what is assumed aloud.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::{
    CRAN_FAMILY, CRAN_URL, Format, LeftOut, LockedPackage, Lockfile, LockfileError, Repository, Source,
    WhyLeftOut,
};
use crate::model::{BioconductorRelease, PackageId, PackageName, RVersion, is_base_package};

pub(super) struct Reading {
    lockfile: Lockfile,
    /// Where each package's record begins.
    lines: BTreeMap<PackageName, usize>,
}

impl Reading {
    pub(super) fn new(format: Format, warnings: Vec<String>) -> Self {
        let lockfile = Lockfile {
            format,
            r: None,
            repositories: Vec::new(),
            bioconductor: None,
            packages: BTreeMap::new(),
            left_out: Vec::new(),
            warnings,
        };
        Self { lockfile, lines: BTreeMap::new() }
    }

    pub(super) fn warn(&mut self, text: String) {
        self.lockfile.warnings.push(text);
    }

    pub(super) fn r(&mut self, version: Option<RVersion>) {
        self.lockfile.r = version;
    }

    pub(super) fn bioconductor(&mut self, release: BioconductorRelease) {
        self.lockfile.bioconductor = Some(release);
    }

    /// Adds those whose URLs are not there yet.
    pub(super) fn repositories(&mut self, repositories: Vec<Repository>) {
        for repository in repositories {
            if self.lockfile.repositories.iter().all(|other| other.url != repository.url) {
                self.lockfile.repositories.push(repository);
            }
        }
    }

    pub(super) fn has_repository(&self, name: &str) -> bool {
        self.lockfile.repositories.iter().any(|repository| repository.name == name)
    }

    /// Notes packages that are not built: R's own, and those for Windows alone.
    pub(super) fn is_left_out(&mut self, id: &PackageId, is_windows_only: bool) -> bool {
        let why = match (is_base_package(&id.name), is_windows_only) {
            (true, _) => WhyLeftOut::Base,
            (false, true) => WhyLeftOut::Windows,
            (false, false) => return false,
        };
        if why == WhyLeftOut::Windows {
            self.warn(format!("`{id}` is for Windows alone, and left out"));
        }
        self.lockfile.left_out.push(LeftOut { id: id.clone(), why });
        true
    }

    pub(super) fn package(&mut self, line: usize, package: LockedPackage) -> Result<(), LockfileError> {
        let name = package.id.name.clone();
        if let Some(first_line) = self.lines.insert(name.clone(), line) {
            return Err(LockfileError::Duplicate { line, first_line, package: name });
        }
        self.lockfile.packages.insert(name, package);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Lockfile {
        if self.lockfile.r.is_none() {
            self.warn("the lockfile does not say which R it is for; the base's is used".to_owned());
        }
        if self.lockfile.repositories.is_empty() {
            self.warn("the lockfile names no repository; CRAN is used".to_owned());
            let (name, url) = ("CRAN".to_owned(), CRAN_URL.to_owned());
            self.lockfile.repositories.push(Repository { name, url });
        }
        self.warn_of_undeclared_repositories();
        self.lockfile
    }

    /// Names are what repositories call themselves. Those of CRAN's mirrors are known;
    /// with any other, a person may have meant a repository that the file does not have.
    fn warn_of_undeclared_repositories(&mut self) {
        let mut n_packages: BTreeMap<&str, usize> = BTreeMap::new();
        for package in self.lockfile.packages.values() {
            if let Source::Repository { recorded: Some(name), .. } = &package.source
                && !(name.contains("://")
                    || CRAN_FAMILY.contains(&name.as_str())
                    || self.has_repository(name))
            {
                *n_packages.entry(name).or_default() += 1;
            }
        }
        let warnings: Vec<_> = n_packages
            .into_iter()
            .map(|(name, n)| {
                let name = name.escape_debug();
                format!("`{name}` is none of the lockfile's repositories: all are searched (packages locked from it: {n})")
            })
            .collect();
        self.lockfile.warnings.extend(warnings);
    }
}

/// The line of a byte of a text, from 1.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].split(|byte| *byte == b'\n').count()
}

/// TOML to what it holds.
pub(super) fn of_toml<T: DeserializeOwned>(text: &str) -> Result<T, LockfileError> {
    toml::from_str(text).map_err(|error| LockfileError::Toml {
        line: line_at(text, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })
}
