//! A target to a root file system that is just that: its libraries, taken from the base,
//! and a shell, since sandboxes start with one.

use std::collections::BTreeMap;

use crate::model::TreeDigest;
use crate::store::{Entry, EntryKind, Store};
use crate::target::{Policy, RootFs, TargetError};

/// Libraries lie in one folder; the others that loaders look into are links to it.
const LINKS: [(&str, &str); 4] =
    [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib"), ("usr/lib64", "lib")];
/// Folders that a sandbox has its own of. Not `/tmp`: docker would close its own as it finds
/// this one, to all but root.
const FOLDERS: [&str; 9] = ["build", "dev", "etc", "opt", "proc", "run", "sys", "usr/bin", "var/task"];

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n";

/// # Errors
///
/// Where the base cannot be read, or the store not be written.
pub fn root(policy: &Policy, base: &RootFs, store: &Store) -> Result<TreeDigest, TargetError> {
    let mut files: BTreeMap<String, (Vec<u8>, bool)> = BTreeMap::new();
    for name in policy.libraries.keys() {
        take(name, base, &mut files)?;
    }
    if let Some(shell) = base.find("bin/sh", &[])? {
        for name in shell.elf.needed.iter().chain(&shell.elf.interpreter) {
            take(name.rsplit('/').next().unwrap_or(name), base, &mut files)?;
        }
        files.insert("usr/bin/sh".to_owned(), (shell.bytes.clone(), true));
    }
    files.insert("etc/passwd".to_owned(), (PASSWD.into(), false));
    let mut entries = Vec::new();
    for (path, (bytes, executable)) in files {
        let (digest, n_bytes) = (store.put_bytes(&bytes)?, bytes.len() as u64);
        entries.push(Entry { path, kind: EntryKind::File { digest, n_bytes, executable } });
    }
    let link = |(path, target): (&str, &str)| Entry {
        path: path.to_owned(),
        kind: EntryKind::Symlink { target: target.to_owned() },
    };
    entries.extend(LINKS.map(link));
    entries.extend(FOLDERS.map(|path| Entry { path: path.to_owned(), kind: EntryKind::Directory }));
    Ok(store.put_tree(&entries)?)
}

/// A library of the base, if it has it. The loader is a program too.
fn take(name: &str, base: &RootFs, files: &mut BTreeMap<String, (Vec<u8>, bool)>) -> Result<(), TargetError> {
    if let Some(library) = base.find(name, &[])? {
        files.insert(format!("usr/lib/{name}"), (library.bytes.clone(), name.starts_with("ld-linux")));
    }
    Ok(())
}
