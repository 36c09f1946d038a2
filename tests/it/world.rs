//! What stories are told in: a home of their own, a repository on loopback, and the
//! program itself. All is reached through settings that users have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use xtask::serve::Server;

/// A temporary home with a project, a store and a repository.
pub(crate) struct World {
    home: TempDir,
    pub(crate) server: Server,
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for folder in ["project", "repository/src/contrib/Archive", "tmp"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let server = Server::start(home.path().join("repository")).unwrap();
        let world = Self { home, server };
        world.index("");
        world
    }

    /// A world whose repository is the testbed with real packages.
    pub(crate) fn with_repository(folder: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        for folder in ["project", "tmp"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        Self { home, server: Server::start(folder.to_owned()).unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Replaces the repository's index.
    pub(crate) fn index(&self, text: &str) {
        self.write("repository/src/contrib/PACKAGES", text);
        self.write("repository/src/contrib/PACKAGES.gz", gzip(text.as_bytes()));
    }

    /// Puts a package into the repository and its index.
    pub(crate) fn publish(&self, package: &SourcePackage) {
        let (name, version) = (&package.name, &package.version);
        self.write(&format!("repository/src/contrib/{name}_{version}.tar.gz"), package.tarball());
        let index = self.read("repository/src/contrib/PACKAGES");
        self.index(&format!("{index}Package: {name}\nVersion: {version}\n\n"));
    }

    /// A renv.lock that locks these packages to version 1.0 of the repository.
    pub(crate) fn lock(&self, packages: &[&str]) {
        self.write("project/renv.lock", renv_lock("4.5.0", packages));
    }

    /// `layr …` in the project's folder, with the repository in CRAN's place.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_layr"));
        command.current_dir(self.path("project")).args(args).env_clear();
        let reads_lockfiles = ["build", "plan", "check", "why", "vendor", "invoke", "verify"];
        if args.first().is_some_and(|first| reads_lockfiles.contains(first)) {
            command.args(["--repository", &format!("CRAN={}", self.server.url())]);
        }
        for name in ["PATH", "DOCKER_HOST"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("HOME", self.home.path()).env("LAYR_CACHE_DIR", self.path("store"));
        command.env("LAYR_HTTP_TIMEOUT", "1").env("LAYR_HTTP_RETRIES", "1");
        // Most stories are of something else, and each would make a runtime layer for it.
        command.env("LAYR_NO_LOAD_TEST", "1");
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn layr(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    /// `layr build` with the real base, by bwrap; `None`, said aloud, where there is no base.
    pub(crate) fn build(&self, args: &[&str]) -> Option<Ran> {
        self.build_command(args).map(|mut command| ran(&mut command))
    }

    pub(crate) fn build_command(&self, args: &[&str]) -> Option<Command> {
        let base = base()?;
        let mut all = vec!["build", "--base", base.to_str().unwrap(), "--engine", "bwrap"];
        all.extend(args);
        Some(self.command(&all))
    }

    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

pub(crate) fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// Holds that it failed with `code`, and said all of `parts` and a hint.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in {}", self.stderr);
        }
        assert!(self.stderr.contains("\nhint: "), "no hint in {}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }

    /// Holds that a check found all of `parts`, and ended with the code of the first.
    #[track_caller]
    pub(crate) fn problem(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        for part in parts {
            assert!(self.stdout.contains(part), "{part:?} is not in {}", self.stdout);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }

    /// Holds that it ended with `code`, and said why, without advice.
    #[track_caller]
    pub(crate) fn ended(&self, code: i32, why: &str) {
        assert_eq!((self.code, self.stderr.contains(why)), (code, true), "{self:#?}");
    }

    #[track_caller]
    pub(crate) fn succeeded(&self) -> &Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// The base that `cargo xtask test` made.
pub(crate) fn base() -> Option<PathBuf> {
    from_environment("LAYR_TEST_BASE")
}

/// The repository of real packages that `cargo xtask test` made.
pub(crate) fn repository() -> Option<PathBuf> {
    from_environment("LAYR_TEST_REPOSITORY")
}

pub(crate) fn from_environment(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os(name).map(PathBuf::from);
    if path.is_none() {
        eprintln!("SKIPPED: {name} is not set; `cargo xtask test` sets it");
    }
    path
}

/// The source of an R package, made in the test that needs it.
pub(crate) struct SourcePackage {
    pub(crate) name: String,
    pub(crate) version: String,
    files: Vec<(String, Vec<u8>)>,
}

impl SourcePackage {
    /// A package of one R function that imports others.
    pub(crate) fn new(name: &str, imports: &[&str]) -> Self {
        let mut description = format!("Package: {name}\nVersion: 1.0\nTitle: Test\nLicense: MIT\n");
        if !imports.is_empty() {
            description.push_str(&format!("Imports: {}\n", imports.join(", ")));
        }
        let namespace: String = imports.iter().map(|import| format!("import({import})\n")).collect();
        let package = Self { name: name.to_owned(), version: "1.0".to_owned(), files: Vec::new() };
        package
            .file("DESCRIPTION", &description)
            .file("NAMESPACE", format!("{namespace}export(f_{name})\n"))
            .file("R/code.R", format!("f_{name} <- function(x) x + 1\n"))
    }

    /// Adds a file, or replaces it.
    pub(crate) fn file(mut self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.files.retain(|(other, _)| other != path);
        self.files.push((path.to_owned(), text.as_ref().to_vec()));
        self
    }

    pub(crate) fn tarball(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in &self.files {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(bytes.len() as u64);
            header.set_mode(if path == "configure" { 0o755 } else { 0o644 });
            builder.append_data(&mut header, format!("{}/{path}", self.name), bytes.as_slice()).unwrap();
        }
        gzip(&builder.into_inner().unwrap())
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that no compressor makes smaller, the same in every run.
pub(crate) fn noise(n_bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(n_bytes).collect()
}

/// `packages` are names, or `name version`.
pub(crate) fn renv_lock(r: &str, packages: &[&str]) -> String {
    let records = packages.iter().map(|package| {
        let (name, version) = package.split_once(' ').unwrap_or((package, "1.0"));
        format!(
            r#"    "{name}": {{ "Package": "{name}", "Version": "{version}", "Source": "Repository", "Repository": "CRAN" }}"#
        )
    });
    let records: Vec<_> = records.collect();
    format!(
        "{{\n  \"R\": {{\n    \"Version\": \"{r}\",\n    \"Repositories\": [ {{ \"Name\": \"CRAN\", \"URL\": \"https://cloud.r-project.org\" }} ]\n  }},\n  \"Packages\": {{\n{}\n  }}\n}}\n",
        records.join(",\n")
    )
}

/// The zips in a folder, by name, with their bytes.
pub(crate) fn zips(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "zip"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    found.sort();
    found
}
