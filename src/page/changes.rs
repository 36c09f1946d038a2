//! What changed since another inventory. Pure.

use maud::{Markup, html};

use super::head;
use crate::diff::{
    Diff, FunctionChange, PackageChange, function_sizes, layer_counts, package_notes, signed_bytes,
};

pub(super) fn changes(diff: &Diff<'_>) -> Markup {
    if diff.is_empty() {
        return html! { p { "Nothing." } };
    }
    let sizes: Vec<&FunctionChange<'_>> =
        diff.functions.iter().filter(|function| function.before != function.after).collect();
    html! {
        @for (what, change) in [("R", diff.r()), ("Base", diff.base())] {
            @if let Some((before, after)) = change { p { (what) ": " (before) " → " (after) } }
        }
        @if !diff.packages.is_empty() { (packages(&diff.packages)) }
        @if !sizes.is_empty() {
            ul { @for function in sizes { li { (function.name) ": " (function_sizes(function)) } } }
        }
        @if let Some(layers) = layer_counts(diff) { p { "Layers: " (layers) "." } }
        @if let Some(advisories) = diff.advisories.known() {
            p {
                "Advisories: " (advisories.gained.len()) " gained, " (advisories.lost.len()) " lost, "
                (advisories.n_kept) " on both sides."
            }
        }
    }
}

fn packages(changes: &[PackageChange<'_>]) -> Markup {
    html! {
        table.sortable {
            (head(&["Package", "Change", "Before", "After", "Size", "Besides"]))
            tbody {
                @for change in changes {
                    tr {
                        th scope="row" { (change.name()) }
                        td { (change.kind().words()) }
                        td { @if let Some(before) = change.before { (before.id.version) } }
                        td { @if let Some(after) = change.after { (after.id.version) } }
                        @let bytes = change.bytes().unwrap_or(0);
                        td.number data-value=(bytes) { @if bytes != 0 { (signed_bytes(bytes)) } }
                        td { (package_notes(change).join("; ")) }
                    }
                }
            }
        }
    }
}
