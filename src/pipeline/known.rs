//! What this machine knows of packages whose lockfile says no more than their versions: by
//! their sources in the store, else by the indexes of their repositories that it keeps.

use std::collections::{BTreeMap, BTreeSet};

use super::{Services, Sources};
use crate::audit::Subject;
use crate::error::Error;
use crate::fetch;
use crate::inventory::{Inventory, Origin};
use crate::model::{Dependency, PackageId, PackageName, without_base_packages};
use crate::resolve::{Listed, PackageIndex};

/// Tells an inventory licences and dependencies. What nobody here knows stays unknown.
/// `repositories` are those of its lockfile, by their URLs.
///
/// # Errors
///
/// A store that fails.
pub fn describe(
    inventory: &mut Inventory,
    sources: &Sources,
    repositories: &[String],
    services: &Services,
) -> Result<(), Error> {
    for package in &mut inventory.packages {
        let Some(tarball) = sources.get(&package.id) else { continue };
        let description = &tarball.description;
        // What the source says counts, whatever a lockfile repeats of it.
        package.license = description.license.clone().or_else(|| package.license.take());
        let exact = || names(description.build_dependencies());
        package.dependencies.get_or_insert_with(exact);
        package.sha256.get_or_insert(tarball.sha256);
        package.url.get_or_insert_with(|| tarball.url.clone());
    }
    let is_unknown = |package: &&mut crate::inventory::Package| {
        package.license.is_none() || package.dependencies.is_none()
    };
    let unknown: Vec<_> = inventory.packages.iter_mut().filter(is_unknown).collect();
    let is_listed = |origin: &Origin| {
        matches!(origin, Origin::Cran | Origin::Bioconductor { .. } | Origin::Repository { .. })
    };
    let wanted = unknown.iter().filter(|package| is_listed(&package.origin));
    let wanted: Vec<Wanted<'_>> = wanted.map(|package| (&package.id, package.url.as_deref())).collect();
    let listed = listed(&wanted, repositories, services)?;
    for package in unknown {
        let Some(Listed { license, needs }) = listed.get(&package.id) else { continue };
        package.license = package.license.take().or_else(|| license.clone());
        let needs = needs.as_ref().map(|needs| names(needs.iter()));
        package.dependencies = package.dependencies.take().or(needs);
    }
    Ok(())
}

/// Tells subjects of an audit the licences that neither their files nor their sources say.
///
/// # Errors
///
/// As [`describe`].
pub fn look_up(subjects: &mut [Subject], repositories: &[String], services: &Services) -> Result<(), Error> {
    let packages = subjects.iter().flat_map(|subject| &subject.packages);
    let unknown = packages.filter(|package| package.licence.is_none() && package.repository.is_some());
    let wanted: Vec<Wanted<'_>> =
        unknown.map(|one| (&one.id, one.tarball.as_ref().map(|(url, _)| url.as_str()))).collect();
    let listed = listed(&wanted, repositories, services)?;
    for package in subjects.iter_mut().flat_map(|subject| &mut subject.packages) {
        let of_index = listed.get(&package.id).and_then(|listed| listed.license.clone());
        package.licence = package.licence.take().or(of_index);
    }
    Ok(())
}

/// A package, and where its source tarball is, if that is known.
type Wanted<'a> = (&'a PackageId, Option<&'a str>);

/// What the indexes at hand say of exactly these versions.
fn listed(
    wanted: &[Wanted<'_>],
    repositories: &[String],
    services: &Services,
) -> Result<BTreeMap<PackageId, Listed>, Error> {
    let mut found = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(found);
    }
    let repository = |url: &str| Some(url.split_once("/src/contrib/")?.0.to_owned());
    let by_url = wanted.iter().filter_map(|(_, url)| repository((*url)?));
    let all: BTreeSet<String> = repositories.iter().cloned().chain(by_url).collect();
    let Services { store, http, .. } = services;
    for url in all {
        let text = fetch::kept_index(&url, http, store);
        let text = text.map_err(|error| Error::Fetch(vec![error]))?;
        let Some(Ok(index)) = text.as_deref().map(PackageIndex::parse) else { continue };
        for (id, _) in wanted {
            if let Some(listed) = index.listed(&id.name, &id.version) {
                found.entry((*id).clone()).or_insert(listed);
            }
        }
    }
    Ok(found)
}

fn names<'a>(needs: impl Iterator<Item = &'a Dependency>) -> Vec<PackageName> {
    without_base_packages(needs.map(|need| need.name.clone()))
}
