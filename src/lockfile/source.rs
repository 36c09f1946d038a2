//! Where a package was installed from, as every lockfile's own words come to it.

use crate::model::{BioconductorRelease, CommitId, Forge, ForgeHost, GitUrl, ProjectPath, Subfolder};

/// Where a package was installed from. A new kind asks every stage what to do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A CRAN-like repository.
    Repository {
        /// The name or URL that the lockfile has for it. A name is often none that the
        /// lockfile declares: it is what the repository calls itself.
        recorded: Option<String>,
        /// What the repository built it from, which r-universe records: that version is
        /// still there when the repository has a newer one.
        origin: Option<GitOrigin>,
    },
    Bioconductor {
        /// What the package's own record says; see also [`Lockfile::bioconductor`](super::Lockfile).
        release: Option<BioconductorRelease>,
        /// Bioconductor's own git. The commit is mostly an abbreviation of seven digits.
        origin: Option<GitOrigin>,
    },
    Forge(ForgeOrigin),
    Git(GitOrigin),
    /// A source tarball, or another archive, at a URL.
    Archive {
        url: String,
    },
    /// A folder or a tarball on the machine that wrote the lockfile, absolute, below `~`, or
    /// relative to the project. `None` where the lockfile does not say: then it can only be
    /// in the project's own store (`packrat/src`, `renv/cellar`).
    Local {
        path: Option<String>,
    },
    /// The manager did not know either, or has a word for it that we do not know.
    Unknown {
        kind: String,
    },
}

/// A place in any git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitOrigin {
    pub url: GitUrl,
    /// Branch or tag, where there is no commit or besides it.
    pub reference: Option<String>,
    pub commit: Option<CommitId>,
    pub subfolder: Option<Subfolder>,
    /// Whether the manager that wrote the lockfile checks out submodules too.
    pub with_submodules: bool,
}

/// A place in a repository whose server gives archives of commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgeOrigin {
    pub forge: Forge,
    pub host: ForgeHost,
    pub project: ProjectPath,
    /// Branch or tag, where there is no commit or besides it.
    pub reference: Option<String>,
    pub commit: Option<CommitId>,
    pub subfolder: Option<Subfolder>,
}
