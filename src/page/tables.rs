//! The page's smaller tables. Pure.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::{Advisories, head, package_anchor, size_cell};
use crate::audit::licence::Licence;
use crate::diff::{Advised, NO_DATABASE};
use crate::inventory::{Inventory, Package};
use crate::model::{LAMBDA, counted, human_bytes};

/// Each function's layers against Lambda's limits.
pub(super) fn functions(inventory: &Inventory) -> Option<Markup> {
    if inventory.functions.is_empty() {
        return None;
    }
    let limit = LAMBDA.unzipped_bytes;
    Some(html! {
        p { "Lambda allows " (LAMBDA.n_layers) " layers and " (human_bytes(limit)) " unzipped, code included." }
        table.sortable {
            (head(&["Function", "Packages", "Layers", "Unzipped", "Of the limit", "Lockfile"]))
            tbody {
                @for function in &inventory.functions {
                    @let bytes = function.unzipped_bytes.map(|b| b.saturating_add(function.code_bytes.unwrap_or(0)));
                    tr {
                        th scope="row" { (function.name) }
                        td.number { (inventory.packages_of(&function.name).filter(|p| p.is_shipped).count()) }
                        td.number { (function.layers.len()) }
                        (size_cell(bytes))
                        td data-value=(bytes.unwrap_or(0)) {
                            @if let Some(bytes) = bytes {
                                meter min="0" max=(limit) value=(bytes) { (percent(bytes, limit)) "%" }
                                " " (percent(bytes, limit)) "%"
                            }
                        }
                        td { @if let Some(lockfile) = &function.lockfile { code { (lockfile) } } }
                    }
                }
            }
        }
    })
}

fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100).checked_div(whole).unwrap_or(0)
}

/// Which function has which layer; `None` where one function has them all.
pub(super) fn sharing(inventory: &Inventory) -> Option<Markup> {
    if inventory.functions.len() < 2 || inventory.layers.is_empty() {
        return None;
    }
    let users =
        |layer: &str| inventory.functions.iter().filter(|f| f.layers.iter().any(|l| l == layer)).count();
    let once: u64 = inventory.layers.iter().filter_map(|layer| layer.unzipped_bytes).sum();
    let apart: u64 = inventory.functions.iter().filter_map(|function| function.unzipped_bytes).sum();
    Some(html! {
        @if once > 0 {
            p {
                "All layers together have " (human_bytes(once)) ", each counted once; functions see "
                (human_bytes(apart)) " of them."
            }
        }
        div.scroll tabindex="0" role="region" aria-label="Which function has which layer" {
            table.sortable {
                thead {
                    tr {
                        th scope="col" { "Layer" }
                        th scope="col" { "Unzipped" }
                        th scope="col" { "Functions" }
                        @for function in &inventory.functions { th scope="col" { (function.name) } }
                    }
                }
                tbody {
                    @for layer in &inventory.layers {
                        tr {
                            th scope="row" { code { (layer.name) } }
                            (size_cell(layer.unzipped_bytes))
                            td.number { (users(&layer.name)) }
                            @for function in &inventory.functions {
                                td { @if function.layers.contains(&layer.name) { "yes" } }
                            }
                        }
                    }
                }
            }
        }
    })
}

/// Licences by what SPDX calls them, and who has them; `None` where no licence is known.
pub(super) fn licences(inventory: &Inventory) -> Option<Markup> {
    let mut by_licence: BTreeMap<String, Vec<&Package>> = BTreeMap::new();
    let shipped = inventory.packages.iter().filter(|package| package.is_shipped);
    for package in shipped {
        let expression = package.license.as_deref().map(|field| Licence::parse(field).expression());
        by_licence.entry(expression.unwrap_or_default()).or_default().push(package);
    }
    by_licence.keys().any(|expression| !expression.is_empty()).then(|| html! {
        table.sortable {
            (head(&["Licence", "Packages", "Which"]))
            tbody {
                @for (expression, packages) in &by_licence {
                    tr {
                        th scope="row" {
                            @if expression.is_empty() { span.unknown { "not known" } } @else { (expression) }
                        }
                        td.number { (packages.len()) }
                        td {
                            @for (nth, package) in packages.iter().enumerate() {
                                @if nth > 0 { ", " }
                                a href={ "#" (package_anchor(package)) } { (package.id.name) }
                            }
                        }
                    }
                }
            }
        }
    })
}

/// What came along of the base; `None` where nothing did.
pub(super) fn libraries(inventory: &Inventory) -> Option<Markup> {
    if inventory.libraries.is_empty() {
        return None;
    }
    let users = |library: &str| -> BTreeSet<&str> {
        let packages =
            inventory.packages.iter().filter(|package| package.libraries.iter().any(|l| l == library));
        packages.map(|package| package.id.name.as_str()).collect()
    };
    Some(html! {
        table.sortable {
            (head(&["Library", "Size", "System package", "Version", "Licences", "For"]))
            tbody {
                @for library in &inventory.libraries {
                    tr id={ "library-" (library.name) } {
                        th scope="row" { (library.soname.as_ref().unwrap_or(&library.name)) }
                        (size_cell(library.unzipped_bytes))
                        td { @if let Some(owner) = &library.owner { (owner.name) } }
                        td { @if let Some(owner) = &library.owner { (owner.version) } }
                        td { (library.licenses.join(", ")) }
                        td { (users(&library.name).into_iter().collect::<Vec<_>>().join(", ")) }
                    }
                }
            }
        }
    })
}

/// Headers that were compiled in, and the like; `None` where there are none.
pub(super) fn build_only(inventory: &Inventory) -> Option<Markup> {
    let packages: Vec<&Package> = inventory.packages.iter().filter(|package| !package.is_shipped).collect();
    (!packages.is_empty()).then(|| {
        html! {
            p { (counted(packages.len(), "package")) " whose code may be inside of others." }
            ul {
                @for package in packages {
                    li { (package.id) @if let Some(license) = &package.license { ", " (license) } }
                }
            }
        }
    })
}

/// `None` where nobody asked.
pub(super) fn advisories(advised: Advised<Advisories<'_>>) -> Option<Markup> {
    match advised {
        Advised::NotAsked => None,
        Advised::NoDatabase => Some(html! { p { "They were " (NO_DATABASE) "." } }),
        Advised::Known(advisories) => Some(found(advisories)),
    }
}

fn found(advisories: Advisories<'_>) -> Markup {
    html! {
        p { (advisories.coverage) }
        @if advisories.found.is_empty() {
            p { "None is known for what is here." }
        } @else {
            table.sortable {
                (head(&["Advisory", "Package", "Version", "Summary"]))
                tbody {
                    @for found in advisories.found {
                        tr {
                            th scope="row" { strong.found { (found.id) } }
                            td { (found.package) }
                            td { (found.version) }
                            td { (found.summary) }
                        }
                    }
                }
            }
        }
    }
}
