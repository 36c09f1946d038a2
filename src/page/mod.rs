//! An inventory to one HTML page: what is in which layer, what it costs, why it is there,
//! and what changed. Pure, and the same for the same content.
//!
//! The page needs nothing but itself. All of it can be read without JavaScript, which only
//! adds sorting and searching, and its own policy forbids everything else: no request, no
//! script but the one whose digest it names.

mod changes;
mod map;
mod packages;
mod tables;
mod treemap;
mod weight;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::diff::{Advised, Advisory, Diff};
use crate::inventory::{Form, Inventory};
use crate::model::{counted, human_bytes};
use crate::sys::hash::sha256;
use weight::Weights;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// What a page is made of.
pub struct Page<'a> {
    pub inventory: &'a Inventory,
    /// What it was read from, as the user named it.
    pub source: &'a str,
    /// This program's version.
    pub version: &'a str,
    /// Since what it was before.
    pub diff: Option<&'a Diff<'a>>,
    pub advisories: Advised<Advisories<'a>>,
}

/// What a database of advisories says.
#[derive(Clone, Copy)]
pub struct Advisories<'a> {
    pub found: &'a [Advisory],
    /// How old it is, and what it covers.
    pub coverage: &'a str,
}

/// A part of the page: its id, its heading, and what it holds.
struct Section {
    id: &'static str,
    title: &'static str,
    content: Markup,
}

pub fn render(page: &Page<'_>) -> String {
    let sections = sections(page);
    let title = format!("layr report: {}", page.source);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "R packages on Lambda" }
                    (summary(page))
                    nav aria-label="Parts of this page" {
                        ul { @for section in &sections { li { a href={ "#" (section.id) } { (section.title) } } } }
                    }
                }
                main {
                    @for Section { id, title, content } in &sections {
                        section id=(id) aria-labelledby={ (id) "-title" } {
                            h2 id={ (id) "-title" } { (title) }
                            (content)
                        }
                    }
                }
                (footer(page))
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    markup.into_string() + "\n"
}

/// What the browser is to allow the page: its own style and script by their digests.
fn policy() -> String {
    let digest = |text: &str| format!("'sha256-{}'", sha256(text.as_bytes()).to_base64());
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        digest(STYLE),
        digest(SCRIPT)
    )
}

/// Those that there is something to say in.
fn sections(page: &Page<'_>) -> Vec<Section> {
    let inventory = page.inventory;
    let weights = Weights::of(inventory);
    let mut sections = Vec::new();
    let mut add = |id, title, content: Option<Markup>| {
        sections.extend(content.map(|content| Section { id, title, content }));
    };
    add("changes", "What changed", page.diff.map(changes::changes));
    add("advisories", "Advisories", tables::advisories(page.advisories));
    add("functions", "Functions", tables::functions(inventory));
    add("map", "Layers by size", map::map(inventory));
    add("packages", "Packages", Some(packages::packages(&weights, page.advisories.known().copied())));
    add("sharing", "What functions share", tables::sharing(inventory));
    add("licences", "Licences", tables::licences(inventory));
    add("libraries", "Libraries of the system", tables::libraries(inventory));
    add("build-only", "Built against, not shipped", tables::build_only(inventory));
    sections
}

fn summary(page: &Page<'_>) -> Markup {
    let inventory = page.inventory;
    let n_packages = inventory.packages.iter().filter(|package| package.is_shipped).count();
    let bytes: Option<u64> = inventory.layers.iter().map(|layer| layer.unzipped_bytes).sum();
    html! {
        p.summary {
            (counted(n_packages, "package"))
            @if !inventory.layers.is_empty() { " in " (counted(inventory.layers.len(), "layer")) }
            @if !inventory.functions.is_empty() { " for " (counted(inventory.functions.len(), "function")) }
            @if let Some(bytes) = bytes.filter(|bytes| *bytes > 0) { ", " (human_bytes(bytes)) " unzipped" }
            "."
        }
    }
}

fn footer(page: &Page<'_>) -> Markup {
    let inventory = page.inventory;
    let form = match inventory.form {
        Form::Lockfile => "a lockfile, which says neither sizes nor layers",
        Form::LayrLock => "a layr.lock, which says no sizes",
        Form::Manifest => "the manifest of a build",
        Form::Layer => "the zip of a layer",
    };
    html! {
        footer {
            dl {
                dt { "Made from" }
                dd { code { (page.source) } ", " (form) }
                @if let Some(r) = &inventory.r { dt { "R" } dd { (r) } }
                @if let Some(arch) = inventory.arch { dt { "Architecture" } dd { (arch) } }
                @if let Some(base) = &inventory.base {
                    dt { "Base" }
                    dd { (base.recipe) " " code { (base.digest) } }
                }
                dt { "Made by" }
                dd { "layr " (page.version) }
            }
        }
    }
}

/// A table's head.
fn head(columns: &[&str]) -> Markup {
    html! { thead { tr { @for column in columns { th scope="col" { (column) } } } } }
}

/// A cell whose text is for people, and by whose value rows are sorted.
fn size_cell(bytes: Option<u64>) -> Markup {
    html! {
        td.number data-value=(bytes.unwrap_or(0)) { @if let Some(bytes) = bytes { (human_bytes(bytes)) } }
    }
}

/// What a link to a package leads to. Two versions of one are told apart.
fn package_anchor(package: &crate::inventory::Package) -> String {
    format!("package-{}-{}", package.id.name, package.id.version)
}

#[cfg(test)]
mod tests;
