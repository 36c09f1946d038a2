//! What a command was pointed at, to an inventory.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use super::Global;
use super::project::{Settings, function_name, read_config};
use super::sources::SourceFlags;
use crate::audit::Subject;
use crate::error::Error;
use crate::fetch;
use crate::inventory::{self, Form, Inventory, InventoryError, Reading};
use crate::lockfile::Lockfile;
use crate::manifest;
use crate::model::{LAMBDA, LayerVersionArn};
use crate::pipeline::{self, BuildRequest, FunctionRequest, Services};
use crate::publish::{self, Aws, PublishError};
use crate::resolve;
use crate::sys::fs;

/// What commands are pointed at. AWS is spoken to where that is a layer version, and then
/// only.
pub(super) struct Inventories<'a> {
    global: &'a Global,
    connection: OnceCell<(Aws, Services)>,
}

impl<'a> Inventories<'a> {
    pub(super) fn new(global: &'a Global) -> Self {
        Self { global, connection: OnceCell::new() }
    }

    /// Reads a file, a folder with layers.json in it, a function of layr.toml by its name, or
    /// a layer version by its ARN.
    pub(super) fn read(&self, what: &Path) -> Result<Inventory, Error> {
        if let Some(arn) = arn(what) {
            return self.published(&arn);
        }
        let (path, function) = find(what)?;
        let function = function.unwrap_or_else(|| function_name(&path));
        let reading = inventory::open(&path, &function)?;
        match reading.inventory.form {
            Form::Lockfile | Form::LayrLock => self.described(reading, &path, &function),
            Form::Manifest | Form::Layer => Ok(reading.inventory),
        }
    }

    /// With what this machine knows of the packages beside: a lockfile says little of them.
    fn described(&self, reading: Reading, path: &Path, function: &str) -> Result<Inventory, Error> {
        let Reading { mut inventory, lockfile, .. } = reading;
        let lockfiles: Vec<_> =
            lockfile.into_iter().map(|one| (FunctionRequest::of(path, function.to_owned()), one)).collect();
        let (request, overrides) = sources_request(SourceFlags::default(), &lockfiles)?;
        let Some(here) = self.global.at_hand(overrides)? else { return Ok(inventory) };
        let subjects = Subject::of(&inventory, "", None);
        let mut sources = pipeline::known_sources(&subjects, &here)?;
        sources.extend(pipeline::sources(&lockfiles, &request, &here)?);
        let repositories: Vec<String> =
            lockfiles.iter().flat_map(|(_, lockfile)| resolve::repository_urls(lockfile)).collect();
        pipeline::describe(&mut inventory, &sources, &repositories, &here)?;
        Ok(inventory)
    }

    fn published(&self, arn: &LayerVersionArn) -> Result<Inventory, Error> {
        let (aws, services) = self.connection()?;
        let missing = || InventoryError::NoLayer { arn: Box::new(arn.clone()) };
        let expected = aws.archive(arn).map_err(PublishError::Cloud)?.ok_or_else(missing)?;
        let url = publish::location(arn, aws)?.ok_or_else(missing)?;
        let inventory = downloaded(&url, arn, services)?;
        match inventory.layers.first().and_then(|layer| layer.zip_sha256) {
            Some(found) if found != expected => {
                Err(InventoryError::OtherBytes { arn: Box::new(arn.clone()), expected, found }.into())
            }
            Some(_) | None => Ok(inventory),
        }
    }

    fn connection(&self) -> Result<&(Aws, Services), Error> {
        if let Some(connection) = self.connection.get() {
            return Ok(connection);
        }
        if self.global.offline {
            return Err(Error::Usage("--offline forbids the network, and AWS is nowhere else".to_owned()));
        }
        let interrupt = self.global.interrupt()?;
        let aws = Aws::new(None, interrupt.clone()).map_err(PublishError::Cloud)?;
        let services = self.global.services_until(interrupt, Vec::new(), false)?;
        Ok(self.connection.get_or_init(|| (aws, services)))
    }
}

/// What to look for the sources of lockfiles with, and where to ask instead of where.
pub(super) fn sources_request(
    flags: SourceFlags,
    lockfiles: &[(FunctionRequest, Lockfile)],
) -> Result<(BuildRequest, Vec<(String, String)>), Error> {
    let (config, has_config) = read_config()?;
    let (functions, lockfiles): (Vec<_>, Vec<_>) = lockfiles.iter().cloned().unzip();
    Settings::of_sources(flags).request_of((functions, &lockfiles), config, has_config)
}

/// The zip of a layer version, which can be had from where AWS says for some minutes.
pub(super) fn downloaded(url: &str, arn: &LayerVersionArn, services: &Services) -> Result<Inventory, Error> {
    let place = (&services.http, &services.store);
    let bytes = fetch::fetch_whole(url, LAMBDA.unzipped_bytes, place, &*services.report)
        .map_err(|error| Error::Fetch(vec![error]))?;
    let folder = services.store.temp_dir("layer-")?;
    let path = folder.path().join(format!("{}.zip", arn.name()));
    fs::write_atomic(&path, &bytes)?;
    Ok(inventory::read(&path, arn.name())?)
}

/// A layer version, where that is what is meant.
pub(super) fn arn(what: &Path) -> Option<LayerVersionArn> {
    what.to_str()?.parse().ok()
}

pub(super) fn find(what: &Path) -> Result<(PathBuf, Option<String>), Error> {
    if fs::is_dir(what) {
        return Ok((what.join(manifest::FILE_NAME), None));
    }
    if !fs::exists(what) {
        let (config, _) = read_config()?;
        let function = config.functions.into_iter().find(|(name, _)| Path::new(name) == what);
        if let Some((name, function)) = function {
            return Ok((function.lockfile, Some(name)));
        }
    }
    Ok((what.to_owned(), None))
}
