//! Packages by name and version to numbers, with sizes and dependencies.

use std::collections::BTreeMap;

use layr::model::{PackageId, Sha256Digest, TreeDigest};
use layr::plan::{SizedTree, TreeId};

pub(crate) type TreeNo = usize;

/// Installed sizes and dependencies by lower-case name.
pub(crate) struct Sizes {
    packages: BTreeMap<String, (u64, Vec<String>)>,
    /// Sorted, for packages that are not listed.
    all: Vec<u64>,
}

impl Sizes {
    pub(crate) fn read(text: &str) -> Self {
        let mut packages = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let Some(kib) = fields.get(3).and_then(|kib| kib.parse::<u64>().ok()) else { continue };
            let depends = fields.get(5).map(|names| names.split([' ', ',']).filter(|name| !name.is_empty()));
            let depends = depends.into_iter().flatten().map(str::to_owned).collect();
            packages.insert(fields[0].to_owned(), (kib * 1024, depends));
        }
        let mut all: Vec<u64> = packages.values().map(|(bytes, _)| *bytes).collect();
        all.sort_unstable();
        Self { packages, all }
    }

    /// Of a package that is not listed: some listed package's size, always the same one.
    fn bytes(&self, name: &str) -> u64 {
        let by_name = self.packages.get(name).map(|(bytes, _)| *bytes);
        let chance = fingerprint(name) as usize % self.all.len().max(1);
        by_name.or_else(|| self.all.get(chance).copied()).unwrap_or(1 << 20)
    }
}

pub(crate) struct Trees {
    sizes: Sizes,
    numbers: BTreeMap<(String, String), TreeNo>,
    pub(crate) all: Vec<SizedTree>,
    names: Vec<String>,
}

impl Trees {
    pub(crate) fn new(sizes: Sizes) -> Self {
        Self { sizes, numbers: BTreeMap::new(), all: Vec::new(), names: Vec::new() }
    }

    /// `None` for what layr does not ship, and for what is no package.
    pub(crate) fn number(&mut self, name: &str, version: &str) -> Option<TreeNo> {
        let key = (name.to_owned(), version.to_owned());
        if let Some(number) = self.numbers.get(&key) {
            return Some(*number);
        }
        if matches!(name, "renv" | "packrat") {
            return None;
        }
        let id = PackageId { name: name.parse().ok()?, version: version.parse().ok()? };
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&fingerprint(&format!("{name} {version}")).to_be_bytes());
        let unzipped_bytes = self.sizes.bytes(&name.to_lowercase());
        let digest = TreeDigest(Sha256Digest(digest));
        self.all.push(SizedTree { id: TreeId::Package(id), digest, unzipped_bytes });
        self.names.push(name.to_lowercase());
        self.numbers.insert(key, self.all.len() - 1);
        Some(self.all.len() - 1)
    }

    pub(crate) fn bytes(&self, tree: TreeNo) -> u64 {
        self.all[tree].unzipped_bytes
    }

    pub(crate) fn total(&self, trees: &[TreeNo]) -> u64 {
        trees.iter().map(|tree| self.bytes(*tree)).sum()
    }

    pub(crate) fn name(&self, tree: TreeNo) -> &str {
        &self.names[tree]
    }

    /// Those of `among` that a tree needs directly.
    pub(crate) fn depends<'a>(
        &'a self,
        tree: TreeNo,
        among: &'a [TreeNo],
    ) -> impl Iterator<Item = TreeNo> + 'a {
        let names = self.sizes.packages.get(&self.names[tree]).map_or(&[][..], |(_, depends)| depends);
        among.iter().copied().filter(move |other| names.iter().any(|name| *name == self.names[*other]))
    }
}

/// FNV-1a.
pub(crate) fn fingerprint(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
