//! A folder to whether anything in it has changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::sys::fs::{self, PathError};

/// What is known of each file: enough to see that an editor has written it.
type Seen = BTreeMap<PathBuf, (SystemTime, u64)>;

/// A folder, and what was in it when it was last looked at.
#[derive(Debug)]
pub struct Watch {
    folder: PathBuf,
    seen: Seen,
}

impl Watch {
    pub fn new(folder: &Path) -> Result<Self, PathError> {
        Ok(Self { folder: folder.to_owned(), seen: look(folder)? })
    }

    /// Whether there is anything new since the last time. A folder that cannot be read, say
    /// since it is being replaced, has not changed yet.
    pub fn has_changed(&mut self) -> bool {
        let Ok(seen) = look(&self.folder) else { return false };
        let has_changed = seen != self.seen;
        self.seen = seen;
        has_changed
    }
}

fn look(folder: &Path) -> Result<Seen, PathError> {
    let mut seen = Seen::new();
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::sorted_entries(&folder)? {
            let path = entry.path();
            let metadata = fs::metadata(&path)?;
            if metadata.is_dir() {
                left.push(path);
            } else {
                let modified = metadata.modified().map_err(fs::at("look at", &path))?;
                seen.insert(path, (modified, metadata.len()));
            }
        }
    }
    Ok(seen)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests set the scene on the disk")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_added_or_removed_is_seen_once() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("deep/a.R");
        std::fs::create_dir(home.path().join("deep")).unwrap();
        let mut watch = Watch::new(home.path()).unwrap();
        for change in ["f <- 1", "f <- 12"] {
            std::fs::write(&file, change).unwrap();
            assert!(watch.has_changed() && !watch.has_changed(), "{change}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(watch.has_changed());
    }
}
