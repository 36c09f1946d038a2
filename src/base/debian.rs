//! A Debian suite's name to a root file system with R and compilers, by mmdebstrap.

use std::io::{self, Read, Write};
use std::path::Path;

use super::{Base, BaseError, BaseOptions, Recipe, Workshop, emulation, image};
use crate::model::{BaseDigest, Sha256Digest};
use crate::sys::fs;
use crate::sys::hash::DigestWriter;
use crate::sys::process::{self, Program};

/// One package a line, and comments.
const PACKAGES: &str = include_str!("../../images/debian/packages.txt");

/// Makes mmdebstrap's output the same for the same packages: 1980-01-01, the first day
/// that zips can tell.
const SOURCE_DATE_EPOCH: &str = "315532800";

pub(super) fn build(
    recipe: &Recipe,
    suite: &str,
    options: &BaseOptions,
    workshop: &Workshop<'_>,
) -> Result<Base, BaseError> {
    let store = workshop.store;
    let program =
        process::find_program("mmdebstrap", &workshop.search_path).ok_or(BaseError::NoMmdebstrap)?;
    let arch = options.arch.map_or_else(image::host_architecture, Ok)?;
    emulation::check(&recipe.to_string(), arch)?;
    let log_path = store.root().join("logs").join(format!("base-debian-{suite}.log"));
    let temp = store.temp_dir("base-")?;
    let rootfs = temp.path().join("rootfs");
    fs::create_dir_all(&rootfs)?;
    let run = mmdebstrap(&program, suite, options);
    let log = fs::create(&log_path)?;
    let digest = run
        .stream(&log, workshop.interrupt, |stream| unpack(stream, &rootfs))
        .map_err(|error| failed(&error, suite, &log_path))?;
    let (r, r_home) = image::find_r(&rootfs, &recipe.to_string())?;
    let folder = store.base_folder(BaseDigest(digest));
    if !fs::exists(&folder) {
        fs::rename(temp.path(), &folder)?;
    }
    Ok(Base {
        recipe: recipe.canonical(options),
        digest: BaseDigest(digest),
        r,
        r_home,
        arch,
        root: crate::engine::Root::Folder(folder.join("rootfs")),
        folder,
    })
}

/// What every base of this kind has.
pub(super) fn package_names() -> impl Iterator<Item = String> {
    PACKAGES.lines().filter(|line| !line.starts_with('#')).map(str::to_owned)
}

fn mmdebstrap(program: &Path, suite: &str, options: &BaseOptions) -> Program {
    let packages: Vec<String> = package_names().chain(options.include.iter().cloned()).collect();
    let mut run = Program::new(program).args([
        "--variant=minbase",
        "--format=tar",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*/*",
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
    ]);
    if let Some(arch) = options.foreign() {
        run = run.arg(format!("--architectures={}", arch.oci()));
    }
    run = run.arg(format!("--include={}", packages.join(","))).args([suite, "-"]);
    if let Some(mirror) = &options.mirror {
        run = run.arg(mirror);
    }
    run.env.push(("SOURCE_DATE_EPOCH".to_owned(), SOURCE_DATE_EPOCH.to_owned()));
    run
}

fn failed(error: &process::ProcessError, suite: &str, log: &Path) -> BaseError {
    if matches!(error, process::ProcessError::Interrupted) {
        return BaseError::Interrupted;
    }
    let mut last_lines = fs::last_lines(log, 6);
    last_lines.push(error.to_string());
    BaseError::Mmdebstrap { suite: suite.to_owned(), log: log.display().to_string(), last_lines }
}

/// Unpacks the tar stream and gives its digest: the base's name.
fn unpack(stream: &mut dyn Read, rootfs: &Path) -> io::Result<Sha256Digest> {
    let mut tee = Tee { stream, digest: DigestWriter::new(io::sink()) };
    let mut archive = tar::Archive::new(&mut tee);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(process::is_root());
    for entry in archive.entries()? {
        let mut entry = entry?;
        // Sandboxes have a /dev of their own, and only root could make these.
        let path = entry.path()?.into_owned();
        if !path.strip_prefix(".").unwrap_or(&path).starts_with("dev") {
            entry.unpack_in(rootfs)?;
        }
    }
    io::copy(&mut tee, &mut io::sink())?; // the padding behind the archive's end counts too
    Ok(tee.digest.finish()?.1)
}

struct Tee<'a> {
    stream: &'a mut dyn Read,
    digest: DigestWriter<io::Sink>,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(buffer)?;
        self.digest.write_all(&buffer[..n])?;
        Ok(n)
    }
}
