//! The other ways from a lockfile to installed packages, run in the very base that layr
//! builds in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::measure::{Measured, measure};
use crate::dcf;
use crate::run;
use crate::sandbox::{self, Network};

/// What every run shares.
pub(super) struct Ground<'a> {
    pub(super) rootfs: &'a Path,
    /// Serves the locked versions as the current ones.
    pub(super) repository_url: &'a str,
    pub(super) lockfile: &'a Path,
    pub(super) locked: &'a BTreeMap<String, String>,
    /// A folder for libraries and caches; `/build` inside.
    pub(super) work: &'a Path,
}

const INSTALL: &str = r"
words <- commandArgs(trailingOnly = TRUE)
install.packages(words[-(1:2)], lib = words[2], repos = c(CRAN = words[1]), Ncpus = 2, quiet = TRUE)
";

const RESTORE: &str = r#"
words <- commandArgs(trailingOnly = TRUE)
loadNamespace("renv", lib.loc = "/build/renv")
renv::restore(project = "/build/project", lockfile = "/build/project/renv.lock", library = words[2],
              repos = c(CRAN = words[1]), prompt = FALSE)
"#;

impl Ground<'_> {
    /// `install.packages()` of all locked packages into an empty library.
    pub(super) fn install_packages(&self) -> Result<Measured> {
        let library = self.empty("library")?;
        let mut command = self.r(INSTALL, "/build/library")?;
        command.args(self.locked.keys());
        let measured = measure(&mut command)?;
        self.check(&library)?;
        Ok(measured)
    }

    /// What `renv` needs once: itself, and a project.
    pub(super) fn prepare_renv(&self) -> Result<()> {
        self.empty("renv")?;
        run::check(self.r(INSTALL, "/build/renv")?.arg("renv"))?;
        let project = self.empty("project")?;
        fs::copy(self.lockfile, project.join("renv.lock"))?;
        Ok(())
    }

    /// `renv::restore()` with an empty library and an empty cache.
    pub(super) fn restore_cold(&self) -> Result<Measured> {
        self.empty("renv-root")?;
        self.restore_warm()
    }

    /// The same with the cache as the last run left it.
    pub(super) fn restore_warm(&self) -> Result<Measured> {
        let library = self.empty("restored")?;
        let measured = measure(&mut self.r(RESTORE, "/build/restored")?)?;
        self.check(&library)?;
        Ok(measured)
    }

    /// R on `script` with the repository and `library` for its first words.
    fn r(&self, script: &str, library: &str) -> Result<Command> {
        let mut command = sandbox::command(self.rootfs, Network::Host)?;
        // Without a process between, what R takes is counted as ours.
        command.arg("--as-pid-1").arg("--bind").arg(self.work).arg("/build");
        sandbox::set(&mut command, "R_LIBS", library);
        sandbox::set(&mut command, "R_LIBS_SITE", "/nonexistent");
        sandbox::set(&mut command, "R_LIBS_USER", "/nonexistent");
        sandbox::set(&mut command, "RENV_PATHS_ROOT", "/build/renv-root");
        // The mirror that renv would ask for binaries cannot be reached, and is no rival.
        sandbox::set(&mut command, "RENV_CONFIG_PPM_ENABLED", "FALSE");
        command.args(["Rscript", "--vanilla", "-e", script, self.repository_url, library]);
        Ok(command)
    }

    fn empty(&self, name: &str) -> Result<PathBuf> {
        let dir = self.work.join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// `install.packages()` does not fail where a package does, so the result is looked at.
    fn check(&self, library: &Path) -> Result<()> {
        for (name, locked) in self.locked {
            let path = library.join(name).join("DESCRIPTION");
            let bytes = fs::read(&path).with_context(|| format!("`{name}` was not installed"))?;
            let description = dcf::records(&dcf::decode(&bytes)).into_iter().next().unwrap_or_default();
            if description.get("Version") != Some(locked) {
                bail!("`{name}` is {:?} in the library, locked is {locked}", description.get("Version"));
            }
        }
        Ok(())
    }
}
