//! renv's `Hash`, in the four ways that it has been computed.

use std::collections::BTreeMap;

use md5::{Digest, Md5};

use super::push_without_space;
use crate::model::{RVersion, Record};

/// Hashed wherever they are there.
const FIELDS: [&str; 10] = [
    "Package",
    "Version",
    "Title",
    "Author",
    "Maintainer",
    "Description",
    "Depends",
    "Imports",
    "Suggests",
    "LinkingTo",
];

/// Which of the `Remote…` fields are hashed; newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Era {
    /// 1.1 and later: those of packages that are not of a repository, and of those that a
    /// repository built from a commit.
    Commits,
    /// 1.0.6 to 1.0.11: those of packages that are not of a repository.
    Foreign,
    /// 0.9.0 to 1.0.5: those of packages that have a type other than `standard`.
    Typed,
    /// 0.8: the same, and the version of R.
    WithR,
}

/// By all ways, the newest first, each hash once.
pub(super) fn all(record: &Record, remotes: &[(String, String)], r: Option<&RVersion>) -> Vec<String> {
    let mut fields: BTreeMap<&str, &str> = record.fields().collect();
    fields.extend(remotes.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut found = Vec::new();
    for era in [Era::Commits, Era::Foreign, Era::Typed, Era::WithR] {
        let hash = hash(&fields, era, r);
        if !found.contains(&hash) {
            found.push(hash);
        }
    }
    found
}

/// What renv 1.1 and later would compute of a record that is a whole DESCRIPTION.
pub fn of_record<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    hash(&fields.into_iter().collect(), Era::Commits, None)
}

fn hash(fields: &BTreeMap<&str, &str>, era: Era, r: Option<&RVersion>) -> String {
    let remotes_count = hashes_remotes(fields, era);
    let r = r.filter(|_| era == Era::WithR).map(RVersion::minor_series);
    let hashed = |name: &str, value: &str| {
        let is_head = era == Era::Commits && name == "RemoteRef" && value == "HEAD";
        FIELDS.contains(&name) || (remotes_count && name.starts_with("Remote") && !is_head)
    };
    let mut chosen: BTreeMap<&str, &str> = fields
        .iter()
        .filter(|(name, value)| hashed(name, value))
        .map(|(name, value)| (*name, *value))
        .collect();
    if let Some(r) = &r {
        chosen.insert("RVersion", r);
    }
    let mut text = String::new();
    for (name, value) in chosen {
        push_without_space(&mut text, name);
        text.push(':');
        push_without_space(&mut text, value);
    }
    text.push('\n');
    hex::encode(Md5::digest(text.as_bytes()))
}

fn hashes_remotes(fields: &BTreeMap<&str, &str>, era: Era) -> bool {
    let kind = fields.get("RemoteType").map(|kind| kind.to_ascii_lowercase());
    let is_of_repository = matches!(kind.as_deref(), None | Some("cran" | "repository" | "standard"));
    match era {
        Era::WithR | Era::Typed => !matches!(kind.as_deref(), None | Some("standard")),
        Era::Foreign => !is_of_repository,
        Era::Commits => !is_of_repository || fields.get("RemoteSha").is_some_and(|sha| sha.len() >= 40),
    }
}
