//! layr.lock: what was resolved, so that a later build gives the same bytes or fails. Pure.
//!
//! TOML, sorted, the same text for the same content. docs/layr-lock.md has the fields.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{BaseDigest, PackageId, Sha256Digest};

const HEAD: &str = "# Written by layr: commit it, and let layr change it.\n\n";

/// Whether a text is a layr.lock, by its first line.
pub fn is_one(text: &str) -> bool {
    text.starts_with(HEAD.trim_end())
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayrLock {
    pub version: u32,
    pub base: Option<LockedBase>,
    #[serde(default, rename = "package", skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<LockedSource>,
    #[serde(default, rename = "function", skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<LockedFunction>,
    #[serde(default, rename = "layer", skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LockedLayer>,
    /// Layers that no function uses any more, latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<RetiredLayer>,
    /// What changed from plan to plan, latest last.
    #[serde(default, rename = "change", skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<LockedChange>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedBase {
    pub recipe: String,
    pub digest: String,
    pub r: String,
    pub arch: String,
}

/// One source tarball, or what stands for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedSource {
    pub name: String,
    pub version: String,
    /// As the lockfile's repository has it.
    pub url: String,
    /// What is there, if not a source tarball.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// Of the repository that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The package's folder in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subfolder: Option<String>,
    /// Of what is there; where `form` is files, of the source tarball that is made of them.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// `Depends`, `Imports` and `LinkingTo`, as `name version`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<String>,
}

/// How a package's bytes come from what its URL has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A repository's files, of which a source tarball is made.
    Files,
    /// A binary package.
    Binary,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedFunction {
    pub name: String,
    pub lockfile: String,
    /// All that it is built of, as `name version`.
    pub packages: Vec<String>,
    /// Layer digests in attach order.
    pub layers: Vec<String>,
    /// The digest of what lies in its code, in the form of a layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_code: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedLayer {
    pub digest: String,
    /// As `name version`.
    pub packages: Vec<String>,
    /// As `name digest`, of which the first 16 digits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trees: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetiredLayer {
    /// As in [`LockedLayer`].
    pub trees: Vec<String>,
}

/// A plan whose trees were not those of the plan before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedChange {
    /// Those that came to need other trees.
    pub functions: Vec<String>,
    /// Names of the trees that became others.
    pub trees: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum LayrLockError {
    #[error("layr.lock cannot be read:\n{}", .0.to_string().trim_end())]
    Syntax(#[source] Box<toml::de::Error>),
    #[error("layr.lock is of version {found}, and this layr knows version {known}")]
    Version { found: u32, known: u32 },
    #[error("there is no layr.lock at `{path}`, and --locked forbids to make one")]
    Missing { path: String },
    #[error("layr.lock is not what this run gives, and --locked forbids to change it: {difference}")]
    Changed { difference: String },
}

impl LayrLockError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Syntax(_) => "take it from version control again, or remove it: it is then written anew",
            Self::Version { .. } => "update layr",
            Self::Missing { .. } | Self::Changed { .. } => {
                "run without --locked, look at what changed, and commit it"
            }
        };
        Some(hint.to_owned())
    }
}

impl LayrLock {
    /// The newest version of the format that is known here.
    pub const VERSION: u32 = 3;
    /// Version 2 has no `form = "binary"` and no `in_code`, and version 1 no `form`, `commit` and `subfolder`.
    /// They are still written where no more is needed, so that an older program can read it.
    const WITHOUT_BINARIES: u32 = 2;
    const WITHOUT_FORMS: u32 = 1;

    /// # Errors
    ///
    /// Where the text is not a layr.lock of this version.
    pub fn parse(text: &str) -> Result<Self, LayrLockError> {
        // The version first: another version may have fields that this one has not.
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let syntax = |error| LayrLockError::Syntax(Box::new(error));
        let Head { version } = toml::from_str(text).map_err(syntax)?;
        if !(Self::WITHOUT_FORMS..=Self::VERSION).contains(&version) {
            return Err(LayrLockError::Version { found: version, known: Self::VERSION });
        }
        toml::from_str(text).map_err(syntax)
    }

    /// The text to write.
    pub fn render(&self) -> String {
        // Serializing plain strings and numbers to TOML cannot fail.
        format!("{HEAD}{}", toml::to_string(self).unwrap_or_default())
    }

    /// What is locked for a package, if anything, and its digest.
    pub fn source(&self, id: &PackageId) -> Option<(&LockedSource, Sha256Digest)> {
        let of_id =
            |source: &&LockedSource| source.name == id.name.as_str() && source.version == id.version.as_str();
        let source = self.packages.iter().find(of_id)?;
        Some((source, source.sha256.parse().ok()?))
    }

    pub fn base_digest(&self) -> Option<BaseDigest> {
        self.base.as_ref()?.digest.parse().ok()
    }

    /// Takes over the functions that this run was not about, with all they refer to, and
    /// brings everything into order.
    pub fn complete(&mut self, before: &Self) {
        let ours: BTreeSet<String> = self.functions.iter().map(|function| function.name.clone()).collect();
        let others = before.functions.iter().filter(|function| !ours.contains(&function.name));
        self.functions.extend(others.cloned());
        self.functions.sort();
        let packages: BTreeSet<&String> =
            self.functions.iter().flat_map(|function| &function.packages).collect();
        let layers: BTreeSet<&String> = self
            .functions
            .iter()
            .flat_map(|function| function.layers.iter().chain(&function.in_code))
            .collect();
        // Ours come first, and so win over what was there before.
        let mut sources = BTreeMap::new();
        for source in self.packages.drain(..).chain(before.packages.iter().cloned()) {
            let id = format!("{} {}", source.name, source.version);
            if packages.contains(&id) {
                sources.entry(id).or_insert(source);
            }
        }
        let mut kept = BTreeMap::new();
        for layer in self.layers.drain(..).chain(before.layers.iter().cloned()) {
            if layers.contains(&layer.digest) {
                kept.entry(layer.digest.clone()).or_insert(layer);
            }
        }
        self.packages = sources.into_values().collect();
        let versions = self.packages.iter().map(|source| match source.form {
            None => Self::WITHOUT_FORMS,
            Some(Form::Files) => Self::WITHOUT_BINARIES,
            Some(Form::Binary) => Self::VERSION,
        });
        let in_code = self.functions.iter().filter(|function| function.in_code.is_some());
        self.version = versions.chain(in_code.map(|_| Self::VERSION)).max().unwrap_or(Self::WITHOUT_FORMS);
        self.layers = kept.into_values().collect();
    }

    /// The first difference to another, in words; `None` where there is none.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self == other {
            return None;
        }
        if self.base != other.base {
            let shown = |lock: &Self| {
                lock.base.as_ref().map_or("none".to_owned(), |b| format!("{} {}", b.recipe, b.digest))
            };
            return Some(format!("base {} instead of {}", shown(other), shown(self)));
        }
        let (ours, theirs): (BTreeSet<_>, BTreeSet<_>) =
            (self.packages.iter().collect(), other.packages.iter().collect());
        if let Some(source) = theirs.difference(&ours).next() {
            return Some(format!("package `{} {}` is new or has other bytes", source.name, source.version));
        }
        if let Some(source) = ours.difference(&theirs).next() {
            return Some(format!("package `{} {}` is not needed any more", source.name, source.version));
        }
        if self.layers != other.layers {
            return Some("a layer has other content".to_owned());
        }
        Some("a function has other packages or layers".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, sha256: &str) -> LockedSource {
        LockedSource {
            name: name.to_owned(),
            version: "1.0".to_owned(),
            url: format!("https://cran.example/{name}"),
            form: None,
            commit: None,
            subfolder: None,
            sha256: sha256.repeat(64),
            size: 3,
            dependencies: Vec::new(),
        }
    }

    fn function(name: &str, package: &str) -> LockedFunction {
        LockedFunction {
            in_code: None,
            name: name.to_owned(),
            lockfile: format!("{name}/renv.lock"),
            packages: vec![format!("{package} 1.0")],
            layers: vec!["ab".to_owned()],
        }
    }

    fn lock(functions: Vec<LockedFunction>, packages: Vec<LockedSource>) -> LayrLock {
        let layers = vec![LockedLayer {
            digest: "ab".to_owned(),
            packages: vec!["a1 1.0".to_owned()],
            trees: vec!["a1 0123456789abcdef".to_owned()],
        }];
        let retired = vec![RetiredLayer { trees: vec!["z1 0123456789abcdef".to_owned()] }];
        let changes = vec![LockedChange { functions: vec!["a".to_owned()], trees: vec!["z1".to_owned()] }];
        LayrLock { version: 1, base: None, packages, functions, layers, retired, changes }
    }

    #[test]
    fn it_reads_back_what_it_writes_and_writes_it_the_same_again() {
        let mut lock =
            lock(vec![function("b", "b1"), function("a", "a1")], vec![source("b1", "2"), source("a1", "1")]);
        lock.complete(&LayrLock::default());
        let text = lock.render();
        let back = LayrLock::parse(&text).unwrap();
        assert_eq!(back, lock);
        assert_eq!(back.render(), text);
        assert_eq!(back.functions[0].name, "a", "sorted");
    }

    #[test]
    fn functions_of_other_runs_stay_and_what_nobody_needs_goes() {
        let before = lock(
            vec![function("a", "old1"), function("b", "b1")],
            vec![source("old1", "1"), source("b1", "2"), source("a1", "9")],
        );
        let mut now = lock(vec![function("a", "a1")], vec![source("a1", "3")]);
        now.complete(&before);
        let names: Vec<_> = now.packages.iter().map(|p| (p.name.as_str(), &p.sha256[..1])).collect();
        assert_eq!(names, [("a1", "3"), ("b1", "2")]);
        assert!(before.difference(&now).unwrap().contains("a1"));
        assert_eq!(now.difference(&now), None);
    }

    #[test]
    fn the_version_is_the_oldest_that_can_say_it() {
        for (form, version) in [(None, 1), (Some(Form::Files), 2), (Some(Form::Binary), 3)] {
            let mut lock = lock(vec![function("a", "a1")], vec![LockedSource { form, ..source("a1", "1") }]);
            lock.complete(&LayrLock::default());
            assert_eq!(lock.version, version);
            assert_eq!(LayrLock::parse(&lock.render()).unwrap(), lock);
        }
    }

    #[test]
    fn a_file_of_another_version_is_told_from_a_broken_one() {
        assert!(matches!(
            LayrLock::parse("version = 4\nnew = 1\n"),
            Err(LayrLockError::Version { found: 4, .. })
        ));
        assert!(matches!(LayrLock::parse("version = 1\nnew = 1\n"), Err(LayrLockError::Syntax(_))));
    }
}
