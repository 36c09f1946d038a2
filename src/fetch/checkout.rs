//! A repository's files, in an archive or a folder, to the source tarball of the one
//! package that is wanted of it.
//!
//! Symbolic links are replaced by what they lead to, as `R CMD build` does, but by nothing
//! outside of the repository. No code is run, and nothing is built.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use super::even::EvenTarball;
use super::failure::Fault;
use super::policy::{Flaw, Judge, Limits, Violation};
use super::unpack::Unpacker;
use super::walk::{Visitor, WalkError, walk};
use super::{Failure, FetchError, zip};
use crate::model::Subfolder;
use crate::resolve::Checkout;
use crate::store::Store;
use crate::sys::fs::{self, PathError};

/// What version control and R leave beside the sources, and no package is made of.
const LEFT_BY_TOOLS: [&str; 8] =
    [".git", ".svn", ".hg", ".Rproj.user", ".Rhistory", ".RData", ".DS_Store", "..Rcheck"];

/// The files of a repository; paths are relative to its top, and normal.
#[derive(Debug)]
pub(super) struct Listing {
    root: PathBuf,
    nodes: BTreeMap<String, Node>,
    /// The folder that `root` lies in, where it is ours.
    _unpacked: Option<TempDir>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    File { is_executable: bool },
    Link { target: String },
}

impl Listing {
    pub(super) fn new(store: &Store) -> Result<Self, FetchError> {
        let unpacked = store.temp_dir("repository-")?;
        let root = unpacked.path().join("files");
        Ok(Self { root, nodes: BTreeMap::new(), _unpacked: Some(unpacked) })
    }

    /// Adds what a gzipped tar archive or a zip holds below its top folder, as the folder
    /// `place` or as the whole; gives the comment that the archive has.
    pub(super) fn add_archive(
        &mut self,
        archive: &Path,
        place: Option<&Subfolder>,
    ) -> Result<Option<String>, Fault> {
        let place = place.map_or("", Subfolder::as_str);
        let n_bytes = fs::metadata(archive)?.len();
        let folder = fs::temp_dir(fs::parent(&self.root), "archive-")?;
        let mut gatherer = Gatherer {
            unpacker: Unpacker::into(folder.path()),
            nodes: BTreeMap::new(),
            top: None,
            comment: None,
        };
        let mut judge = Judge::of_repository(Limits::of(n_bytes));
        let file = fs::open(archive)?;
        let walked = if zip::is_zip(&file).map_err(fs::at("read", archive))? {
            zip::walk(&file, &mut judge, &mut gatherer)
        } else {
            walk(file, &mut judge, &mut gatherer)
        };
        walked.map_err(|error| match error {
            WalkError::Violation(violation) => Fault::from(Failure::Violation(violation)),
            WalkError::Path(error) => error.into(),
        })?;
        let Gatherer { nodes, top, comment, .. } = gatherer;
        let from = folder.path().join(top.unwrap_or_default());
        let to = self.root.join(place);
        fs::create_dir_all(fs::parent(&to))?;
        // Where a submodule comes to lie, the repository's own archive has an empty folder.
        fs::remove_dir_all(&to)?;
        if fs::exists(&from) {
            fs::rename(&from, &to)?;
        }
        self.nodes.extend(nodes.into_iter().map(|(path, node)| (joined(place, &path), node)));
        Ok(comment)
    }

    /// What lies in a folder of the user's.
    pub(super) fn of_folder(folder: &Path) -> Result<Self, Fault> {
        let mut nodes = BTreeMap::new();
        list(folder, "", &mut nodes)?;
        Ok(Self { root: folder.to_owned(), nodes, _unpacked: None })
    }

    /// The text of a small file, if it is there.
    pub(super) fn text(&self, path: &str) -> Result<Option<String>, Fault> {
        let is_file = matches!(self.nodes.get(path), Some(Node::File { .. }));
        if !is_file {
            return Ok(None);
        }
        let bytes = fs::read(&self.root.join(path))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Whether submodules belong into the package: archives of repositories are made
    /// without.
    pub(super) fn lacks_submodules(&self, checkout: &Checkout) -> Result<bool, Fault> {
        let subfolder = folder_of(checkout);
        let Some(text) = self.text(".gitmodules")? else { return Ok(false) };
        let paths =
            text.lines().filter_map(|line| line.trim().strip_prefix("path")?.trim().strip_prefix('='));
        let is_within = |path: &str| subfolder.is_empty() || path.starts_with(&format!("{subfolder}/"));
        Ok(paths.map(str::trim).any(|path| is_within(path) && self.below(path).next().is_none()))
    }

    /// The source tarball of the package that lies in a folder of the repository.
    pub(super) fn package(
        &self,
        name: &str,
        checkout: &Checkout,
        store: &Store,
    ) -> Result<NamedTempFile, Fault> {
        let subfolder = folder_of(checkout);
        if self.resolved(&joined(subfolder, "DESCRIPTION")).is_err() {
            let folder = if subfolder.is_empty() { "." } else { subfolder }.to_owned();
            return Err(Failure::NoFolder { folder }.into());
        }
        let mut selection = Selection { listing: self, files: BTreeMap::new() };
        selection.add(subfolder, name, 0)?;
        let files = selection.files;
        let sizes = files.values().filter_map(|real| fs::file_size(&self.root.join(real)));
        let limit = Limits::of(0).total_bytes;
        if sizes.sum::<u64>() > limit {
            return Err(Failure::Violation(Violation::of_archive(Flaw::TooLarge { limit })).into());
        }
        let temp = store.temp_file()?;
        self.write(&files, temp.as_file()).map_err(fs::at("write", temp.path()))?;
        Ok(temp)
    }

    fn write(&self, files: &BTreeMap<String, String>, out: &File) -> std::io::Result<()> {
        let mut tarball = EvenTarball::new(std::io::BufWriter::with_capacity(256 << 10, out))?;
        for (shown, real) in files {
            let file = File::open(self.root.join(real))?;
            let n_bytes = file.metadata()?.len();
            let is_executable = self.nodes.get(real) == Some(&Node::File { is_executable: true });
            tarball.file(shown, is_executable, (file, n_bytes))?;
        }
        tarball.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        Ok(())
    }

    /// All nodes below a folder, without what tools leave.
    fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a String, &'a Node)> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let nodes = self.nodes.range(prefix.clone()..);
        let within = nodes.take_while(move |(path, _)| path.starts_with(&prefix));
        within.filter(|(path, _)| !path.split('/').any(|part| LEFT_BY_TOOLS.contains(&part)))
    }

    /// The file or folder that a path leads to, through as many links as it takes.
    fn resolved(&self, path: &str) -> Result<String, Flaw> {
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
            let link = ends.map(|end| &path[..end]).find_map(|part| match self.nodes.get(part) {
                Some(Node::Link { target }) => Some((part, target)),
                Some(Node::File { .. }) | None => None,
            });
            let Some((part, target)) = link else {
                let is_there = self.nodes.contains_key(&path) || self.below(&path).next().is_some();
                return if is_there { Ok(path) } else { Err(Flaw::LinkNowhere { target: path }) };
            };
            let folder = part.rsplit_once('/').map_or("", |(folder, _)| folder);
            let out = || Flaw::LinkOut { target: target.escape_debug().to_string() };
            let led = normal(&joined(folder, target)).filter(|_| !target.starts_with('/')).ok_or_else(out)?;
            path = joined(&led, path[part.len()..].trim_start_matches('/'));
        }
        Err(Flaw::LinkCircle)
    }
}

/// The files of a package, by their paths in its tarball, each with its own path.
struct Selection<'a> {
    listing: &'a Listing,
    files: BTreeMap<String, String>,
}

impl Selection<'_> {
    /// Adds all files of the folder `real` as files of `shown`, with what links lead to in
    /// their places.
    fn add(&mut self, real: &str, shown: &str, n_links: usize) -> Result<(), Failure> {
        let limit = Limits::of(0).n_entries;
        for (path, node) in self.listing.below(real) {
            let name = joined(shown, path.strip_prefix(real).unwrap_or(path).trim_start_matches('/'));
            let flawed = |flaw| Failure::Violation(Violation::of_entry(path.as_bytes(), flaw));
            if let Node::File { .. } = node {
                self.files.insert(name, path.clone());
            } else {
                let target = self.listing.resolved(path).map_err(flawed)?;
                if self.listing.nodes.contains_key(&target) {
                    self.files.insert(name, target);
                } else if n_links < MOST_LINKS {
                    self.add(&target, &name, n_links + 1)?;
                } else {
                    return Err(flawed(Flaw::LinkCircle));
                }
            }
            if self.files.len() as u64 > limit {
                return Err(flawed(Flaw::ManyEntries { limit }));
            }
        }
        Ok(())
    }
}

/// As many as Linux follows.
const MOST_LINKS: usize = 40;

fn folder_of(checkout: &Checkout) -> &str {
    checkout.subfolder.as_ref().map_or("", Subfolder::as_str)
}

fn joined(folder: &str, path: &str) -> String {
    match (folder, path) {
        ("", path) => path.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, path) => format!("{folder}/{path}"),
    }
}

/// The path without `.`, `..` and empty parts; `None` where it leads out.
fn normal(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Writes what an archive holds to a folder, but notes links instead of making them.
struct Gatherer<'a> {
    unpacker: Unpacker<'a>,
    nodes: BTreeMap<String, Node>,
    top: Option<String>,
    comment: Option<String>,
}

impl Gatherer<'_> {
    fn note(&mut self, path: &str, node: Node) {
        let (top, below) = path.split_once('/').unwrap_or((path, ""));
        self.top.get_or_insert_with(|| top.to_owned());
        self.nodes.insert(below.to_owned(), node);
    }
}

impl Visitor for Gatherer<'_> {
    fn folder(&mut self, _path: &str) -> Result<(), PathError> {
        Ok(())
    }

    fn file(&mut self, path: &str, is_executable: bool) -> Result<(), PathError> {
        self.note(path, Node::File { is_executable });
        self.unpacker.file(path, is_executable)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        self.unpacker.bytes(bytes)
    }

    fn end(&mut self) -> Result<(), PathError> {
        self.unpacker.end()
    }

    fn link(&mut self, path: &str, target: &str) {
        self.note(path, Node::Link { target: target.to_owned() });
    }

    fn comment(&mut self, text: &str) {
        self.comment = Some(text.to_owned());
    }
}

/// The nodes of a folder on disk.
fn list(folder: &Path, place: &str, nodes: &mut BTreeMap<String, Node>) -> Result<(), Fault> {
    for entry in fs::sorted_entries(folder)? {
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            let flaw = Violation::of_entry(name.as_encoded_bytes(), Flaw::NotUtf8);
            return Err(Failure::Violation(flaw).into());
        };
        if LEFT_BY_TOOLS.contains(&name) {
            continue;
        }
        let shown = joined(place, name);
        let metadata = fs::metadata(&path)?;
        if metadata.is_dir() {
            list(&path, &shown, nodes)?;
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path)?.to_string_lossy().into_owned();
            nodes.insert(shown, Node::Link { target });
        } else if metadata.is_file() {
            let is_executable = metadata.permissions().mode() & 0o111 != 0;
            nodes.insert(shown, Node::File { is_executable });
        } else {
            let flaw = Violation::of_entry(shown.as_bytes(), Flaw::Kind { kind: "device, pipe or socket" });
            return Err(Failure::Violation(flaw).into());
        }
    }
    Ok(())
}
