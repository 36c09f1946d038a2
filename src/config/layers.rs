//! `[layers]` of layr.toml: what goes into layers, and how they are planned.

use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, value};
use crate::model::Remainder;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawLayers {
    pub(super) prefix: Option<String>,
    pub(super) keep: Vec<String>,
    pub(super) target: Option<String>,
    pub(super) slim: Option<String>,
    allow_extra: u64,
    catalogue: Option<PathBuf>,
    remainder: Option<String>,
    weights: RawWeights,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RawWeights {
    horizon: Option<f64>,
    sharing: Option<f64>,
    following: Option<f64>,
    extra: Option<f64>,
    layer: Option<f64>,
    alone: Option<f64>,
}

/// How layers are planned; what is not given has a default in the planner.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanConfig {
    pub allow_extra_bytes: u64,
    /// A layers.json of somebody else.
    pub catalogue: Option<PathBuf>,
    pub remainder: Remainder,
    pub horizon: Option<f64>,
    pub sharing: Option<f64>,
    pub following: Option<f64>,
    pub extra: Option<f64>,
    pub layer: Option<f64>,
    pub alone: Option<f64>,
}

impl RawLayers {
    /// Weights and choices, held against what they may be.
    pub(super) fn plan(&self) -> Result<PlanConfig, ConfigError> {
        let RawWeights { horizon, sharing, following, extra, layer, alone } = self.weights;
        let weights = [
            ("layers.weights.horizon", horizon),
            ("layers.weights.sharing", sharing),
            ("layers.weights.following", following),
            ("layers.weights.extra", extra),
            ("layers.weights.layer", layer),
            ("layers.weights.alone", alone),
        ];
        for (field, weight) in weights {
            if let Some(weight) = weight.filter(|weight| !(0.0..=1e9).contains(weight)) {
                return Err(value(field, &weight.to_string(), "between 0 and 1000000000"));
            }
        }
        let catalogue = self.catalogue.clone();
        let remainder = match self.remainder.as_deref() {
            None | Some("layer") => Remainder::Layer,
            Some("code") => Remainder::Code,
            Some(other) => return Err(value("layers.remainder", other, "`layer` or `code`")),
        };
        Ok(PlanConfig {
            allow_extra_bytes: self.allow_extra,
            catalogue,
            remainder,
            horizon,
            sharing,
            following,
            extra,
            layer,
            alone,
        })
    }
}
