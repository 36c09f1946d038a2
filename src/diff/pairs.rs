//! Which package of one side is which of the other. Pure.
//!
//! Functions that both sides have are compared one by one, since two functions may have
//! different versions of a package. Where no function is on both sides, all is compared
//! with all.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::{Kind, PackageChange, kind};
use crate::inventory::{Form, Inventory, Package};
use crate::model::{TreeDigest, compare_version};

/// By which equal changes of several functions are found to be one.
type Key<'a> = (&'a str, Option<Side<'a>>, Option<Side<'a>>);
type Side<'a> = (&'a str, Option<String>);

pub(super) fn packages<'a>(before: &'a Inventory, after: &'a Inventory) -> Vec<PackageChange<'a>> {
    let mut changes: BTreeMap<Key<'a>, PackageChange<'a>> = BTreeMap::new();
    let comparison = Comparison::of(before, after);
    for (function, before, after) in sides(before, after) {
        for (old, new) in comparison.paired(&before, &after) {
            let key = (name(old, new), side(old), side(new));
            let change = changes.entry(key).or_insert_with(|| PackageChange {
                before: old,
                after: new,
                functions: BTreeSet::new(),
            });
            change.functions.extend(function);
        }
    }
    changes.into_values().collect()
}

fn name<'a>(before: Option<&'a Package>, after: Option<&'a Package>) -> &'a str {
    before.or(after).map_or("", |package| package.id.name.as_str())
}

fn side(package: Option<&Package>) -> Option<Side<'_>> {
    package.map(|package| (package.id.version.as_str(), package.tree.map(TreeDigest::to_hex)))
}

type Sides<'a> = (Option<&'a str>, Vec<&'a Package>, Vec<&'a Package>);

fn sides<'a>(before: &'a Inventory, after: &'a Inventory) -> Vec<Sides<'a>> {
    fn names(inventory: &Inventory) -> BTreeSet<&str> {
        inventory.functions.iter().map(|function| function.name.as_str()).collect()
    }
    let (old, new) = (names(before), names(after));
    if old.is_disjoint(&new) {
        return vec![(None, before.packages.iter().collect(), after.packages.iter().collect())];
    }
    // What a new function brings is new only where nobody had it, and the same for old ones.
    let beyond = |name: &'a str, of: &'a Inventory, other: &Inventory| -> Vec<&'a Package> {
        let is_new = |package: &&Package| !other.packages.iter().any(|known| known.id == package.id);
        of.packages_of(name).filter(is_new).collect()
    };
    let side = |name: &'a str| match (old.contains(name), new.contains(name)) {
        (true, true) => (Some(name), before.packages_of(name).collect(), after.packages_of(name).collect()),
        (true, false) => (Some(name), beyond(name, before, after), Vec::new()),
        (false, _) => (Some(name), Vec::new(), beyond(name, after, before)),
    };
    old.union(&new).copied().map(side).collect()
}

type Pair<'a> = (Option<&'a Package>, Option<&'a Package>);

/// What both sides know, by their forms.
struct Comparison {
    /// Whether they tell what is shipped from what is only built against.
    roles: bool,
    before: Form,
    after: Form,
}

impl Comparison {
    fn of(before: &Inventory, after: &Inventory) -> Self {
        let knows_roles = |form: Form| match form {
            Form::LayrLock | Form::Manifest | Form::Layer => true,
            Form::Lockfile => false,
        };
        let (before, after) = (before.form, after.form);
        Self { roles: knows_roles(before) && knows_roles(after), before, after }
    }

    /// What differs. Of several versions of a package those that are on both sides are left
    /// out, and the others go together in their order.
    fn paired<'a>(&self, before: &[&'a Package], after: &[&'a Package]) -> Vec<Pair<'a>> {
        let (mut old, mut new) = (by_name(before), by_name(after));
        let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
        let mut pairs = Vec::new();
        for name in names {
            let (mut old, mut new) =
                (old.remove(name).unwrap_or_default(), new.remove(name).unwrap_or_default());
            old.retain(|package| {
                let same = new.iter().position(|other| self.are_alike(package, other));
                same.map(|at| new.remove(at)).is_none()
            });
            if old.is_empty() {
                new.retain(|package| !is_silent(self.before, self.after, package));
            } else if new.is_empty() {
                old.retain(|package| !is_silent(self.after, self.before, package));
            }
            let order = |a: &&Package, b: &&Package| -> Ordering {
                compare_version(&a.id.version, &b.id.version).then_with(|| a.tree.cmp(&b.tree))
            };
            old.sort_by(order);
            new.sort_by(order);
            let n_pairs = old.len().max(new.len());
            pairs.extend((0..n_pairs).map(|at| (old.get(at).copied(), new.get(at).copied())));
        }
        pairs
    }

    fn are_alike(&self, before: &Package, after: &Package) -> bool {
        match kind(before, after) {
            None => true,
            Some(Kind::OtherRole) => !self.roles,
            Some(_) => false,
        }
    }
}

/// Whether a side of a form would not have the package either way: a layer holds nothing of
/// what it was built against, and what is built leaves out what manages libraries.
fn is_silent(silent: Form, other: Form, package: &Package) -> bool {
    let is_manager = matches!(package.id.name.as_str(), "renv" | "packrat");
    match (silent, other) {
        (Form::Layer, Form::LayrLock | Form::Manifest) => !package.is_shipped,
        (Form::LayrLock | Form::Manifest | Form::Layer, Form::Lockfile) => is_manager,
        _ => false,
    }
}

fn by_name<'a>(packages: &[&'a Package]) -> BTreeMap<&'a str, Vec<&'a Package>> {
    let mut by_name: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in packages {
        by_name.entry(package.id.name.as_str()).or_default().push(package);
    }
    by_name
}
