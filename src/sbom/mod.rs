//! An inventory to a bill of materials of one function or one layer, in the two forms that
//! other tools read. Pure, and the same for the same content. docs/sbom.md says what is
//! written where.

mod as_cyclonedx;
mod purl;
mod as_spdx;

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::licence::{self, Licence};
use crate::inventory::{Inventory, Layer, Library, Package};

/// What a bill is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    Function(&'a str),
    Layer(&'a str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CycloneDX 1.6, JSON.
    CycloneDx,
    /// SPDX 2.3, JSON.
    Spdx,
}

/// Who writes a bill, and when.
#[derive(Debug, Clone)]
pub struct Stamp<'a> {
    /// This program's version.
    pub version: &'a str,
    /// In the form of RFC 3339, with `Z`; none where the same content is to give the same
    /// text on any day.
    pub created: Option<&'a str>,
}

/// What of an inventory belongs to the subject.
#[derive(Debug)]
pub struct Bom<'a> {
    inventory: &'a Inventory,
    subject: Subject<'a>,
    packages: Vec<&'a Package>,
    libraries: Vec<&'a Library>,
    layers: Vec<&'a Layer>,
}

impl<'a> Bom<'a> {
    /// `None` where the inventory has no such function or layer.
    pub fn of(inventory: &'a Inventory, subject: Subject<'a>) -> Option<Self> {
        let packages = inventory.packages.iter();
        let libraries = inventory.libraries.iter();
        let bom = match subject {
            Subject::Function(name) => {
                let function = inventory.function(name)?;
                let layers = function.layers.iter().filter_map(|layer| inventory.layer(layer));
                Self {
                    inventory,
                    subject,
                    packages: packages.filter(|package| package.functions.contains(name)).collect(),
                    libraries: libraries.filter(|library| library.functions.contains(name)).collect(),
                    layers: layers.collect(),
                }
            }
            Subject::Layer(name) => Self {
                inventory,
                subject,
                packages: packages.filter(|package| package.layers.contains(name)).collect(),
                libraries: libraries.filter(|library| library.layers.contains(name)).collect(),
                layers: vec![inventory.layer(name)?],
            },
        };
        Some(bom)
    }

    pub fn render(&self, format: Format, stamp: &Stamp<'_>) -> String {
        let document = match format {
            Format::CycloneDx => as_cyclonedx::document(self, stamp),
            Format::Spdx => as_spdx::document(self, stamp),
        };
        // Serializing a JSON value cannot fail.
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        text
    }

    fn name(&self) -> &'a str {
        match self.subject {
            Subject::Function(name) | Subject::Layer(name) => name,
        }
    }

    /// Positions of what each package needs of the others here.
    fn needs(&self) -> Vec<BTreeSet<usize>> {
        let at: BTreeMap<&str, usize> =
            self.packages.iter().enumerate().map(|(at, package)| (package.id.name.as_str(), at)).collect();
        let needs = |package: &&Package| {
            let names = package.dependencies.iter().flatten();
            names.filter_map(|name| at.get(name.as_str()).copied()).collect()
        };
        self.packages.iter().map(needs).collect()
    }

    /// Positions of packages that no other one here needs.
    fn roots(&self) -> BTreeSet<usize> {
        let needed: BTreeSet<usize> = self.needs().into_iter().flatten().collect();
        (0..self.packages.len()).filter(|at| !needed.contains(at)).collect()
    }
}

/// `.cdx.json` and `.spdx.json` are what other tools expect. Names that come from a file of
/// somebody else's stay in their folder.
pub fn file_name(subject: Subject<'_>, format: Format) -> String {
    let (Subject::Function(name) | Subject::Layer(name)) = subject;
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name.chars().map(|c| if is_safe(c) { c } else { '-' }).collect();
    let ending = match format {
        Format::CycloneDx => "cdx",
        Format::Spdx => "spdx",
    };
    format!("{name}.{ending}.json")
}

/// As an expression of SPDX's; `None` where nothing is known.
fn expression(package: &Package) -> Option<String> {
    let expression = Licence::parse(package.license.as_deref()?).expression();
    (expression != NO_ASSERTION).then_some(expression)
}

/// Of all that a library's copyright file names.
fn library_expression(library: &Library) -> Option<String> {
    let expression = licence::of_debian(&library.licenses).expression();
    (expression != NO_ASSERTION).then_some(expression)
}

/// What SPDX says where nothing is known.
const NO_ASSERTION: &str = "NOASSERTION";

#[cfg(test)]
mod tests;
