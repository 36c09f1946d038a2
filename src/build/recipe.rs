//! What a build consists of, whatever package it is: the sandbox's environment, its paths,
//! R's arguments. Pure; all of it is part of the build key.

use crate::model::{PackageName, Sha256Digest};
use crate::sys::hash::sha256;

/// Where the source lies inside: paths get into the bytes of shared libraries.
pub(super) const SOURCES: &str = "/build/src";
/// The library that packages are installed to and loaded from, as it will be on Lambda:
/// each namespace remembers its path.
pub(super) const LIBRARY: &str = "/opt/R/library";
/// Where [`FILES`] are.
pub(super) const FOLDER: &str = "/build/recipe";
pub(super) const TOKENS: &str = "/build/tokens";

const SCRIPT: &str = include_str!("install.sh");

/// What R and make read, by name.
pub(super) const FILES: [(&str, &str); 2] =
    [("install.R", include_str!("install.R")), ("Makevars", include_str!("Makevars"))];

/// `--built-timestamp=` leaves the time out of DESCRIPTION. Help is dropped since it holds
/// the sources' times, and nobody reads it on Lambda. Loading is tested when a function's
/// packages are all there.
const FLAGS: [&str; 12] = [
    "--built-timestamp=",
    "--strip",
    "--strip-lib",
    "--no-help",
    "--no-docs",
    "--no-html",
    "--no-demo",
    "--no-multiarch",
    "--no-test-load",
    "--no-lock",
    "--without-keep.source",
    "--library=/opt/R/library",
];

/// Folders of an installed package that are for reading, not for running: the installer
/// has no flag that leaves all of them out.
pub(super) const FOR_READERS: [&str; 3] = ["doc", "help", "html"];

/// The sandbox's whole environment. R stores the locale in every file it writes, and the
/// compiler reads the epoch where a source asks for today's date.
pub(super) fn environment(r_home: &str) -> Vec<(String, String)> {
    let path = format!("{r_home}/bin:/usr/local/bin:/usr/bin:/bin");
    let pairs = [
        ("PATH", path.as_str()),
        ("R_HOME", r_home),
        ("HOME", "/tmp"),
        ("TMPDIR", "/tmp"),
        ("USER", "nobody"),
        ("LOGNAME", "nobody"),
        ("LC_ALL", "C.UTF-8"),
        ("LANG", "C.UTF-8"),
        ("LC_COLLATE", "C"),
        ("TZ", "UTC"),
        ("SOURCE_DATE_EPOCH", "315532800"),
        ("R_LIBS", LIBRARY),
        ("R_LIBS_USER", "NULL"),
        ("R_ENVIRON_USER", "/build/none"),
        ("R_PROFILE", "/build/none"),
        ("R_PROFILE_USER", "/build/none"),
        ("R_MAKEVARS_SITE", "/build/recipe/Makevars"),
        ("R_MAKEVARS_USER", "/build/none"),
        ("OMP_NUM_THREADS", "1"),
        // Collecting garbage later takes a fifth off R's time.
        ("R_NSIZE", "3M"),
        ("R_VSIZE", "128M"),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

pub(super) fn command(package: &PackageName) -> Vec<String> {
    let script = ["/bin/sh", "-c", SCRIPT, "sh"].map(str::to_owned);
    let flags = FLAGS.map(str::to_owned);
    script.into_iter().chain(flags).chain([format!("{SOURCES}/{package}")]).collect()
}

/// The same on a farm. A worker gives no standard input, whose end would be taken for our
/// death: a pipe that nobody else has stands in for it. What a worker runs in is the root
/// of the file system itself, and its folders are where they are in a sandbox.
pub(super) fn command_of_farm(package: &PackageName) -> Vec<String> {
    const WITH_LEASH: &str =
        "mkfifo /tmp/leash && exec 3<>/tmp/leash && cd /build/src && exec \"$@\" <&3 3>&-";
    let script = ["/bin/sh", "-c", WITH_LEASH, "sh"].map(str::to_owned);
    script.into_iter().chain(command(package)).collect()
}

/// Digest over the recipe: another recipe, other build keys.
pub(super) fn digest(r_home: &str) -> Sha256Digest {
    let lists = [FLAGS.join("\0"), FOR_READERS.join("\0"), FILES.map(|(_, text)| text).join("\0")];
    let mut text = format!("{SCRIPT}\0{SOURCES}\0{}", lists.join("\0\0"));
    for (name, value) in environment(r_home) {
        text.push_str(&format!("\0{name}={value}"));
    }
    sha256(text.as_bytes())
}
