//! The table of packages: what each costs, and why it is there. Pure.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::weight::{Weight, Weights};
use super::{Advisories, package_anchor, size_cell};
use crate::inventory::Package;

pub(super) fn packages(weights: &Weights<'_>, advisories: Option<Advisories<'_>>) -> Markup {
    html! {
        p {
            "Size is the package's own, unzipped. "
            @if weights.are_needs_known {
                "“With needs” has all packages and libraries that it needs besides, and “only for it” is "
                "what would be gone if it were."
            } @else {
                "What packages need of each other is not known here."
            }
        }
        p #search hidden { label { "Find " input type="search" autocomplete="off"; } " " output {} }
        div.scroll tabindex="0" role="region" aria-label="Table of packages" {
            table.sortable.searched {
                thead {
                    tr {
                        th scope="col" { "Package" }
                        th scope="col" { "Version" }
                        th scope="col" aria-sort="descending" { "Size" }
                        @if weights.are_needs_known {
                            th scope="col" { "With needs" }
                            th scope="col" { "Only for it" }
                            th scope="col" { "Needed by" }
                        }
                        th scope="col" { "Functions" }
                        th scope="col" { "Licence" }
                        th scope="col" { "From" }
                        @if advisories.is_some() { th scope="col" { "Advisories" } }
                    }
                }
                tbody { @for at in weights.sorted() { (row(at, weights, advisories)) } }
            }
        }
    }
}

fn row(at: usize, weights: &Weights<'_>, advisories: Option<Advisories<'_>>) -> Markup {
    let (package, weight) = (weights.packages[at], &weights.costs[at]);
    let ids = advisories.map(|advisories| ids(package, advisories));
    let license = package.license.as_deref();
    html! {
        tr id=(package_anchor(package)) data-find=(searched(package, ids.as_ref())) {
            th scope="row" { (package.id.name) }
            td { (package.id.version) }
            (size_cell(package.unzipped_bytes))
            @if weights.are_needs_known {
                (size_cell(package.unzipped_bytes.map(|_| weight.with_needs_bytes)))
                (size_cell(package.unzipped_bytes.map(|_| weight.alone_bytes)))
                td data-value=(weight.needed_by.len()) { (why(weight, weights)) }
            }
            td { (joined(&package.functions)) }
            td { @if let Some(license) = license { (license) } @else { span.unknown { "not known" } } }
            td { (package.origin.shown()) }
            @if let Some(ids) = &ids {
                td data-value=(ids.len()) { @if !ids.is_empty() { strong.found { (joined(ids)) } } }
            }
        }
    }
}

/// How many need it, and, unfolded, which, and the way from what nothing needs.
fn why(weight: &Weight, weights: &Weights<'_>) -> Markup {
    let name = |at: &usize| weights.packages[*at].id.name.as_str();
    let linked = |at: &usize| {
        let package = weights.packages[*at];
        html! { a href={ "#" (package_anchor(package)) } { (package.id.name) } }
    };
    if weight.needed_by.is_empty() {
        return html! { "nothing: it is locked for its own sake" };
    }
    let path: Vec<&str> = weight.path.iter().map(name).collect();
    html! {
        details {
            summary { (weight.needed_by.len()) }
            p { (path.join(" → ")) }
            p { @for (nth, at) in weight.needed_by.iter().enumerate() { @if nth > 0 { ", " } (linked(at)) } }
        }
    }
}

fn ids(package: &Package, advisories: Advisories<'_>) -> BTreeSet<String> {
    let of_package = advisories.found.iter().filter(|found| {
        found.package == package.id.name.as_str() && found.version == package.id.version.as_str()
    });
    of_package.map(|found| found.id.clone()).collect()
}

/// What a search is held against, in lower case.
fn searched(package: &Package, ids: Option<&BTreeSet<String>>) -> String {
    let mut words = vec![package.id.to_string(), package.origin.shown()];
    words.extend(package.license.clone());
    words.extend(package.functions.iter().cloned());
    words.extend(package.layers.iter().cloned());
    words.extend(ids.into_iter().flatten().cloned());
    words.join(" ").to_lowercase()
}

fn joined(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
