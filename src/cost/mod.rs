//! Memory, duration and calls to what a month costs. Pure.
//!
//! Prices are data with a date: `prices.json`. GB-seconds are memory in GiB times the billed
//! duration, which includes the start of an execution environment.

mod lines;

use std::collections::BTreeMap;

pub use lines::{Run, parse_lines};
use serde::Deserialize;

use crate::model::Architecture;

/// Lambda's prices on some day.
#[derive(Debug, Clone, Deserialize)]
pub struct Prices {
    pub as_of: String,
    pub currency: String,
    pub per_million_requests: f64,
    /// A month, for all functions of an account together.
    pub free_requests: f64,
    pub free_gb_seconds: f64,
    x86_64: Vec<Tier>,
    arm64: Vec<Tier>,
    /// First tier on `x86_64`, where it is not the usual one.
    regions: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Tier {
    /// The last tier has no end.
    up_to_gb_seconds: Option<f64>,
    per_gb_second: f64,
}

/// A function's work in a month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    pub memory_mb: u32,
    /// Of one call, as it is billed.
    pub duration_ms: f64,
    pub calls: f64,
}

/// What it comes to, in the prices' currency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    pub gb_seconds: f64,
    pub compute: f64,
    pub requests: f64,
    /// With nothing else in the account to use up the free tier.
    pub with_free_tier: f64,
}

impl Cost {
    pub fn total(&self) -> f64 {
        self.compute + self.requests
    }
}

impl Prices {
    /// Those that this layr was made with.
    ///
    /// # Errors
    ///
    /// Never: a test reads them.
    pub fn known() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("prices.json"))
    }

    /// Whether the region has a price of its own in the table.
    pub fn is_special(&self, region: &str) -> bool {
        self.regions.contains_key(region)
    }

    pub fn cost(&self, usage: Usage, arch: Architecture, region: &str) -> Cost {
        let gb_seconds = usage.gb_seconds();
        let factor = self.factor(region);
        let compute = |gb_seconds: f64| self.tiers(arch, gb_seconds) * factor;
        let requests = |calls: f64| calls / 1e6 * self.per_million_requests;
        let left = |used: f64, free: f64| (used - free).max(0.0);
        Cost {
            gb_seconds,
            compute: compute(gb_seconds),
            requests: requests(usage.calls),
            with_free_tier: compute(left(gb_seconds, self.free_gb_seconds))
                + requests(left(usage.calls, self.free_requests)),
        }
    }

    /// How much dearer a region is than most.
    fn factor(&self, region: &str) -> f64 {
        let usual = self.x86_64.first().map_or(1.0, |tier| tier.per_gb_second);
        self.regions.get(region).map_or(1.0, |price| price / usual)
    }

    fn tiers(&self, arch: Architecture, gb_seconds: f64) -> f64 {
        let tiers = match arch {
            Architecture::X86_64 => &self.x86_64,
            Architecture::Arm64 => &self.arm64,
        };
        let (mut sum, mut from) = (0.0, 0.0);
        for Tier { up_to_gb_seconds, per_gb_second } in tiers {
            let to = up_to_gb_seconds.unwrap_or(f64::INFINITY).min(gb_seconds);
            sum += (to - from).max(0.0) * per_gb_second;
            from = to.max(from);
        }
        sum
    }
}

impl Usage {
    /// Lambda bills whole milliseconds.
    pub fn gb_seconds(&self) -> f64 {
        f64::from(self.memory_mb) / 1024.0 * self.duration_ms.ceil() / 1000.0 * self.calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64) -> bool {
        (value - expected).abs() <= expected.abs() * 1e-6 + 1e-9
    }

    /// 512 MB for ten minutes once a day, as a talk on R in Lambda reckoned it in 2019.
    #[test]
    fn models_scored_once_a_day_are_9000_gb_seconds_and_free() {
        let usage = Usage { memory_mb: 512, duration_ms: 600_000.0, calls: 30.0 };
        let cost = Prices::known().unwrap().cost(usage, Architecture::X86_64, "us-east-1");
        assert!(near(cost.gb_seconds, 9000.0));
        assert!(near(cost.compute, 0.150_000_3) && near(cost.requests, 0.000_006));
        assert!(near(cost.with_free_tier, 0.0));
    }

    #[test]
    fn prices_fall_from_tier_to_tier_and_rise_in_some_regions() {
        let prices = Prices::known().unwrap();
        // 1 GB for a second, so often that it is as many GB-seconds.
        let cost = |calls, arch, region| {
            prices.cost(Usage { memory_mb: 1024, duration_ms: 1000.0, calls }, arch, region).compute
        };
        assert!(near(cost(7e9, Architecture::X86_64, "us-east-1"), 6e9 * 0.000_016_666_7 + 1e9 * 0.000_015));
        assert!(near(
            cost(20e9, Architecture::X86_64, "us-east-1"),
            100_000.2 + 135_000.0 + 5e9 * 0.000_013_333_4
        ));
        assert!(near(cost(1e9, Architecture::Arm64, "us-east-1"), 13_333.4));
        assert!(near(cost(1e6, Architecture::X86_64, "af-south-1"), 22.1));
    }

    #[test]
    fn a_part_of_a_millisecond_is_a_whole_one() {
        let usage = Usage { memory_mb: 1024, duration_ms: 0.2, calls: 1000.0 };
        assert!(near(usage.gb_seconds(), 1.0));
    }
}
