//! What packages ask of the system, held against the base before anything is compiled.

use std::collections::{BTreeMap, BTreeSet};

use super::run::Run;
use super::{BuildRequest, Services};
use crate::base::{self, Base, System};
use crate::error::Error;
use crate::fetch::SourceTarball;
use crate::report::Event;
use crate::requirements::{Distribution, Source, requirements};
use crate::resolve::Graph;

/// Something that a base's system lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// E.g. `udunits`.
    pub name: &'static str,
    pub source: Source,
    /// The R packages that ask for it, as `name version`.
    pub asked_by: Vec<String>,
    /// All of them say that they can do without.
    pub is_optional: bool,
}

/// All that a base lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirements {
    pub distribution: Distribution,
    /// By name.
    pub lacking: Vec<Lacking>,
}

impl Requirements {
    /// The system packages that would do, of what R packages cannot do without.
    pub fn include(&self) -> BTreeSet<&'static str> {
        let needed = self.lacking.iter().filter(|lacking| !lacking.is_optional);
        let packages = needed.filter_map(|lacking| match &lacking.source {
            Source::Packages(packages) => Some(packages.clone()),
            Source::Nowhere | Source::Unknown => None,
        });
        packages.flatten().collect()
    }
}

/// What the lockfiles' packages ask of the recipe's system beyond what it has; `None` where
/// its packages have no names that we know.
///
/// # Errors
///
/// As fetching sources: what they ask for is in their DESCRIPTIONs.
pub fn system_requirements(
    request: &BuildRequest,
    services: &Services,
) -> Result<Option<Requirements>, Error> {
    let run = Run::new(request, services);
    let before = run.read_layr_lock()?;
    let prepared = run.prepare(&before)?;
    let Some(system) = base::system(None, &request.base, &request.base_options)? else { return Ok(None) };
    let tarballs = prepared.iter().flat_map(|function| &function.tarballs);
    Ok(Some(lacking(tarballs, &system)))
}

impl Run<'_> {
    /// What the nodes at these places of a function's graph ask for; nothing where the
    /// base's system is not known.
    pub(super) fn lacking<'t>(
        &self,
        tarballs: impl Iterator<Item = &'t SourceTarball>,
        base: Option<&Base>,
    ) -> Result<Option<Requirements>, Error> {
        let system = base::system(base, &self.request.base, &self.request.base_options)?;
        Ok(system.map(|system| lacking(tarballs, &system)))
    }

    /// Says so before hours of compiling show it.
    pub(super) fn warn_of_lacking(
        &self,
        (graph, tarballs): (&Graph, &[SourceTarball]),
        base: &Base,
    ) -> Result<(), Error> {
        let needed = graph.needed();
        let Some(requirements) = self.lacking(needed.iter().map(|at| &tarballs[*at]), Some(base))? else {
            return Ok(());
        };
        for lacking in requirements.lacking.iter().filter(|lacking| !lacking.is_optional) {
            let packages = lacking.asked_by.join(", ");
            let text = match &lacking.source {
                Source::Packages(names) => {
                    format!(
                        "{packages} asks for {}, which the base has not: {}",
                        lacking.name,
                        names.join(", ")
                    )
                }
                Source::Nowhere | Source::Unknown => {
                    format!("{packages} asks for {}, of which we know no package", lacking.name)
                }
            };
            self.services.report.report(&Event::Warning { text: &text });
        }
        Ok(())
    }
}

fn lacking<'a>(tarballs: impl Iterator<Item = &'a SourceTarball>, system: &System) -> Requirements {
    let mut by_name: BTreeMap<&str, Lacking> = BTreeMap::new();
    for tarball in tarballs {
        let Some(text) = &tarball.description.system_requirements else { continue };
        for asked in requirements(text, system.distribution) {
            let is_there = match &asked.source {
                Source::Packages(names) => names.iter().all(|name| system.packages.contains(*name)),
                Source::Nowhere => false,
                // Not knowing its package is no reason to say that it is missing.
                Source::Unknown => true,
            };
            if is_there {
                continue;
            }
            let lacking = by_name.entry(asked.name).or_insert_with(|| Lacking {
                name: asked.name,
                source: asked.source,
                asked_by: Vec::new(),
                is_optional: true,
            });
            lacking.is_optional &= asked.is_optional;
            let id = tarball.id.to_string();
            if !lacking.asked_by.contains(&id) {
                lacking.asked_by.push(id);
            }
        }
    }
    Requirements { distribution: system.distribution, lacking: by_name.into_values().collect() }
}
