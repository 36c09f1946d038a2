//! A download under way, that a later run can go on with.
//!
//! ```text
//! <store>/tmp/partial-<key>         the bytes so far
//! <store>/tmp/partial-<key>.etag    the server's name for the whole they are part of
//! ```
//!
//! The name is written before the first byte and gone before the file is emptied, so the
//! bytes always belong to the name. Without a name nothing is resumed.

use std::fs::File;
use std::path::PathBuf;

use super::resume::{ContentRange, strong_etag};
use crate::sys::fs::{self, PathError};

/// Where the two files are. Whoever has one holds the lock of its URL.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    tag_path: PathBuf,
}

/// What to ask a server for: all bytes from here on, if they are still of the same whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resume {
    pub(super) from: u64,
    pub(super) etag: String,
}

impl Resume {
    /// Whether a part begins where we have to go on, in the same whole.
    pub(super) fn goes_on_with(&self, etag: Option<&str>, range: Option<ContentRange>) -> bool {
        let is_same = etag.is_none_or(|etag| etag == self.etag);
        is_same && range.is_some_and(|range| range.first == self.from)
    }
}

impl Partial {
    pub(super) fn new(path: PathBuf) -> Self {
        let mut tag_path = path.clone().into_os_string();
        tag_path.push(".etag");
        Self { path, tag_path: tag_path.into() }
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Where to go on; `None` to begin anew.
    pub(super) fn resume(&self) -> Result<Option<Resume>, PathError> {
        let Some(from) = fs::file_size(&self.path).filter(|n_bytes| *n_bytes > 0) else { return Ok(None) };
        let tag = fs::read_if_there(&self.tag_path)?.and_then(|bytes| String::from_utf8(bytes).ok());
        let etag = tag.as_deref().and_then(strong_etag);
        Ok(etag.map(|etag| Resume { from, etag: etag.to_owned() }))
    }

    /// The file, to be added to.
    pub(super) fn append(&self) -> Result<File, PathError> {
        fs::append(&self.path)
    }

    /// The file, empty. `etag` names what is going to be in it.
    pub(super) fn restart(&self, etag: Option<&str>) -> Result<File, PathError> {
        self.forget_tag()?;
        let file = fs::create(&self.path)?;
        if let Some(etag) = etag.and_then(strong_etag) {
            fs::write_atomic(&self.tag_path, etag.as_bytes())?;
        }
        Ok(file)
    }

    /// Nothing of it is of use any more.
    pub(super) fn discard(&self) -> Result<(), PathError> {
        self.forget_tag()?;
        if fs::exists(&self.path) { fs::remove_file(&self.path) } else { Ok(()) }
    }

    /// The complete file, gone when dropped unless it is kept.
    pub(super) fn complete(self) -> Result<tempfile::NamedTempFile, PathError> {
        self.forget_tag()?;
        let file = fs::open(&self.path)?;
        let path = tempfile::TempPath::try_from_path(&self.path).map_err(fs::at("open", &self.path))?;
        Ok(tempfile::NamedTempFile::from_parts(file, path))
    }

    fn forget_tag(&self) -> Result<(), PathError> {
        if fs::exists(&self.tag_path) { fs::remove_file(&self.tag_path) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_the_rest_of_the_same_file_goes_on() {
        let resume = Resume { from: 5, etag: "\"v1\"".to_owned() };
        let from = |first| Some(ContentRange { first, end: 10, total: Some(10) });
        let cases = [
            (Some("\"v1\""), from(5), true),
            (None, from(5), true), // `If-Range` has been obeyed, or there were no part
            (Some("\"v2\""), from(5), false),
            (Some("\"v1\""), from(4), false),
            (Some("\"v1\""), None, false),
        ];
        for (etag, range, goes_on) in cases {
            assert_eq!(resume.goes_on_with(etag, range), goes_on, "{etag:?} {range:?}");
        }
    }

    #[test]
    fn bytes_are_resumed_under_their_own_tag_or_not_at_all() {
        let home = tempfile::tempdir().unwrap();
        let partial = Partial::new(home.path().join("partial-1"));
        let resumed = |etag| {
            partial.restart(etag).unwrap().write_all(b"12345").unwrap();
            partial.resume().unwrap()
        };
        assert_eq!(resumed(Some("\"v1\"")), Some(Resume { from: 5, etag: "\"v1\"".to_owned() }));
        assert_eq!(resumed(None), None, "the tag of the bytes before is forgotten");
        resumed(Some("\"v1\""));
        assert_eq!(resumed(Some("W/\"v2\"")), None);
        resumed(Some("\"v1\""));
        partial.discard().unwrap();
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
