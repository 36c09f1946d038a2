//! What an account has attached to its functions: each version of each, with its layers, and
//! what these say of themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::{Aws, PublishError, collect, describe, on_threads};
use crate::model::LayerVersionArn;

/// A version of a function that has layers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FleetFunction {
    pub region: String,
    pub name: String,
    /// A number, or `$LATEST`.
    pub version: String,
    /// In attach order. What is no ARN of a layer is left out.
    pub layers: Vec<LayerVersionArn>,
}

/// What AWS says of a layer version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetLayer {
    /// As `name version`, where the description lists all of them.
    pub packages: Option<Vec<String>>,
    /// The R that they are for, from the same place.
    pub r: Option<String>,
    /// Where the zip can be had, for some minutes.
    pub location: Option<String>,
}

/// All functions of the regions, and the layers that they have.
///
/// # Errors
///
/// All that failed. A layer that was deleted, or that others own and do not show, is there
/// with nothing known of it.
pub fn fleet(
    regions: &[String],
    aws: &Aws,
) -> Result<(Vec<FleetFunction>, BTreeMap<LayerVersionArn, FleetLayer>), PublishError> {
    let results = on_threads(regions, |region| Ok(aws.functions_with_layers(region)?));
    let named = regions.iter().cloned().zip(results).collect();
    let mut functions: Vec<FleetFunction> = collect(named)?.into_iter().flatten().collect();
    functions.sort();
    let arns: BTreeSet<&LayerVersionArn> = functions.iter().flat_map(|function| &function.layers).collect();
    let arns: Vec<&LayerVersionArn> = arns.into_iter().collect();
    let results = on_threads(&arns, |arn| Ok(((*arn).clone(), layer(arn, aws)?)));
    let named = arns.iter().map(ToString::to_string).zip(results).collect();
    Ok((functions, collect(named)?.into_iter().collect()))
}

/// Where the zip of a layer version can be had, for some minutes.
///
/// # Errors
///
/// What AWS says; a layer version that nobody shows is none.
pub fn location(arn: &LayerVersionArn, aws: &Aws) -> Result<Option<String>, PublishError> {
    let version = aws.layer_version(arn)?;
    Ok(version.and_then(|(_, location)| location).filter(|url| url.starts_with("http")))
}

fn layer(arn: &LayerVersionArn, aws: &Aws) -> Result<FleetLayer, PublishError> {
    let Some((description, location)) = aws.layer_version(arn)? else { return Ok(FleetLayer::default()) };
    let told = describe::read(&description.unwrap_or_default());
    let (r, packages) = told.map_or((None, None), |(r, packages)| (Some(r), packages));
    Ok(FleetLayer { packages, r, location })
}
