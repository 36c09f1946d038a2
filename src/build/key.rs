//! Everything that can change a build's bytes to one digest. Pure.

use std::collections::BTreeMap;

use crate::model::{
    Architecture, BaseDigest, BuildKey, PackageId, PackageName, RVersion, Sha256Digest, TreeDigest,
};
use crate::sys::hash::sha256_of_list;

/// The inputs of one build, by value.
#[derive(Debug, Clone)]
pub(super) struct Inputs<'a> {
    pub(super) package: &'a PackageId,
    pub(super) tarball: Sha256Digest,
    pub(super) base: BaseDigest,
    pub(super) r: &'a RVersion,
    pub(super) arch: Architecture,
    pub(super) recipe: Sha256Digest,
    /// All hard dependencies, transitively, by what they were built to: where one is
    /// rebuilt to the same bytes, this key stays the same.
    pub(super) dependencies: BTreeMap<&'a PackageName, TreeDigest>,
}

impl Inputs<'_> {
    /// Taken apart without `..`, so that a new field stops the compiler here.
    pub(super) fn key(&self) -> BuildKey {
        let Self { package, tarball, base, r, arch, recipe, dependencies } = self;
        let mut parts = vec![
            "layr build 1".to_owned(),
            package.name.to_string(),
            package.version.to_string(),
            tarball.to_hex(),
            base.to_hex(),
            r.to_string(),
            arch.to_string(),
            recipe.to_hex(),
        ];
        for (name, tree) in dependencies {
            parts.push(name.to_string());
            parts.push(tree.to_hex());
        }
        BuildKey(sha256_of_list(&parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_input_changes_the_key() {
        let digest = |byte| Sha256Digest([byte; 32]);
        let package =
            |version: &str| PackageId { name: "cli".parse().unwrap(), version: version.parse().unwrap() };
        let (r, newer_r, rlang): (RVersion, RVersion, PackageName) =
            ("4.5.0".parse().unwrap(), "4.5.1".parse().unwrap(), "rlang".parse().unwrap());
        let (cli, newer_cli) = (package("3.6.0"), package("3.6.1"));
        let inputs = Inputs {
            package: &cli,
            tarball: digest(1),
            base: BaseDigest(digest(2)),
            r: &r,
            arch: Architecture::X86_64,
            recipe: digest(3),
            dependencies: BTreeMap::from([(&rlang, TreeDigest(digest(4)))]),
        };
        let variants = [
            Inputs { package: &newer_cli, ..inputs.clone() },
            Inputs { tarball: digest(9), ..inputs.clone() },
            Inputs { base: BaseDigest(digest(9)), ..inputs.clone() },
            Inputs { r: &newer_r, ..inputs.clone() },
            Inputs { arch: Architecture::Arm64, ..inputs.clone() },
            Inputs { recipe: digest(9), ..inputs.clone() },
            Inputs { dependencies: BTreeMap::from([(&rlang, TreeDigest(digest(9)))]), ..inputs.clone() },
            Inputs { dependencies: BTreeMap::new(), ..inputs.clone() },
        ];
        let mut keys: Vec<_> = variants.iter().map(Inputs::key).chain([inputs.key()]).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 9);
        assert_eq!(inputs.key(), inputs.clone().key());
    }
}
