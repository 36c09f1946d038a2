//! What every command that speaks to AWS begins with.

use std::path::PathBuf;

use super::{Global, project};
use crate::config::Config;
use crate::error::Error;
use crate::manifest::{self, Manifest, ManifestError};
use crate::model::LayerVersionArn;
use crate::publish::{Aws, PublishError};
use crate::report::Terminal;
use crate::sys::fs;
use crate::sys::interrupt::Interrupt;

/// Flags that they share.
#[derive(Debug, clap::Args)]
pub(super) struct CloudArgs {
    /// Where `layr build` has put the layers
    #[arg(long, value_name = "DIR", default_value = "dist")]
    pub(super) dist: PathBuf,
    /// Region, or several with commas; those of layr.toml, else AWS's own default, if not given
    #[arg(long = "region", value_name = "REGION", value_delimiter = ',')]
    regions: Vec<String>,
    /// Profile of AWS's configuration files, instead of `AWS_PROFILE`
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

/// A connection, and where it is to be used.
pub(super) struct Cloud {
    pub(super) aws: Aws,
    pub(super) regions: Vec<String>,
    pub(super) config: Config,
    pub(super) report: Terminal,
    pub(super) interrupt: Interrupt,
}

impl CloudArgs {
    pub(super) fn open(&self, global: &Global) -> Result<Cloud, Error> {
        let (config, _) = project::read_config()?;
        let (aws, interrupt) = connect(self.profile.as_deref(), global)?;
        let mut regions = self.regions.clone();
        if regions.is_empty() {
            regions.clone_from(&config.publish.regions);
        }
        if regions.is_empty() {
            regions.extend(aws.default_region());
        }
        let mut seen = std::collections::BTreeSet::new();
        regions.retain(|region| seen.insert(region.clone()));
        if regions.is_empty() {
            return Err(PublishError::NoRegion.into());
        }
        Ok(Cloud { aws, regions, config, report: global.reporter(), interrupt })
    }

    pub(super) fn manifest(&self) -> Result<Manifest, Error> {
        read_manifest(&self.dist)
    }
}

/// A connection, unless the network is forbidden, and what ends it.
pub(super) fn connect(profile: Option<&str>, global: &Global) -> Result<(Aws, Interrupt), Error> {
    if global.offline {
        return Err(Error::Usage("--offline forbids the network, and AWS is nowhere else".to_owned()));
    }
    let interrupt = global.interrupt()?;
    let aws = Aws::new(profile, interrupt.clone()).map_err(PublishError::Cloud)?;
    Ok((aws, interrupt))
}

/// layers.json of an output folder.
pub(super) fn read_manifest(dist: &std::path::Path) -> Result<Manifest, Error> {
    let path = dist.join(manifest::FILE_NAME);
    let shown = path.display().to_string();
    match fs::read_if_there(&path)? {
        Some(bytes) => Ok(Manifest::parse(&bytes, &shown)?),
        None => Err(ManifestError::Missing { path: shown }.into()),
    }
}

/// The published versions of all layers in all of the regions.
pub(super) fn published(manifest: &Manifest, regions: &[String]) -> Result<Vec<LayerVersionArn>, Error> {
    let mut arns = Vec::new();
    for layer in &manifest.layers {
        for region in regions {
            let arn = layer.published.get(region).ok_or_else(|| PublishError::NotPublished {
                layer: layer.name.clone(),
                region: region.clone(),
            })?;
            arns.push(arn.clone());
        }
    }
    Ok(arns)
}
