//! A suite's name to its list of sources, authenticated as apt does it: Debian's key
//! signs `InRelease`, which has the digest of the list, which has those of the tarballs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::download;
use crate::run;
use crate::tools::DEBIAN_KEYRING;

/// The list's path within a suite.
const LIST: &str = "main/source/Sources.xz";

/// The suite's `Sources.xz` in the cache.
pub(super) fn sources(mirror: &str, suite: &str, cache: &Path) -> Result<PathBuf> {
    let dir = cache.join("sources");
    let path = dir.join(format!("{suite}.xz"));
    if !path.is_file() {
        eprintln!("testbed: getting the list of sources of {suite}");
        fs::create_dir_all(&dir)?;
        let signed = dir.join(format!("{suite}.InRelease"));
        fetch(&format!("{mirror}/dists/{suite}/InRelease"), &signed, &|_| Ok(()))?;
        let release = verify(&signed)?;
        let digest = digest_of_list(&release).with_context(|| format!("{suite} has no {LIST}"))?;
        fetch(&format!("{mirror}/dists/{suite}/{LIST}"), &path, &|part| download::verify(part, digest))?;
    }
    Ok(path)
}

fn fetch(url: &str, path: &Path, verify: &dyn Fn(&Path) -> Result<()>) -> Result<()> {
    if !download::get(url, path, verify)? {
        bail!("{url} does not exist");
    }
    Ok(())
}

/// The signed text of `signed`, if one of Debian's keys made one of its signatures.
fn verify(signed: &Path) -> Result<String> {
    let release = signed.with_extension("Release");
    let mut command = Command::new("gpgv");
    command.args(["--status-fd", "1", "--keyring", DEBIAN_KEYRING.program, "--output"]);
    command.arg(&release).arg(signed).stdin(Stdio::null());
    if release.exists() {
        fs::remove_file(&release)?;
    }
    // The exit code also speaks of signatures by keys that are too new to be known here.
    let output = command.output().with_context(|| format!("failed to start `{}`", run::shown(&command)))?;
    if !is_signed(&String::from_utf8_lossy(&output.stdout)) {
        bail!(
            "{} has no signature of Debian's archive: {}",
            signed.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(fs::read_to_string(release)?)
}

fn is_signed(status: &str) -> bool {
    let says = |word: &str| status.lines().any(|line| line.split(' ').nth(1) == Some(word));
    says("VALIDSIG") && !says("BADSIG")
}

/// SHA-256 of the list, as the release has it below its `SHA256:`.
fn digest_of_list(release: &str) -> Option<&str> {
    let sums = release.lines().skip_while(|line| *line != "SHA256:").skip(1);
    sums.take_while(|line| line.starts_with(' ')).find_map(|line| {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [digest, _bytes, LIST] => Some(digest),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_one_of_the_right_kind_and_file() {
        let release = "\
MD5Sum:
 m1 10 main/source/Sources.xz
SHA256:
 s1 20 main/source/Sources.gz
 s2 10 main/source/Sources.xz
";
        assert_eq!(digest_of_list(release), Some("s2"));
        assert_eq!(digest_of_list("MD5Sum:\n m1 10 main/source/Sources.xz\n"), None);
    }

    #[test]
    fn one_known_key_is_enough_but_a_bad_signature_is_none() {
        let cases = [
            ("[GNUPG:] VALIDSIG 4CB5 2026\n", true),
            ("[GNUPG:] NO_PUBKEY 762F\n[GNUPG:] VALIDSIG 4CB5 2026\n", true),
            ("[GNUPG:] NO_PUBKEY 762F\n", false),
            ("[GNUPG:] BADSIG 4CB5\n[GNUPG:] VALIDSIG 4CB5 2026\n", false),
        ];
        for (status, expected) in cases {
            assert_eq!(is_signed(status), expected, "{status}");
        }
    }
}
