//! `layr audit fleet`

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use super::super::cloud::{CloudArgs, read_manifest};
use super::super::inventory::downloaded;
use super::super::{Global, table};
use super::{ReportArgs, policy, verdict};
use crate::audit::render::render;
use crate::audit::{self, Audited, Subject};
use crate::error::{Error, ExitCode};
use crate::inventory::InventoryError;
use crate::manifest;
use crate::model::{Dependency, LayerVersionArn, PackageId};
use crate::pipeline::Services;
use crate::publish::{self, FleetFunction, FleetLayer};
use crate::report::Event;
use crate::sys::fs;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Say only which functions have this package, e.g. `jsonlite` or `jsonlite < 1.8.8`
    #[arg(value_name = "PACKAGE", value_parser = wanted)]
    package: Option<Wanted>,
    #[command(flatten)]
    cloud: CloudArgs,
    /// A further folder whose layers.json says what is in layers; may be repeated
    #[arg(long = "known", value_name = "DIR")]
    known: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// A package, at versions if said so.
#[derive(Debug, Clone)]
struct Wanted(Dependency);

fn wanted(text: &str) -> Result<Wanted, String> {
    let at = text.find(['<', '>', '=', '!']).unwrap_or(text.len());
    let (name, requirement) = text.split_at(at);
    let entry = if requirement.is_empty() { name.to_owned() } else { format!("{name} ({requirement})") };
    let (mut list, _) = Dependency::parse_list(&entry).map_err(|error| error.to_string())?;
    list.pop().map(Wanted).ok_or_else(|| "it names no package".to_owned())
}

impl Wanted {
    fn fits(&self, id: &PackageId) -> bool {
        let Self(Dependency { name, requirement }) = self;
        *name == id.name && requirement.as_ref().is_none_or(|one| one.accepts(&id.version))
    }
}

/// What a layer holds, and the R that it is for.
#[derive(Debug, Default)]
struct Content {
    packages: Option<Vec<PackageId>>,
    r: Option<String>,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<ExitCode, Error> {
    let cloud = args.cloud.open(global)?;
    let services = global.services_until(cloud.interrupt.clone(), Vec::new(), false)?;
    let (functions, layers) = publish::fleet(&cloud.regions, &cloud.aws)?;
    let known = args.known_layers()?;
    let mut contents = BTreeMap::new();
    for (arn, layer) in layers {
        let content = content(&arn, layer, &known, &services)?;
        contents.insert(arn, content);
    }
    let subjects: Vec<Subject> = functions.iter().map(|function| subject(function, &contents)).collect();
    if let Some(wanted) = &args.package {
        let text = args.having(wanted, &functions, &contents);
        write!(stdout, "{text}").map_err(Error::Output)?;
        return Ok(ExitCode::Success);
    }
    let database = args.report.database(&cloud.config, false, &services)?;
    let policy = policy(&cloud.config)?;
    let report = audit::check(&audit::Request {
        subjects: &subjects,
        database: database.as_ref(),
        policy: &policy,
        now: args.report.now(),
        is_whole: false,
    });
    write!(stdout, "{}", render(&report, args.report.format(global))).map_err(Error::Output)?;
    Ok(verdict(&report))
}

impl Args {
    /// What layers.json files say of layers, by their names, which are their content's.
    fn known_layers(&self) -> Result<BTreeMap<String, Vec<String>>, Error> {
        let own = fs::exists(&self.cloud.dist.join(manifest::FILE_NAME)).then_some(&self.cloud.dist);
        let mut known = BTreeMap::new();
        for dist in own.into_iter().chain(&self.known) {
            let layers = read_manifest(dist)?.layers;
            known.extend(layers.into_iter().map(|layer| (layer.name, layer.packages)));
        }
        Ok(known)
    }

    /// Which functions have a package; and which may, since nobody knows.
    fn having(
        &self,
        wanted: &Wanted,
        functions: &[FleetFunction],
        contents: &BTreeMap<LayerVersionArn, Content>,
    ) -> String {
        let mut found = Vec::new();
        for function in functions {
            for arn in &function.layers {
                let packages = contents.get(arn).and_then(|content| content.packages.as_ref());
                let fitting = packages.map(|packages| packages.iter().find(|id| wanted.fits(id)));
                let package = match fitting {
                    Some(None) => continue,
                    Some(Some(id)) => Some(id.to_string()),
                    None => None,
                };
                found.push((package, function, arn));
            }
        }
        if self.report.is_json() {
            let one = |(package, function, arn): &(Option<String>, &FleetFunction, &LayerVersionArn)| {
                json!({
                    "package": package, "region": function.region, "function": function.name,
                    "version": function.version, "layer": arn,
                })
            };
            return table::to_json(
                &json!({ "schema": 1, "functions": found.iter().map(one).collect::<Vec<_>>() }),
            );
        }
        let line = |(package, function, arn): &(Option<String>, &FleetFunction, &LayerVersionArn)| {
            let package = package.as_deref().unwrap_or("not known");
            format!("{package}\t{}:{}\t{}\t{arn}\n", function.name, function.version, function.region)
        };
        found.iter().map(line).collect()
    }
}

/// By layers.json, else by the layer's description, else by what is in it.
fn content(
    arn: &LayerVersionArn,
    layer: FleetLayer,
    known: &BTreeMap<String, Vec<String>>,
    services: &Services,
) -> Result<Content, Error> {
    let FleetLayer { packages, r, location } = layer;
    if let Some(listed) = known.get(arn.name()).or(packages.as_ref()) {
        // A library is listed as well, and is no package.
        let packages = listed.iter().filter_map(|text| id(text)).collect();
        return Ok(Content { packages: Some(packages), r });
    }
    let Some(url) = location.filter(|url| url.starts_with("http")) else {
        return Ok(Content { packages: None, r });
    };
    let packages = match downloaded(&url, arn, services) {
        Ok(found) => Some(found.packages.into_iter().map(|package| package.id).collect()),
        // R itself, or something that has nothing to do with R.
        Err(Error::Inventory(InventoryError::Nothing { .. })) => Some(Vec::new()),
        // That is of this machine, and not of the layer.
        Err(error @ (Error::Store(_) | Error::Path(_))) => return Err(error),
        Err(error) => {
            let text = format!("{arn} was not looked into: {}", error.message());
            services.report.report(&Event::Warning { text: &text });
            None
        }
    };
    Ok(Content { packages, r })
}

/// `name version`
fn id(text: &str) -> Option<PackageId> {
    let (name, version) = text.split_once(' ')?;
    Some(PackageId { name: name.parse().ok()?, version: version.parse().ok()? })
}

fn subject(function: &FleetFunction, contents: &BTreeMap<LayerVersionArn, Content>) -> Subject {
    let (mut packages, mut unknown_layers, mut r) = (Vec::new(), Vec::new(), None);
    for arn in &function.layers {
        let Some(content) = contents.get(arn) else { continue };
        r = r.or_else(|| content.r.as_ref().and_then(|r| r.parse().ok()));
        match &content.packages {
            Some(ids) => {
                packages.extend(ids.iter().map(|id| Audited::bare(id.clone(), vec![arn.to_string()])));
            }
            None => unknown_layers.push(arn.to_string()),
        }
    }
    Subject {
        path: function.region.clone(),
        function: Some(format!("{}:{}", function.name, function.version)),
        r,
        debian: None,
        packages,
        libraries: Vec::new(),
        unknown_layers,
    }
}
