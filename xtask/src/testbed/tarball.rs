//! An upstream tarball as Debian keeps it to a source package as CRAN does.
//!
//! Most of Debian's are CRAN's very files and stay as they are. What Debian has packed
//! anew (without some non-free file, or under another top folder) is packed once more,
//! always to the same bytes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use flate2::bufread::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use tar::{Archive, Builder, Entry, EntryType, Header};

use super::even_writer::EvenWriter;
use crate::dcf::{self, Record};

/// A source package in the cache: `<name>_<version>.tar.gz`.
#[derive(Debug, Clone)]
pub struct Tarball {
    pub name: String,
    pub version: String,
    pub path: PathBuf,
    pub description: Record,
}

impl Tarball {
    pub fn file_name(&self) -> String {
        format!("{}_{}.tar.gz", self.name, self.version)
    }
}

/// Makes the source package of `original` in `dir`, unless it is there from before.
pub fn normalise(original: &Path, dir: &Path) -> Result<Tarball> {
    let contents = survey(original)?;
    let mut tarball = contents.tarball(original)?;
    let path = dir.join(tarball.file_name());
    if !path.is_file() {
        fs::create_dir_all(dir)?;
        let part = path.with_added_extension("part");
        if contents.is_as_on_cran(&tarball.name) {
            fs::copy(original, &part)?;
        } else {
            repack(original, &part, &tarball.name)?;
        }
        fs::rename(&part, &path)?;
    }
    tarball.path = path;
    Ok(tarball)
}

/// The source package at `path`.
pub fn read(path: &Path) -> Result<Tarball> {
    survey(path)?.tarball(path)
}

/// What one reading tells.
struct Contents {
    is_gzip: bool,
    top_folders: BTreeSet<String>,
    has_only_files_and_folders: bool,
    description: Record,
}

impl Contents {
    fn tarball(&self, path: &Path) -> Result<Tarball> {
        let get = |field: &str| {
            let value = self.description.get(field).cloned();
            value.with_context(|| format!("{} has no DESCRIPTION with `{field}`", path.display()))
        };
        let (name, version) = (get("Package")?, get("Version")?);
        Ok(Tarball { name, version, path: path.to_path_buf(), description: self.description.clone() })
    }

    fn is_as_on_cran(&self, name: &str) -> bool {
        self.is_gzip
            && self.has_only_files_and_folders
            && self.top_folders.len() == 1
            && self.top_folders.contains(name)
    }
}

fn survey(original: &Path) -> Result<Contents> {
    let mut contents = Contents {
        is_gzip: is_gzip(original),
        top_folders: BTreeSet::new(),
        has_only_files_and_folders: true,
        description: Record::new(),
    };
    let read = each_entry(original, |entry| {
        let path = entry.path()?.into_owned();
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        contents.has_only_files_and_folders &= kind.is_file() || kind.is_dir();
        // `./name/…` is not how `R CMD build` writes, so its top folder is `.`
        if let Some(top) = path.components().next() {
            contents.top_folders.insert(top.as_os_str().to_string_lossy().into_owned());
        }
        if within_top(&path).is_some_and(|rest| rest == Path::new("DESCRIPTION")) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            contents.description = dcf::records(&dcf::decode(&bytes)).into_iter().next().unwrap_or_default();
        }
        Ok(())
    });
    read.with_context(|| format!("failed to read {}", original.display()))?;
    Ok(contents)
}

/// Writes the entries anew, in their order, below `name`.
fn repack(original: &Path, target: &Path, name: &str) -> Result<()> {
    let file = BufWriter::new(File::create(target)?);
    let gzip = GzBuilder::new().mtime(0).write(file, Compression::new(6));
    let mut builder = Builder::new(EvenWriter::new(gzip));
    each_entry(original, |entry| {
        let Some(rest) = within_top(&entry.path()?) else { return Ok(()) };
        let path = Path::new(name).join(&rest);
        let kind = entry.header().entry_type();
        if kind.is_symlink() {
            if let Some(goal) = entry.link_name()?.filter(|goal| stays_within(&rest, goal)) {
                builder.append_link(&mut header(entry, EntryType::Symlink)?, path, goal)?;
            }
        } else if kind.is_dir() {
            builder.append_data(&mut header(entry, EntryType::Directory)?, path, io::empty())?;
        } else if kind.is_file() {
            let mut header = header(entry, EntryType::Regular)?;
            header.set_size(entry.size());
            builder.append_data(&mut header, path, entry)?;
        }
        Ok(())
    })?;
    builder
        .into_inner()?
        .finish()?
        .finish()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()?;
    Ok(())
}

/// A header that says no more than a source package needs.
fn header(entry: &Entry<'_, impl Read>, kind: EntryType) -> Result<Header> {
    let original = entry.header();
    let is_executable = kind == EntryType::Directory || original.mode()? & 0o100 != 0;
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(if is_executable { 0o755 } else { 0o644 });
    header.set_mtime(original.mtime()?);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    Ok(header)
}

/// The path below the archive's top folder; `None` for that folder itself, and for a
/// path that leads elsewhere.
fn within_top(path: &Path) -> Option<PathBuf> {
    let mut parts = path.components().filter(|part| *part != Component::CurDir);
    parts.next()?;
    let rest: PathBuf = parts.collect();
    let is_plain = rest.components().all(|part| matches!(part, Component::Normal(_)));
    Some(rest).filter(|rest| is_plain && !rest.as_os_str().is_empty())
}

/// Whether a link at `path` to `goal` ends inside the folder that `path` starts from.
fn stays_within(path: &Path, goal: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    goal.components().all(|part| match part {
        Component::Normal(_) => {
            depth += 1;
            true
        }
        Component::CurDir => true,
        Component::ParentDir if depth > 0 => {
            depth -= 1;
            true
        }
        Component::ParentDir | Component::RootDir | Component::Prefix(_) => false,
    })
}

fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "gz")
}

/// A child that must have ended well once its output was read.
struct Decompressor(Child);

impl Drop for Decompressor {
    /// Where reading stopped early, `xz` would wait for ever on a full pipe.
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn each_entry(path: &Path, visit: impl FnMut(&mut Entry<'_, Box<dyn Read>>) -> Result<()>) -> Result<()> {
    if is_gzip(path) {
        let bytes = MultiGzDecoder::new(BufReader::new(File::open(path)?));
        return each_entry_of(Box::new(bytes), visit);
    }
    let xz = Command::new("xz").arg("-dc").arg(path).stdout(Stdio::piped()).spawn();
    let mut xz = Decompressor(xz.context("failed to start `xz`")?);
    each_entry_of(Box::new(xz.0.stdout.take().context("`xz` has no stdout")?), visit)?;
    let status = xz.0.wait()?;
    if !status.success() {
        bail!("`xz` ended with {status}");
    }
    Ok(())
}

fn each_entry_of(
    bytes: Box<dyn Read>,
    mut visit: impl FnMut(&mut Entry<'_, Box<dyn Read>>) -> Result<()>,
) -> Result<()> {
    let mut archive = Archive::new(bytes);
    for entry in archive.entries()? {
        visit(&mut entry?)?;
    }
    // What follows the last entry is read too: `xz` would fail on a closed pipe.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const DESCRIPTION: &str = "Package: zoo\nVersion: 1.8-14\n";

    /// An upstream tarball: folder `top`, a DESCRIPTION and a script, and links that lead
    /// to the script and out of the package.
    fn original(dir: &Path, name: &str, top: &str) -> PathBuf {
        let path = dir.join(name);
        let mut builder = Builder::new(Vec::new());
        let mut add = |name: &str, mode: u32, text: &str| {
            let mut header = Header::new_gnu();
            header.set_mode(mode);
            header.set_uid(1234);
            header.set_mtime(42);
            header.set_size(text.len() as u64);
            builder.append_data(&mut header, format!("{top}/{name}"), text.as_bytes()).unwrap();
        };
        add("DESCRIPTION", 0o664, DESCRIPTION);
        add("configure", 0o775, "#!/bin/sh\n");
        if top != "zoo" {
            for (name, goal) in [("inside", "./configure"), ("outside", "../../secret")] {
                let mut header = Header::new_gnu();
                header.set_entry_type(EntryType::Symlink);
                header.set_size(0);
                header.set_mode(0o777);
                header.set_mtime(42);
                builder.append_link(&mut header, format!("{top}/{name}"), goal).unwrap();
            }
        }
        let bytes = builder.into_inner().unwrap();
        let mut gzip = GzBuilder::new().mtime(7).write(File::create(&path).unwrap(), Compression::fast());
        gzip.write_all(&bytes).unwrap();
        gzip.finish().unwrap();
        path
    }

    fn listing(path: &Path) -> Vec<String> {
        let mut lines = Vec::new();
        each_entry(path, |entry| {
            let header = entry.header();
            let (mode, owner, time) = (header.mode()?, header.uid()?, header.mtime()?);
            lines.push(format!("{} {mode:o} {owner} {time}", entry.path()?.display()));
            Ok(())
        })
        .unwrap();
        lines
    }

    #[test]
    fn crans_own_file_is_kept_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let original = original(dir.path(), "zoo.orig.tar.gz", "zoo");
        let tarball = normalise(&original, &dir.path().join("made")).unwrap();
        assert_eq!(tarball.path, dir.path().join("made/zoo_1.8-14.tar.gz"));
        assert_eq!(fs::read(&tarball.path).unwrap(), fs::read(&original).unwrap());
    }

    #[test]
    fn another_top_folder_is_renamed_and_no_link_leads_out() {
        let dir = tempfile::tempdir().unwrap();
        for top in ["r-cran-zoo-1.8-14+dfsg", "./zoo"] {
            let original = original(dir.path(), "zoo.orig.tar.gz", top);
            let tarball = normalise(&original, &dir.path().join(format!("made from {}", top.len()))).unwrap();
            let expected = ["zoo/DESCRIPTION 644 0 42", "zoo/configure 755 0 42", "zoo/inside 755 0 42"];
            assert_eq!(listing(&tarball.path), expected, "{top}");
            assert_eq!((tarball.name.as_str(), tarball.version.as_str()), ("zoo", "1.8-14"));
        }
    }

    #[test]
    fn packing_anew_gives_the_same_bytes_whenever_it_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let original = original(dir.path(), "zoo.orig.tar.gz", "other");
        let bytes =
            |made: &str| fs::read(normalise(&original, &dir.path().join(made)).unwrap().path).unwrap();
        assert_eq!(bytes("first"), bytes("second"));
    }

    #[test]
    fn a_link_may_go_up_as_far_as_the_package_goes() {
        let cases = [
            ("src/a", "../b", true),
            ("src/a", "../../b", false),
            ("a", "/etc/passwd", false),
            ("a", "src/../../b", false),
        ];
        for (path, goal, expected) in cases {
            assert_eq!(stays_within(Path::new(path), Path::new(goal)), expected, "{path} -> {goal}");
        }
    }
}
