//! Layers, and what is in them, as a treemap in SVG. Pure.

use maud::{Markup, html};

use super::package_anchor;
use super::treemap::{Rect, layout};
use crate::inventory::{Inventory, Layer};
use crate::model::human_bytes;

const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 640.0;
/// Between a layer's border and what is in it.
const MARGIN: f64 = 2.0;
/// The height of a layer's title.
const TITLE: f64 = 18.0;
/// What a letter takes up, on average, at the size of the map's text.
const LETTER: f64 = 7.5;
/// Below that no text can be read.
const LINE: f64 = 14.0;
/// Colours that tell layers apart; the stylesheet has as many.
const N_COLOURS: usize = 6;

/// A package or a library in a layer.
struct Leaf {
    label: String,
    href: String,
    bytes: u64,
}

/// `None` where sizes are not known.
pub(super) fn map(inventory: &Inventory) -> Option<Markup> {
    let mut layers: Vec<(&Layer, Vec<Leaf>)> =
        inventory.layers.iter().map(|layer| (layer, leaves(layer, inventory))).collect();
    let bytes = |leaves: &[Leaf]| leaves.iter().map(|leaf| leaf.bytes).fold(0_u64, u64::saturating_add);
    layers.retain(|(_, leaves)| bytes(leaves) > 0);
    layers.sort_by(|(one, a), (two, b)| bytes(b).cmp(&bytes(a)).then_with(|| one.name.cmp(&two.name)));
    if layers.is_empty() {
        return None;
    }
    let sizes: Vec<u64> = layers.iter().map(|(_, leaves)| bytes(leaves)).collect();
    let rects = layout(&sizes, Rect { x: 0.0, y: 0.0, width: WIDTH, height: HEIGHT });
    Some(html! {
        p {
            "Areas are unzipped sizes. Each part leads to its row below, which says the same in words. "
            a href="#packages" { "Skip the map" } "."
        }
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="group" aria-labelledby="map-title" {
            @for (at, ((found, leaves), rect)) in layers.iter().zip(rects).enumerate() {
                (layer(found, (leaves.as_slice(), at % N_COLOURS), rect))
            }
        }
    })
}

fn leaves(layer: &Layer, inventory: &Inventory) -> Vec<Leaf> {
    let packages = inventory.packages.iter().filter(|package| package.layers.contains(&layer.name));
    let packages = packages.map(|package| Leaf {
        label: package.id.to_string(),
        href: format!("#{}", package_anchor(package)),
        bytes: package.unzipped_bytes.unwrap_or(0),
    });
    let libraries = inventory.libraries.iter().filter(|library| library.layers.contains(&layer.name));
    let libraries = libraries.map(|library| Leaf {
        label: library.soname.clone().unwrap_or_else(|| library.name.clone()),
        href: format!("#library-{}", library.name),
        bytes: library.unzipped_bytes.unwrap_or(0),
    });
    let mut leaves: Vec<Leaf> = packages.chain(libraries).filter(|leaf| leaf.bytes > 0).collect();
    leaves.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.label.cmp(&b.label)));
    leaves
}

fn layer(layer: &Layer, content: (&[Leaf], usize), rect: Rect) -> Markup {
    let (leaves, colour) = content;
    let has_title = rect.height > 3.0 * TITLE;
    let title = if has_title { TITLE } else { 0.0 };
    let sizes: Vec<u64> = leaves.iter().map(|leaf| leaf.bytes).collect();
    let rects = layout(&sizes, rect.inner(MARGIN, title));
    html! {
        g class={ "layer c" (colour) } {
            @if has_title {
                text.title x=(shown(rect.x + MARGIN + 2.0)) y=(shown(rect.y + TITLE - 4.0)) {
                    (fitting(&layer.name, rect.width))
                }
            }
            @for (leaf, rect) in leaves.iter().zip(rects) { (self::leaf(leaf, rect)) }
        }
    }
}

fn leaf(leaf: &Leaf, rect: Rect) -> Markup {
    let described = format!("{}, {}", leaf.label, human_bytes(leaf.bytes));
    html! {
        a href=(leaf.href) {
            title { (described) }
            rect x=(shown(rect.x)) y=(shown(rect.y)) width=(shown(rect.width)) height=(shown(rect.height)) {}
            @if rect.height > LINE && rect.width > 4.0 * LETTER {
                text x=(shown(rect.x + 3.0)) y=(shown(rect.y + LINE - 2.0)) { (fitting(&leaf.label, rect.width)) }
            }
        }
    }
}

/// As much of a text as there is room for.
fn fitting(text: &str, width: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "widths are those of a map")]
    let n_letters = (width / LETTER).max(0.0) as usize;
    if text.chars().count() <= n_letters {
        return text.to_owned();
    }
    let start: String = text.chars().take(n_letters.saturating_sub(1)).collect();
    if start.is_empty() { start } else { start + "…" }
}

/// A tenth of a unit is more than any screen shows.
fn shown(value: f64) -> String {
    format!("{value:.1}")
}
