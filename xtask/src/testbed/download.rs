//! Files of Debian's archive to verified files in the cache.
//!
//! ```text
//! downloads/<file>      complete, and its SHA-256 was the expected one
//! downloads/<file>.part where a run was interrupted
//! absent/<file>         the archive answered 404
//! ```
//!
//! What an archive does not have is remembered, so that a repository made from the same
//! cache stays the same when the archive regains or loses a file.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::sources::SourceFile;
use crate::interrupt;

/// Downloads at a time; the archive is shared with others.
const N_AT_A_TIME: usize = 6;

/// Gets what it can of `files` into `cache`; the paths are in no order.
pub fn all(mirror: &str, files: Vec<SourceFile>, cache: &Path) -> Result<()> {
    for dir in ["downloads", "absent"] {
        fs::create_dir_all(cache.join(dir))?;
    }
    let missing = files.into_iter().filter(|file| find(cache, file).is_none() && !is_absent(cache, file));
    let queue: Mutex<VecDeque<SourceFile>> = Mutex::new(missing.collect());
    let n_files = queue.lock().unwrap_or_else(PoisonError::into_inner).len();
    if n_files > 0 {
        eprintln!("testbed: {n_files} source packages to look for in Debian's archive");
    }
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = || -> Result<()> {
        while let Some(file) = next() {
            one(mirror, &file, cache)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..N_AT_A_TIME).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result,
            Err(_) => bail!("a download panicked"),
        })
    })
}

/// The file in the cache, if it was had.
pub fn find(cache: &Path, file: &SourceFile) -> Option<PathBuf> {
    Some(cache.join("downloads").join(file.file_name())).filter(|path| path.is_file())
}

fn is_absent(cache: &Path, file: &SourceFile) -> bool {
    cache.join("absent").join(file.file_name()).exists()
}

fn one(mirror: &str, file: &SourceFile, cache: &Path) -> Result<()> {
    let target = cache.join("downloads").join(file.file_name());
    if !get(&format!("{mirror}/{}", file.path), &target, &|part| verify(part, &file.sha256))? {
        fs::write(cache.join("absent").join(file.file_name()), "")?;
    }
    Ok(())
}

/// Fails unless the file has this SHA-256, in lower-case hex.
pub fn verify(part: &Path, expected: &str) -> Result<()> {
    let actual = digest_of(part)?;
    if actual != expected {
        bail!("{} has SHA-256 {actual}, expected {expected}", part.display());
    }
    Ok(())
}

/// Downloads `url` to `target` once `approve` has seen it; `false` where the
/// server has no such file.
pub fn get(url: &str, target: &Path, approve: &dyn Fn(&Path) -> Result<()>) -> Result<bool> {
    interrupt::check()?;
    let part = target.with_added_extension("part");
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--location", "--fail", "--retry", "3"])
        .args(["--connect-timeout", "20", "--max-time", "600", "--write-out", "%{http_code}"])
        .arg("--output")
        .arg(&part)
        .arg(url)
        .output()
        .context("failed to start `curl`")?;
    if output.stdout == b"404" {
        return Ok(false);
    }
    if !output.status.success() {
        bail!("failed to download {url}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    approve(&part).with_context(|| format!("failed to verify {url}"))?;
    fs::rename(&part, target)?;
    Ok(true)
}

/// SHA-256 of a file, in lower-case hex.
pub fn digest_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex::encode(hasher.finalize())),
            Ok(n_bytes) => hasher.update(&buffer[..n_bytes]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}
