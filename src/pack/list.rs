//! The list of what a layer holds, inside the layer, so that one that is found somewhere
//! explains itself. Pure.
//!
//! It is at `layr/<digest of its text>.jsonl` under `/opt`: two layers of a function must
//! not hold the same path. Each tree has one line, so the list's size is the sum of its
//! lines' and can be planned with. It says only what follows from the trees: nothing that
//! would give equal content another name.

use serde::Serialize;

use crate::plan::{SizedTree, TreeId};
use crate::sys::hash::sha256;

/// The folder of lists, under `/opt`.
pub(super) const FOLDER: &str = "layr";

#[derive(Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
enum Line<'a> {
    Package { name: &'a str, version: String, tree: String },
    Library { name: &'a str, tree: String },
}

/// A tree's line, with its end.
fn line(id: &TreeId, digest: crate::model::TreeDigest) -> String {
    let tree = digest.to_hex();
    let line = match id {
        TreeId::Package(id) => {
            Line::Package { name: id.name.as_str(), version: id.version.to_string(), tree }
        }
        TreeId::Library(name) => Line::Library { name, tree },
    };
    // Serializing plain strings to JSON cannot fail.
    let mut text = serde_json::to_string(&line).unwrap_or_default();
    text.push('\n');
    text
}

/// What a tree's line takes up.
pub fn line_bytes(id: &TreeId, digest: crate::model::TreeDigest) -> u64 {
    line(id, digest).len() as u64
}

/// The list's file name and text; `None` for a layer without trees.
pub(super) fn list(trees: &[SizedTree]) -> Option<(String, String)> {
    let text: String = trees.iter().map(|tree| line(&tree.id, tree.digest)).collect();
    let name = format!("{}.jsonl", &sha256(text.as_bytes()).to_hex()[..16]);
    (!text.is_empty()).then_some((name, text))
}
