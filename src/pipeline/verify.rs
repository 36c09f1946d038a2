//! What was built, built again, and every byte compared.

use std::collections::{BTreeMap, BTreeSet};

use super::run::Run;
use super::{BuildRequest, BuiltFunction, Services};
use crate::base::Base;
use crate::build::{self, Again, Failure, Site};
use crate::compare;
use crate::error::Error;
use crate::model::{PackageId, PackageName, Sha256Digest, TreeDigest};
use crate::remote;
use crate::store::{EntryKind, Store};

/// Files of one package that are explained at most.
const N_FILES: usize = 10;

/// How the second build went.
#[derive(Debug, Default)]
pub struct VerifyReport {
    pub same: Vec<PackageId>,
    pub differing: Vec<Differing>,
    pub failed: Vec<Failure>,
}

/// A package whose two builds are not the same.
#[derive(Debug)]
pub struct Differing {
    pub package: PackageId,
    pub first: TreeDigest,
    pub second: TreeDigest,
    /// Each file that differs, and why it probably does.
    pub files: Vec<(String, String)>,
}

/// Builds what layr.lock locks once more, each package in fresh folders against the trees
/// that the first build used, and compares. With `only`, these packages alone.
///
/// # Errors
///
/// As a build with `--locked`. That bytes differ is in the report.
pub fn verify(
    request: &BuildRequest,
    only: &BTreeSet<PackageName>,
    services: &Services,
) -> Result<VerifyReport, Error> {
    let Services { remote, store, report: news, .. } = services;
    remote::sharing(remote.as_ref(), (store, &**news), |shared| {
        verify_all(&Run { shared, ..Run::new(request, services) }, only)
    })
}

fn verify_all(run: &Run<'_>, only: &BTreeSet<PackageName>) -> Result<VerifyReport, Error> {
    let locked = run.read_layr_lock()?;
    let prepared = run.prepare(&locked)?;
    let base = run.base(&locked)?;
    run.check_r(&base, &prepared)?;
    let (mut report, mut seen) = (VerifyReport::default(), BTreeSet::new());
    for function in prepared {
        let function = run.build_function(function, &base)?;
        let is_meant = |name: &PackageName| only.is_empty() || only.contains(name);
        let mut which = function.graph.needed();
        which
            .retain(|at| is_meant(&function.graph.nodes[*at].id.name) && seen.insert(function.built[at].key));
        run.verify_function((&function, &which), &base, &mut report)?;
    }
    let missing = only.iter().find(|name| !report.names().contains(name));
    match missing {
        Some(name) => Err(Error::Usage(format!("`{name}` is not among what these lockfiles build"))),
        None => Ok(report),
    }
}

impl VerifyReport {
    fn names(&self) -> BTreeSet<&PackageName> {
        let differing = self.differing.iter().map(|package| &package.package.name);
        let failed = self.failed.iter().map(|failure| &failure.package.name);
        self.same.iter().map(|id| &id.name).chain(differing).chain(failed).collect()
    }
}

impl Run<'_> {
    fn verify_function(
        &self,
        (function, which): (&BuiltFunction, &BTreeSet<usize>),
        base: &Base,
        report: &mut VerifyReport,
    ) -> Result<(), Error> {
        if which.is_empty() {
            return Ok(());
        }
        let Services { store, report: listener, interrupt, .. } = self.services;
        let (venue, instead) = (self.venue()?, self.instead()?);
        let site = Site { store, venue, instead, base, report: &**listener, interrupt, shared: None };
        let options = (site, &self.request.build);
        let inputs = (&function.graph, function.tarballs.as_slice());
        for (at, outcome) in build::again(inputs, &function.built, which, options)? {
            let first = &function.built[&at];
            match outcome {
                Again::Built(second) if second == first.tree => report.same.push(first.id.clone()),
                Again::Built(second) => report.differing.push(Differing {
                    package: first.id.clone(),
                    files: differing_files(first.tree, second, store)?,
                    first: first.tree,
                    second,
                }),
                Again::Failed(failure) => report.failed.push(*failure),
            }
        }
        Ok(())
    }
}

fn differing_files(
    one: TreeDigest,
    other: TreeDigest,
    store: &Store,
) -> Result<Vec<(String, String)>, Error> {
    let (one, other) = (files(one, store)?, files(other, store)?);
    let paths: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let mut found = Vec::new();
    for path in paths {
        let why = match (one.get(path), other.get(path)) {
            (a, b) if a == b => continue,
            (Some(Some(a)), Some(Some(b))) => {
                let index = path.strip_suffix(".rdb").map(|stem| format!("{stem}.rdx"));
                let index = |files: &BTreeMap<String, Option<Sha256Digest>>| -> Result<_, Error> {
                    let digest = index.as_ref().and_then(|index| *files.get(index)?);
                    Ok(digest.map(|digest| store.read_blob(digest)).transpose()?)
                };
                let (a, b) = (store.read_blob(*a)?, store.read_blob(*b)?);
                let indexes = (index(&one)?, index(&other)?);
                let indexes = indexes.0.as_deref().zip(indexes.1.as_deref());
                compare::explain(path, (&a, &b), indexes)
            }
            (None, _) | (_, None) => "only one of the builds has it".to_owned(),
            _ => "a link to somewhere else, or a file in one and a link in the other".to_owned(),
        };
        found.push((path.clone(), why));
        if found.len() == N_FILES {
            break;
        }
    }
    Ok(found)
}

/// All files and links of a tree; links have no digest of their own.
fn files(tree: TreeDigest, store: &Store) -> Result<BTreeMap<String, Option<Sha256Digest>>, Error> {
    let entries = store.entries(tree.0)?.into_iter();
    let files = entries.filter_map(|entry| match entry.kind {
        EntryKind::File { digest, .. } => Some((entry.path, Some(digest))),
        EntryKind::Symlink { target } => Some((format!("{} -> {target}", entry.path), None)),
        EntryKind::Directory => None,
    });
    Ok(files.collect())
}
