//! Two inventories to what is between them: packages, libraries, layers, sizes, licences,
//! advisories. Pure. Where one side does not know something, nothing is said of it.

mod json;
mod markdown;
mod pairs;
mod text;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

pub use json::json;
pub use markdown::markdown;
pub use text::{
    layers as layer_counts, notes as package_notes, signed as signed_bytes, sizes as function_sizes, text,
};

use crate::inventory::{Inventory, Layer, Library, Origin, Package};
use crate::model::compare_version;

#[derive(Debug)]
pub struct Diff<'a> {
    pub before: &'a Inventory,
    pub after: &'a Inventory,
    /// By name.
    pub packages: Vec<PackageChange<'a>>,
    /// By name.
    pub libraries: Vec<LibraryChange<'a>>,
    pub layers: LayerChanges<'a>,
    /// By name; those whose size is known on a side, and those that come or go.
    pub functions: Vec<FunctionChange<'a>>,
    pub advisories: Advised<AdvisoryChanges>,
}

/// What advisories say, if they were looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Advised<T> {
    /// Nobody wanted to know.
    #[default]
    NotAsked,
    /// There was no database to ask, which is to be said: silence would pass for "none".
    NoDatabase,
    Known(T),
}

impl<T> Advised<T> {
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(known) => Some(known),
            Self::NotAsked | Self::NoDatabase => None,
        }
    }
}

/// What is said where there was no database to ask.
pub const NO_DATABASE: &str = "not looked for, since there are none here: `layr audit update` fetches them";

#[derive(Debug, Clone)]
pub struct PackageChange<'a> {
    pub before: Option<&'a Package>,
    pub after: Option<&'a Package>,
    /// Names of those it is a change for; empty where there are none on both sides.
    pub functions: BTreeSet<&'a str>,
}

/// What became of a package, the first that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Added,
    Removed,
    Up,
    Down,
    /// The same version from another source tarball.
    OtherSource,
    /// The same version from another place; whether it has the same bytes is not known.
    OtherOrigin,
    /// The same source, built to other bytes.
    OtherBuild,
    /// It is shipped where it was not, or the reverse.
    OtherRole,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryChange<'a> {
    pub before: Option<&'a Library>,
    pub after: Option<&'a Library>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct LayerChanges<'a> {
    /// What publishing would publish.
    pub added: Vec<&'a Layer>,
    pub removed: Vec<&'a Layer>,
    pub kept: Vec<&'a Layer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionChange<'a> {
    pub name: &'a str,
    pub before: Option<Size>,
    pub after: Option<Size>,
}

/// Of a function on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub n_layers: usize,
    /// Of its layers and its code; `None` where that side does not say.
    pub unzipped_bytes: Option<u64>,
}

/// That an advisory holds for a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Advisory {
    pub id: String,
    pub package: String,
    pub version: String,
    pub summary: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdvisoryChanges {
    pub gained: Vec<Advisory>,
    pub lost: Vec<Advisory>,
    /// How many hold on both sides.
    pub n_kept: usize,
    /// How much can be matched now, and against what.
    pub coverage: String,
}

impl<'a> Diff<'a> {
    pub fn of(before: &'a Inventory, after: &'a Inventory) -> Self {
        Self {
            before,
            after,
            packages: pairs::packages(before, after),
            libraries: libraries(before, after),
            layers: layers(before, after),
            functions: functions(before, after),
            advisories: Advised::NotAsked,
        }
    }

    /// Adds what is known of both sides.
    #[must_use]
    pub fn with_advisories(mut self, before: &[Advisory], after: &[Advisory], coverage: String) -> Self {
        // A package that moved and is still affected has gained nothing.
        let key = |advisory: &Advisory| (advisory.id.clone(), advisory.package.clone());
        let (old, new): (BTreeSet<_>, BTreeSet<_>) =
            (before.iter().map(key).collect(), after.iter().map(key).collect());
        let beyond = |all: &[Advisory], other: &BTreeSet<_>| {
            let mut found: Vec<_> =
                all.iter().filter(|found| !other.contains(&key(found))).cloned().collect();
            found.sort();
            found.dedup();
            found
        };
        self.advisories = Advised::Known(AdvisoryChanges {
            gained: beyond(after, &old),
            lost: beyond(before, &new),
            n_kept: old.intersection(&new).count(),
            coverage,
        });
        self
    }

    pub fn is_empty(&self) -> bool {
        let no_advisories = self
            .advisories
            .known()
            .is_none_or(|changes| changes.gained.is_empty() && changes.lost.is_empty());
        self.packages.is_empty()
            && self.libraries.is_empty()
            && self.layers.added.is_empty()
            && self.layers.removed.is_empty()
            && self.functions.iter().all(|function| function.before == function.after)
            && self.r().is_none()
            && self.base().is_none()
            && no_advisories
    }

    /// R on both sides, where they differ.
    pub fn r(&self) -> Option<(String, String)> {
        let (before, after) = (self.before.r.as_ref()?, self.after.r.as_ref()?);
        (before != after).then(|| (before.to_string(), after.to_string()))
    }

    /// The bases on both sides, where they differ.
    pub fn base(&self) -> Option<(String, String)> {
        let (before, after) = (self.before.base.as_ref()?, self.after.base.as_ref()?);
        let shown = |recipe: &str, digest: &str| format!("{recipe} {}", digest.get(..12).unwrap_or(digest));
        (before != after)
            .then(|| (shown(&before.recipe, &before.digest), shown(&after.recipe, &after.digest)))
    }

    /// How many packages became what.
    pub fn counts(&self) -> BTreeMap<Kind, usize> {
        let mut counts = BTreeMap::new();
        for change in &self.packages {
            *counts.entry(change.kind()).or_default() += 1;
        }
        counts
    }
}

impl PackageChange<'_> {
    pub fn name(&self) -> &str {
        self.before.or(self.after).map_or("", |package| package.id.name.as_str())
    }

    pub fn kind(&self) -> Kind {
        match (self.before, self.after) {
            (Some(before), Some(after)) => kind(before, after).unwrap_or(Kind::OtherSource),
            (None, _) => Kind::Added,
            (Some(_), None) => Kind::Removed,
        }
    }

    /// Whether what comes is of another source than what was there, if anything was.
    pub fn is_other_source(&self) -> bool {
        match self.kind() {
            Kind::Added | Kind::Up | Kind::Down | Kind::OtherSource | Kind::OtherOrigin => true,
            Kind::Removed | Kind::OtherBuild | Kind::OtherRole => false,
        }
    }

    /// The licences on both sides, where they differ.
    pub fn licenses(&self) -> Option<(&str, &str)> {
        let (before, after) = (self.before?.license.as_deref()?, self.after?.license.as_deref()?);
        (before != after).then_some((before, after))
    }

    /// The places on both sides, where they differ.
    pub fn origins(&self) -> Option<(String, String)> {
        let (before, after) = (&self.before?.origin, &self.after?.origin);
        (!is_same_place(before, after)).then(|| (before.shown(), after.shown()))
    }

    /// What it adds to what is shipped; `None` where a side does not say.
    pub fn bytes(&self) -> Option<i64> {
        let of = |side: Option<&Package>| match side {
            Some(package) if package.is_shipped => package.unzipped_bytes,
            Some(_) | None => Some(0),
        };
        difference(of(self.before)?, of(self.after)?)
    }
}

impl Kind {
    pub fn words(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Up => "up",
            Self::Down => "down",
            Self::OtherSource => "with other source",
            Self::OtherOrigin => "from another place",
            Self::OtherBuild => "built to other bytes",
            Self::OtherRole => "shipped or not",
        }
    }
}

/// How one package differs from another of its name; `None` where it does not, as far as
/// both sides say.
fn kind(before: &Package, after: &Package) -> Option<Kind> {
    match compare_version(&before.id.version, &after.id.version) {
        Ordering::Less => return Some(Kind::Up),
        Ordering::Greater => return Some(Kind::Down),
        Ordering::Equal => {}
    }
    let sources = before.sha256.zip(after.sha256);
    if sources.is_some_and(|(one, two)| one != two) || before.id != after.id {
        return Some(Kind::OtherSource);
    }
    if sources.is_none() && !is_same_place(&before.origin, &after.origin) {
        return Some(Kind::OtherOrigin);
    }
    if before.tree.zip(after.tree).is_some_and(|(a, b)| a != b) {
        return Some(Kind::OtherBuild);
    }
    (before.is_shipped != after.is_shipped).then_some(Kind::OtherRole)
}

/// What one side does not know is no difference.
fn is_same_place(before: &Origin, after: &Origin) -> bool {
    match (before, after) {
        (Origin::Unknown, _) | (_, Origin::Unknown) => true,
        (Origin::Bioconductor { release: one }, Origin::Bioconductor { release: two }) => {
            one.zip(*two).is_none_or(|(one, two)| one == two)
        }
        (one, two) => one == two,
    }
}

fn difference(before: u64, after: u64) -> Option<i64> {
    i64::try_from(after).ok()?.checked_sub(i64::try_from(before).ok()?)
}

/// Libraries are told by what they are called in the base; their folders are named by content.
fn libraries<'a>(before: &'a Inventory, after: &'a Inventory) -> Vec<LibraryChange<'a>> {
    fn by_stem(inventory: &Inventory) -> BTreeMap<&str, &Library> {
        inventory.libraries.iter().map(|library| (stem(library), library)).collect()
    }
    let (old, new) = (by_stem(before), by_stem(after));
    let stems: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let changes = stems
        .into_iter()
        .map(|stem| LibraryChange { before: old.get(stem).copied(), after: new.get(stem).copied() });
    let differs = |change: &LibraryChange<'a>| {
        let name = |side: Option<&'a Library>| side.map(|library| library.name.as_str());
        name(change.before) != name(change.after)
    };
    // A side that lists no library at all, such as a lockfile, does not know of any.
    let knows = |inventory: &Inventory| inventory.layers.iter().any(|layer| layer.unzipped_bytes.is_some());
    if knows(before) && knows(after) { changes.filter(differs).collect() } else { Vec::new() }
}

/// `libcurl` of `libcurl-0123456789ab`.
fn stem(library: &Library) -> &str {
    library.name.rsplit_once('-').map_or(library.name.as_str(), |(stem, _)| stem)
}

fn layers<'a>(before: &'a Inventory, after: &'a Inventory) -> LayerChanges<'a> {
    let mut changes = LayerChanges::default();
    if before.layers.is_empty() || after.layers.is_empty() {
        return changes;
    }
    let is_same = |one: &Layer, two: &Layer| match (one.digest, two.digest) {
        (Some(one), Some(two)) => one == two,
        // A zip by itself has no digest of its content, but bytes.
        _ => one.zip_sha256.is_some() && one.zip_sha256 == two.zip_sha256,
    };
    for layer in &after.layers {
        let is_kept = before.layers.iter().any(|old| is_same(old, layer));
        if is_kept { changes.kept.push(layer) } else { changes.added.push(layer) }
    }
    let is_gone = |old: &&Layer| !after.layers.iter().any(|layer| is_same(old, layer));
    changes.removed = before.layers.iter().filter(is_gone).collect();
    changes
}

fn functions<'a>(before: &'a Inventory, after: &'a Inventory) -> Vec<FunctionChange<'a>> {
    if before.functions.is_empty() || after.functions.is_empty() {
        return Vec::new();
    }
    let size = |inventory: &Inventory, name: &str| {
        let function = inventory.function(name)?;
        let layers = function.unzipped_bytes;
        let unzipped_bytes = layers.map(|bytes| bytes.saturating_add(function.code_bytes.unwrap_or(0)));
        Some(Size { n_layers: function.layers.len(), unzipped_bytes })
    };
    let all = before.functions.iter().chain(&after.functions).map(|function| function.name.as_str());
    let names: BTreeSet<&str> = all.collect();
    let changes = names.into_iter().map(|name| FunctionChange {
        name,
        before: size(before, name),
        after: size(after, name),
    });
    // Two lockfiles are compared as they are, whatever their functions are called.
    let are_comparable = |change: &FunctionChange<'_>| {
        [change.before, change.after].iter().flatten().any(|size| size.unzipped_bytes.is_some())
    };
    changes.filter(are_comparable).collect()
}

#[cfg(test)]
mod tests;
