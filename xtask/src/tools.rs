//! Names of programs that a task needs, to programs that are there.
//!
//! What is missing is said before anything is installed, and without root, or off
//! Debian, the task goes on with what there is.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::run;

/// A program, and the Debian packages that may bring it: the first that the system
/// knows is taken, since some were split between releases.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    pub program: &'static str,
    pub packages: &'static [&'static str],
}

pub const CURL: Tool = Tool { program: "curl", packages: &["curl"] };
pub const XZ: Tool = Tool { program: "xz", packages: &["xz-utils"] };
pub const GPGV: Tool = Tool { program: "gpgv", packages: &["gpgv"] };
/// Not a program, but found and installed like one.
pub const DEBIAN_KEYRING: Tool =
    Tool { program: "/usr/share/keyrings/debian-archive-keyring.gpg", packages: &["debian-archive-keyring"] };
pub const UNZIP: Tool = Tool { program: "unzip", packages: &["unzip"] };
pub const MMDEBSTRAP: Tool = Tool { program: "mmdebstrap", packages: &["mmdebstrap"] };
pub const BWRAP: Tool = Tool { program: "bwrap", packages: &["bubblewrap"] };
pub const DOCKER: Tool = Tool { program: "docker", packages: &["docker-cli", "docker.io"] };
pub const DOCKERD: Tool = Tool { program: "dockerd", packages: &["docker.io"] };
pub const PIP: Tool = Tool { program: "pip3", packages: &["python3-pip"] };

/// Serves repositories, in the tests of sources; layr itself runs it too.
pub const GIT: Tool = Tool { program: "git", packages: &["git"] };
/// A company's proxy, in the tests of credentials.
pub const TINYPROXY: Tool = Tool { program: "tinyproxy", packages: &["tinyproxy-bin"] };
/// A company's certificate authority, and a server with such a certificate.
pub const OPENSSL: Tool = Tool { program: "openssl", packages: &["openssl"] };
/// A cache of plain files, in the tests of caches that machines share.
pub const NGINX: Tool = Tool { program: "nginx", packages: &["nginx-light"] };
pub const PYTHON: Tool = Tool { program: "python3", packages: &["python3-venv"] };
pub const NPM: Tool = Tool { program: "npm", packages: &["npm"] };

/// Shows reports.
pub const CHROMIUM: Tool = Tool { program: "chromium", packages: &["chromium"] };

/// Makes a base of RPM packages; it comes with `rpm` itself.
pub const RPMBUILD: Tool = Tool { program: "rpmbuild", packages: &["rpm"] };

/// What CI runs of ours, held against its rules.
pub const SHELLCHECK: Tool = Tool { program: "shellcheck", packages: &["shellcheck"] };

/// What the scripts that hand jobs over read and write JSON with.
pub const JQ: Tool = Tool { program: "jq", packages: &["jq"] };

/// Hands jobs to Kubernetes.
pub const KUBECTL: Tool = Tool { program: "kubectl", packages: &["kubernetes-client"] };

/// For the ELF files of arm64 that tests read and edit.
pub const ARM64_COMPILER: Tool =
    Tool { program: "aarch64-linux-gnu-gcc", packages: &["gcc-aarch64-linux-gnu"] };

/// A scheduler of jobs, with what vouches for its users.
pub const FOR_JOBS: &[Tool] = &[
    Tool { program: "munged", packages: &["munge"] },
    Tool { program: "slurmctld", packages: &["slurmctld"] },
    Tool { program: "slurmd", packages: &["slurmd"] },
    Tool { program: "sbatch", packages: &["slurm-client"] },
];

/// What the tests of publishing need besides.
pub const FOR_PEERS: &[Tool] = &[PYTHON, NPM];
/// What the testbed needs.
pub const FOR_TESTBED: &[Tool] = &[CURL, XZ, GPGV, DEBIAN_KEYRING];
/// What building and loading layers needs besides.
pub const FOR_BUILDS: &[Tool] = &[CURL, XZ, GPGV, DEBIAN_KEYRING, UNZIP, MMDEBSTRAP, BWRAP, DOCKER, DOCKERD];
/// What the tests need on top of that.
pub const FOR_TESTS: &[Tool] =
    &[GIT, TINYPROXY, OPENSSL, SHELLCHECK, JQ, KUBECTL, NGINX, CHROMIUM, RPMBUILD, ARM64_COMPILER];

/// Sees to it that `tools` are there, as far as it may.
pub fn provide(tools: &[Tool]) -> Result<()> {
    let missing: Vec<Tool> = tools.iter().copied().filter(|tool| find(tool.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.program).collect();
    let names = names.join(", ");
    if find("apt-get").is_none() {
        eprintln!("cargo xtask needs {names}: please install them; going on without");
        return Ok(());
    }
    if !is_root() {
        let packages = missing.iter().filter_map(|tool| tool.packages.last().copied()).collect();
        let packages = without_repeats(packages).join(" ");
        eprintln!(
            "cargo xtask needs {names}: going on without, install them with\n  sudo apt-get install {packages}"
        );
        return Ok(());
    }
    eprintln!("cargo xtask needs {names}: installing them with apt-get");
    run::check(Command::new("apt-get").args(["-qq", "update"]))?;
    let packages = without_repeats(missing.iter().filter_map(known_package).collect());
    eprintln!("apt-get install {}", packages.join(" "));
    run::check(
        Command::new("apt-get")
            .args(["-qq", "-y", "--no-install-recommends", "install"])
            .args(&packages)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

/// The program's path. Daemons lie in `sbin`, which not every `PATH` holds.
pub fn find(program: &str) -> Option<PathBuf> {
    if program.starts_with('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    dirs.map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// Whether this process may install packages and start a daemon.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    Path::new("/proc/self").metadata().is_ok_and(|entry| entry.uid() == 0)
}

fn known_package(tool: &Tool) -> Option<&'static str> {
    let known = |name: &&&str| run::succeeds(Command::new("apt-cache").args(["show", **name]));
    tool.packages.iter().find(known).copied()
}

fn without_repeats(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names.dedup();
    names
}
