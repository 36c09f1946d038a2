//! A Debian suite's Sources.xz to the source files of its R packages.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::dcf;

/// One upstream tarball in Debian's archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// From the archive's root, e.g. `pool/main/r/r-cran-r6/r-cran-r6_2.6.1.orig.tar.gz`.
    pub path: String,
    /// Lower-case hex.
    pub sha256: String,
}

impl SourceFile {
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// From an R package's name in lower case to its tarball. Debian's own source names do
/// not serve: `Matrix` comes from `rmatrix`, `zoo` from `r-zoo`.
pub type SourceIndex = BTreeMap<String, SourceFile>;

/// Reads a compressed Sources file.
pub fn read(path: &Path) -> Result<SourceIndex> {
    let mut xz = Command::new("xz")
        .arg("-dc")
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to start `xz`")?;
    let text = xz.stdout.take().context("`xz` has no stdout")?;
    let index = parse(BufReader::new(text));
    if !xz.wait()?.success() {
        bail!("failed to decompress {}", path.display());
    }
    index
}

/// Record by record: the text is some fifty megabytes.
fn parse(mut text: impl BufRead) -> Result<SourceIndex> {
    let mut index = SourceIndex::new();
    let mut record = String::new();
    loop {
        let n_bytes = text.read_line(&mut record)?;
        if n_bytes <= 1 {
            add(&mut index, &record);
            record.clear();
        }
        if n_bytes == 0 {
            return Ok(index);
        }
    }
}

/// Adds what `record` brings. The last record of a package wins: an archive may keep an
/// older source for a while, and lists it first.
fn add(index: &mut SourceIndex, record: &str) {
    if !record.contains("r-cran-") && !record.contains("r-bioc-") {
        return;
    }
    let Some(fields) = dcf::records(record).into_iter().next() else { return };
    let get = |name: &str| fields.get(name).map_or("", String::as_str);
    let sums: Vec<&str> = get("Checksums-Sha256").split_whitespace().collect();
    let mut tarballs = sums.chunks_exact(3).filter(|file| {
        let name = file[2];
        name.ends_with(".orig.tar.gz") || name.ends_with(".orig.tar.xz")
    });
    // Several upstream tarballs, or one under another name, are put together by rules
    // of the package's own.
    let (Some(tarball), None) = (tarballs.next(), tarballs.next()) else { return };
    let file =
        SourceFile { path: format!("{}/{}", get("Directory"), tarball[2]), sha256: tarball[0].to_owned() };
    for binary in get("Binary").split([',', ' ']) {
        let name = binary.strip_prefix("r-cran-").or_else(|| binary.strip_prefix("r-bioc-"));
        if let Some(name) = name {
            index.insert(name.to_owned(), file.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: &str = "\
Package: r-zoo
Binary: r-cran-zoo
Directory: pool/main/r/r-zoo
Checksums-Sha256:
 aa 10 r-zoo_1.8-14-1.dsc
 bb 20 r-zoo_1.8-14.orig.tar.gz
 cc 30 r-zoo_1.8-14-1.debian.tar.xz

Package: two
Binary: r-cran-two
Directory: pool/main/t/two
Checksums-Sha256:
 aa 10 two_1.orig-extra.tar.gz
 bb 20 two_1.orig.tar.gz
 dd 20 two_1.orig.tar.xz

Package: bash
Binary: bash
";

    #[test]
    fn a_package_is_found_by_its_binary_name_and_only_with_one_tarball() {
        let index = parse(SOURCES.as_bytes()).unwrap();
        assert_eq!(index.keys().collect::<Vec<_>>(), ["zoo"]);
        assert_eq!(index["zoo"].path, "pool/main/r/r-zoo/r-zoo_1.8-14.orig.tar.gz");
        assert_eq!(index["zoo"].sha256, "bb");
    }
}
