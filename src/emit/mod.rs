//! Published layers to text for other tools. Pure: the same manifest gives the same text.
//!
//! Each format is one file: a function from [`Layers`] to text, with an example of what it
//! gives under `tests/golden/`, which the format's own tool has to accept.

mod cdk;
mod cloudformation;
mod github;
mod sam;
mod serverless;
mod shell;
mod ssm;
mod terraform;

use std::collections::BTreeMap;

pub use github::summary as github_summary;

use crate::manifest::Manifest;
use crate::model::{Architecture, LayerVersionArn};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Text,
    Env,
    Sam,
    Cloudformation,
    Terraform,
    CdkTypescript,
    CdkPython,
    Serverless,
    Ssm,
    Github,
}

/// What is told: for each function and region the layers to attach, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    pub arch: Architecture,
    /// By function, then by region. Never empty.
    pub functions: BTreeMap<String, BTreeMap<String, Vec<LayerVersionArn>>>,
}

#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    #[error("there is no function `{name}` in layers.json, but {}", .known.join(", "))]
    NoFunction { name: String, known: Vec<String> },
    #[error("layer `{layer}` of function `{function}` is not published in {region}")]
    NotPublished { function: String, layer: String, region: String },
    #[error("no layer of layers.json is published anywhere")]
    NothingPublished,
    #[error("`{one}` and `{other}` would both be called `{name}` in this format")]
    SameName { one: String, other: String, name: String },
}

impl EmitError {
    /// What the user can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NoFunction { .. } => "name one of these, or none for all".to_owned(),
            Self::NotPublished { region, .. } => format!("run `layr publish --region {region}` first"),
            Self::NothingPublished => "run `layr publish` first".to_owned(),
            Self::SameName { .. } => "name one of them differently, or emit them one at a time".to_owned(),
        }
    }
}

impl Layers {
    /// Of the named functions and regions; of all functions and of every region that anything
    /// is published in, where none is named.
    ///
    /// # Errors
    ///
    /// Where a function is not there, or a layer of it is not published in one of the regions.
    pub fn of(manifest: &Manifest, functions: &[String], regions: &[String]) -> Result<Self, EmitError> {
        let known = || manifest.functions.iter().map(|function| function.name.clone());
        if let Some(name) = functions.iter().find(|name| !known().any(|known| known == **name)) {
            return Err(EmitError::NoFunction { name: name.clone(), known: known().collect() });
        }
        let everywhere = manifest.layers.iter().flat_map(|layer| layer.published.keys());
        let mut regions: Vec<&String> =
            if regions.is_empty() { everywhere.collect() } else { regions.iter().collect() };
        regions.sort();
        regions.dedup();
        if regions.is_empty() {
            return Err(EmitError::NothingPublished);
        }
        let mut told = BTreeMap::new();
        for function in &manifest.functions {
            if !functions.is_empty() && !functions.contains(&function.name) {
                continue;
            }
            let mut by_region = BTreeMap::new();
            for region in &regions {
                let arns = function.layers.iter().map(|name| {
                    let arn = manifest.layer(name).and_then(|layer| layer.published.get(*region)).cloned();
                    arn.ok_or_else(|| EmitError::NotPublished {
                        function: function.name.clone(),
                        layer: name.clone(),
                        region: (*region).clone(),
                    })
                });
                by_region.insert((*region).clone(), arns.collect::<Result<Vec<_>, _>>()?);
            }
            told.insert(function.name.clone(), by_region);
        }
        Ok(Self { arch: manifest.arch, functions: told })
    }

    /// The functions under names that the format allows, which have to stay different.
    fn renamed(&self, rename: impl Fn(&str) -> String) -> Result<Vec<(String, &String)>, EmitError> {
        let mut names: BTreeMap<String, &String> = BTreeMap::new();
        for function in self.functions.keys() {
            let name = rename(function);
            if let Some(other) = names.insert(name.clone(), function) {
                return Err(EmitError::SameName { one: other.clone(), other: function.clone(), name });
            }
        }
        Ok(names.into_iter().collect())
    }
}

/// The text in one of the formats.
///
/// # Errors
///
/// Where two functions cannot be told apart in the format.
pub fn emit(format: Format, layers: &Layers) -> Result<String, EmitError> {
    Ok(match format {
        Format::Json => shell::json(layers),
        Format::Text => shell::text(layers),
        Format::Env => shell::env(layers)?,
        Format::Sam => sam::sam(layers)?,
        Format::Cloudformation => cloudformation::cloudformation(layers)?,
        Format::Terraform => terraform::terraform(layers),
        Format::CdkTypescript => cdk::typescript(layers),
        Format::CdkPython => cdk::python(layers),
        Format::Serverless => serverless::serverless(layers),
        Format::Ssm => ssm::ssm(layers),
        Format::Github => github::outputs(layers)?,
    })
}

/// `score-daily` as `ScoreDaily`: letters and digits alone, as `CloudFormation` names things.
fn pascal(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| format!("{}{}", word[..1].to_ascii_uppercase(), &word[1..])).collect()
}

/// `score-daily` as `score_daily`.
fn snake(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// `text` as a string of JSON, and so of YAML, JavaScript and Python; HCL's own signs are none
/// of what a function may be called.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest::parse(include_bytes!("../../tests/fixtures/layers.json"), "").unwrap()
    }

    #[test]
    fn layers_come_in_attach_order_for_every_region_of_the_manifest() {
        let layers = Layers::of(&manifest(), &[], &[]).unwrap();
        let report = &layers.functions["report"];
        assert_eq!(report.keys().collect::<Vec<_>>(), ["eu-central-1", "us-east-1"]);
        let names: Vec<&str> = report["us-east-1"].iter().map(LayerVersionArn::name).collect();
        assert_eq!(names, manifest().functions[0].layers);
    }

    #[test]
    fn what_is_not_published_is_an_error_that_says_where() {
        let error = Layers::of(&manifest(), &["score".to_owned()], &["sa-east-1".to_owned()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "layer `layr-r4-5-x86-64-12a523c9d44303e1` of function `score` is not published in sa-east-1"
        );
        let error = Layers::of(&manifest(), &["other".to_owned()], &[]).unwrap_err();
        assert_eq!(error.to_string(), "there is no function `other` in layers.json, but report, score");
    }

    #[test]
    fn two_functions_never_become_one() {
        let mut manifest = manifest();
        manifest.functions[0].name = "score-a".to_owned();
        manifest.functions[1].name = "score_a".to_owned();
        let layers = Layers::of(&manifest, &[], &[]).unwrap();
        let error = emit(Format::Sam, &layers).unwrap_err();
        assert_eq!(error.to_string(), "`score-a` and `score_a` would both be called `ScoreA` in this format");
        assert!(emit(Format::Terraform, &layers).is_ok(), "here names are only keys");
    }
}
