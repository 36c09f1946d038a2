//! The words that all stages share. Nothing here does I/O.

mod architecture;
mod arn;
mod base_packages;
mod bioconductor;
mod dcf;
mod dependency;
mod description;
mod digest;
mod forge;
mod git;
mod limits;
mod package_name;
mod remainder;
mod version;

pub use architecture::{Architecture, UnknownArchitecture};
pub use arn::{InvalidArn, LayerVersionArn};
pub use base_packages::{is_base_package, is_recommended_package, without_base_packages};
pub use bioconductor::{BioconductorRelease, InvalidRelease};
pub use dcf::{DcfError, Record, parse_dcf};
pub use dependency::{Dependency, InvalidDependency, Operator, Requirement};
pub use description::{Description, DescriptionError};
pub use digest::{
    ArchiveDigest, BaseDigest, BuildKey, InvalidDigest, LayerDigest, Sha256Digest, TreeDigest, text_of_base64,
};
pub use forge::{Forge, ForgeHost, InvalidProject, ProjectPath};
pub use git::{CommitId, GitUrl, InvalidGitPlace, Subfolder, is_reference};
pub use limits::{DIRECT_UPLOAD_BYTES, IMAGE_BYTES, LAMBDA, LayerLimits, MEMORY_RANGE, TIMEOUT_RANGE};
pub use package_name::{InvalidPackageName, PackageName};
pub use remainder::Remainder;
pub use version::{InvalidVersion, RVersion, compare_numeric, compare_version, compare_version_texts};

/// A package at an exact version: what a lockfile locks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageId {
    pub name: PackageName,
    pub version: RVersion,
}

impl std::fmt::Display for PackageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// `1 package`, `2 packages`: for nouns whose plural has an s.
pub fn counted(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// `13.4 MB`: bytes for people, in powers of 1000 as AWS's console does for files.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `820 ms`, `12.3 s`, `4m 05s`: a duration for people.
pub fn human_duration(duration: std::time::Duration) -> String {
    let millis = duration.as_millis();
    match duration.as_secs() {
        0 => format!("{millis} ms"),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        seconds => format!("{}m {:02}s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{human_bytes, human_duration};

    #[test]
    fn sizes_and_times_read_well() {
        let sizes =
            [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_999, "1.0 MB"), (262_144_000, "262.1 MB")];
        for (bytes, text) in sizes {
            assert_eq!(human_bytes(bytes), text);
        }
        let times = [(12, "12 ms"), (1200, "1.2 s"), (65_000, "1m 05s")];
        for (millis, text) in times {
            assert_eq!(human_duration(Duration::from_millis(millis)), text);
        }
    }
}
