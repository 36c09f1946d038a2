//! What AWS Lambda allows.

/// What AWS Lambda allows of the layers of one function.
///
/// Sizes are in bytes. Where AWS writes "MB" it means 2^20 bytes: its own error text gives
/// the 250 MB limit as 262144000. Source: "Lambda quotas" in the AWS Lambda Developer Guide.
#[derive(Debug, Clone, Copy)]
pub struct LayerLimits {
    /// Layers that one function can attach; the R runtime takes one of them.
    pub n_layers: usize,
    /// Function code and all its layers together, as the sum of the unzipped files' sizes.
    pub unzipped_bytes: u64,
}

pub const LAMBDA: LayerLimits = LayerLimits { n_layers: 5, unzipped_bytes: 250 << 20 };

/// A container image, uncompressed and with all its layers: "Container image code package
/// size". Source: the same.
pub const IMAGE_BYTES: u64 = 10 << 30;

/// Zips up to this size, in bytes, travel in the request itself. Lambda's limit is 50 MiB
/// (52,428,800) for the zip and 69,905,067 for the request that holds it in base64, beside
/// names and texts: those have the rest.
pub const DIRECT_UPLOAD_BYTES: u64 = (50 << 20) - (16 << 10);

/// Memory that a function can have, in MB. Source: the same.
pub const MEMORY_RANGE: std::ops::RangeInclusive<u32> = 128..=10_240;

/// How long an invocation can take, in seconds. Source: the same.
pub const TIMEOUT_RANGE: std::ops::RangeInclusive<u32> = 1..=900;
