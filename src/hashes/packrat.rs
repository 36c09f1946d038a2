//! packrat's `Hash`, in the ways that it has been computed.

use std::collections::BTreeMap;

use md5::{Digest, Md5};

use super::push_without_space;
use crate::model::{Dependency, Description, PackageName, Record};

/// Hashed wherever they are there, in this order since 0.5.
const FIELDS: [&str; 6] = ["Package", "Version", "Depends", "Imports", "Suggests", "LinkingTo"];

/// Hashed of packages that are of no repository, in this order.
const REMOTES: [&str; 7] =
    ["RemoteType", "RemoteHost", "RemoteRepo", "RemoteUsername", "RemoteRef", "RemoteSha", "RemoteSubdir"];

/// Which fields are hashed; newest first.
#[derive(Debug, Clone, Copy)]
enum Era {
    /// In a fixed order, without the `Remote…` fields of packages of these types.
    Fixed { of_repository: &'static [&'static str] },
    /// In the order of the DESCRIPTION, up to 0.4, with these of the remote fields.
    AsWritten { remotes: &'static [&'static str] },
}

const ERAS: [Era; 6] = [
    Era::Fixed { of_repository: &["cran", "standard", "url"] }, // 0.8 and later
    Era::Fixed { of_repository: &["cran", "standard"] },        // 0.6 and 0.7
    Era::Fixed { of_repository: &["cran"] },                    // 0.5
    Era::AsWritten { remotes: &["GithubSHA1", "RemoteSha"] },   // from July 2018
    Era::AsWritten { remotes: &["GithubSHA1"] },                // from 2015
    Era::AsWritten { remotes: &[] },
];

/// By all ways, the newest first, each hash once.
pub(super) fn all(
    record: &Record,
    remotes: &[(String, String)],
    linked: &BTreeMap<&PackageName, &Description>,
) -> Vec<String> {
    let mut fields: Vec<(&str, &str)> = record.fields().collect();
    fields.extend(remotes.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut found = Vec::new();
    for era in ERAS {
        let hash = Hasher { era, linked, known: BTreeMap::new() }.hash(&fields);
        if !found.contains(&hash) {
            found.push(hash);
        }
    }
    found
}

struct Hasher<'a> {
    era: Era,
    linked: &'a BTreeMap<&'a PackageName, &'a Description>,
    /// Of the packages whose headers are used; `None` while it is being computed, so that
    /// a circle ends.
    known: BTreeMap<PackageName, Option<String>>,
}

impl Hasher<'_> {
    fn hash(&mut self, fields: &[(&str, &str)]) -> String {
        let linking_to = get(fields, "LinkingTo").unwrap_or_default();
        let text = format!("{} {}", own_text(fields, self.era), self.of_linked(linking_to));
        hex::encode(Md5::digest(text.as_bytes()))
    }

    /// The hashes of the packages whose headers are used, in their own order. One that is
    /// not there is passed over, as packrat does.
    fn of_linked(&mut self, linking_to: &str) -> String {
        let names = Dependency::parse_list(linking_to).map(|(packages, _)| packages).unwrap_or_default();
        let mut hashes: Vec<String> = Vec::new();
        for Dependency { name, .. } in names {
            let Some(description) = self.linked.get(&name) else { continue };
            if !self.known.contains_key(&name) {
                self.known.insert(name.clone(), None);
                let hash = self.hash(&description.record.fields().collect::<Vec<_>>());
                self.known.insert(name.clone(), Some(hash));
            }
            hashes.extend(self.known[&name].clone());
        }
        hashes.sort();
        hashes.concat()
    }
}

fn get<'a>(fields: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value)
}

/// The values of a package's own fields, without names and blanks.
fn own_text(fields: &[(&str, &str)], era: Era) -> String {
    let mut text = String::new();
    match era {
        Era::Fixed { of_repository } => {
            let is_of_repository = get(fields, "RemoteType").is_none_or(|kind| of_repository.contains(&kind));
            let remotes: &[&str] = match (get(fields, "GithubSHA1"), is_of_repository) {
                (Some(_), _) => &["GithubSHA1"],
                (None, true) => &[],
                (None, false) => &REMOTES,
            };
            for name in FIELDS.iter().chain(remotes) {
                push_without_space(&mut text, get(fields, name).unwrap_or_default());
            }
        }
        Era::AsWritten { remotes } => {
            for (name, value) in fields {
                if FIELDS.contains(name) || remotes.contains(name) {
                    push_without_space(&mut text, value);
                }
            }
        }
    }
    text
}
