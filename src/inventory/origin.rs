//! Where a package is from, told from its URL, its lockfile's record or its DESCRIPTION.
//! Pure.

use crate::lockfile::{CRAN_FAMILY, GitOrigin, Lockfile, Source};
use crate::model::{BioconductorRelease, Description, Forge};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// CRAN's packages, from whichever mirror.
    Cran,
    Bioconductor {
        release: Option<BioconductorRelease>,
    },
    /// Another repository of the same form, by its URL.
    Repository {
        url: String,
    },
    /// `host` is that of the site, such as `github.com`.
    Forge {
        forge: Forge,
        host: String,
        project: String,
        commit: Option<String>,
    },
    Git {
        url: String,
        commit: Option<String>,
    },
    /// An archive somewhere.
    Archive {
        url: String,
    },
    /// A file of the project.
    Local,
    Unknown,
}

/// Hosts that serve CRAN under names of their own.
const CRAN_HOSTS: [&str; 6] = [
    "cloud.r-project.org",
    "cran.r-project.org",
    "cran.rstudio.com",
    "cran.microsoft.com",
    "packagemanager.posit.co/cran",
    "packagemanager.rstudio.com/cran",
];

const BIOCONDUCTOR_HOST: &str = "bioconductor.org";

impl Origin {
    /// In a word or two, for people.
    pub fn shown(&self) -> String {
        match self {
            Self::Cran => "CRAN".to_owned(),
            Self::Bioconductor { release: Some(release) } => format!("Bioconductor {release}"),
            Self::Bioconductor { release: None } => "Bioconductor".to_owned(),
            Self::Repository { url } | Self::Archive { url } => url.clone(),
            Self::Forge { host, project, commit, .. } => {
                let commit = commit.as_deref().map(|commit| format!("@{}", short(commit)));
                format!("{host}/{project}{}", commit.unwrap_or_default())
            }
            Self::Git { url, commit } => {
                let commit = commit.as_deref().map(|commit| format!("@{}", short(commit)));
                format!("{url}{}", commit.unwrap_or_default())
            }
            Self::Local => "the project".to_owned(),
            Self::Unknown => "unknown".to_owned(),
        }
    }

    /// From what layr.lock or layers.json have of a package's source.
    pub(super) fn of_url(url: &str, commit: Option<&str>) -> Self {
        if let Some(url) = url.strip_prefix("git+") {
            let commit = commit.map(str::to_owned);
            return of_site(url, commit.clone()).unwrap_or_else(|| Self::Git { url: url.to_owned(), commit });
        }
        if url.starts_with("file:") {
            return Self::Local;
        }
        if let Some(repository) = repository(url) {
            return of_repository(repository);
        }
        of_forge_archive(url, commit).unwrap_or_else(|| Self::Archive { url: url.to_owned() })
    }

    /// From a lockfile's record.
    pub(super) fn of_source(source: &Source, lockfile: &Lockfile) -> Self {
        match source {
            Source::Repository { recorded, .. } => of_recorded(recorded.as_deref(), lockfile),
            Source::Bioconductor { release, .. } => {
                Self::Bioconductor { release: release.or(lockfile.bioconductor) }
            }
            Source::Forge(origin) => Self::Forge {
                forge: origin.forge,
                host: site(origin.host.as_str()),
                project: origin.project.as_str().to_owned(),
                commit: origin.commit.as_ref().map(ToString::to_string),
            },
            Source::Git(GitOrigin { url, commit, .. }) => {
                let commit = commit.as_ref().map(ToString::to_string);
                of_site(url.as_str(), commit.clone())
                    .unwrap_or_else(|| Self::Git { url: url.as_str().to_owned(), commit })
            }
            Source::Archive { url } => Self::Archive { url: url.clone() },
            Source::Local { .. } => Self::Local,
            Source::Unknown { .. } => Self::Unknown,
        }
    }

    /// From an installed package's own word: CRAN and others stamp their name on what they
    /// serve.
    pub(super) fn of_description(description: &Description) -> Self {
        let get = |field| description.record.get(field);
        match get("Repository") {
            Some(name) if CRAN_FAMILY.contains(&name) => Self::Cran,
            Some(url) if url.contains("://") => of_repository(url.trim_end_matches('/')),
            Some(_) | None => match (get("biocViews"), get("git_url")) {
                (Some(_), Some(url)) if url.contains(BIOCONDUCTOR_HOST) => {
                    let release = get("git_branch").and_then(BioconductorRelease::of_branch);
                    Self::Bioconductor { release }
                }
                (None, _) | (_, Some(_) | None) => Self::Unknown,
            },
        }
    }
}

/// Digits by which people know a commit.
fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// The repository that a source tarball's URL is of.
fn repository(url: &str) -> Option<&str> {
    url.split_once("/src/contrib/").map(|(repository, _)| repository)
}

fn of_repository(url: &str) -> Origin {
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let is_below =
        |host: &str| place.strip_prefix(host).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if CRAN_HOSTS.iter().any(|host| is_below(host)) {
        return Origin::Cran;
    }
    if is_below(BIOCONDUCTOR_HOST) {
        return Origin::Bioconductor { release: BioconductorRelease::of_url(url) };
    }
    Origin::Repository { url: url.to_owned() }
}

/// A lockfile's name for a repository, which may be one that it does not declare.
fn of_recorded(recorded: Option<&str>, lockfile: &Lockfile) -> Origin {
    let Some(recorded) = recorded else { return Origin::Cran };
    let by_name = || lockfile.repositories.iter().find(|repository| repository.name == recorded);
    match recorded {
        // A mirror of CRAN is CRAN, whatever the lockfile's `CRAN` points to.
        name if CRAN_FAMILY.contains(&name) => Origin::Cran,
        url if url.contains("://") => of_repository(url),
        _ => by_name().map_or(Origin::Unknown, |repository| of_repository(&repository.url)),
    }
}

/// The site of a forge's API.
fn site(host: &str) -> String {
    let host = host.strip_prefix("http://").unwrap_or(host);
    match host.split('/').next().unwrap_or(host) {
        "api.github.com" => "github.com",
        "api.bitbucket.org" => "bitbucket.org",
        site => site,
    }
    .to_owned()
}

/// `https://github.com/owner/name.git` and its like, on public sites.
fn of_site(url: &str, commit: Option<String>) -> Option<Origin> {
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let (host, path) = place.split_once(['/', ':'])?;
    let forge = forge_of(host)?;
    let project = path.trim_end_matches('/').trim_end_matches(".git");
    let project = project.contains('/').then(|| project.to_owned())?;
    Some(Origin::Forge { forge, host: host.to_owned(), project, commit })
}

fn forge_of(host: &str) -> Option<Forge> {
    match host {
        "github.com" => Some(Forge::GitHub),
        "gitlab.com" => Some(Forge::GitLab),
        "bitbucket.org" => Some(Forge::Bitbucket),
        _ => None,
    }
}

/// The URLs by which `resolve` asks forges for archives.
fn of_forge_archive(url: &str, commit: Option<&str>) -> Option<Origin> {
    let (host, path) = url.split_once("://")?.1.split_once('/')?;
    let named = |forge, project: &str, revision: &str| Origin::Forge {
        forge,
        host: site(host),
        project: project.replace("%2F", "/"),
        commit: Some(commit.unwrap_or(revision).to_owned()),
    };
    if let Some((project, revision)) =
        path.split_once("repos/").and_then(|(_, rest)| rest.split_once("/tarball/"))
    {
        return Some(named(Forge::GitHub, project, revision));
    }
    if let Some(rest) = path.strip_prefix("api/v4/projects/") {
        let (project, query) = rest.split_once("/repository/archive.tar.gz?sha=")?;
        return Some(named(Forge::GitLab, project, query));
    }
    let (project, revision) = match forge_of(host)? {
        Forge::GitHub => path.split_once("/archive/")?,
        Forge::Bitbucket => path.split_once("/get/")?,
        Forge::GitLab => return None,
    };
    Some(named(forge_of(host)?, project, revision.strip_suffix(".tar.gz")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_told_from_the_url_of_a_source() {
        let cases = [
            ("https://cloud.r-project.org/src/contrib/R6_2.6.1.tar.gz", "CRAN"),
            ("https://cloud.r-project.org/src/contrib/Archive/R6/R6_2.5.0.tar.gz", "CRAN"),
            ("https://packagemanager.posit.co/cran/2025-01-01/src/contrib/R6_2.6.1.tar.gz", "CRAN"),
            (
                "https://cloud.r-project.org.example/src/contrib/R6_2.6.1.tar.gz",
                "https://cloud.r-project.org.example",
            ),
            (
                "https://bioconductor.org/packages/3.20/bioc/src/contrib/limma_3.62.1.tar.gz",
                "Bioconductor 3.20",
            ),
            ("https://acme.r-universe.dev/src/contrib/own_1.0.tar.gz", "https://acme.r-universe.dev"),
            (
                "https://api.github.com/repos/r-lib/cli/tarball/0123456789abcdef",
                "github.com/r-lib/cli@0123456789ab",
            ),
            ("https://github.com/r-lib/cli/archive/0123456.tar.gz", "github.com/r-lib/cli@0123456"),
            (
                "https://gitlab.com/api/v4/projects/a%2Fb/repository/archive.tar.gz?sha=77ab",
                "gitlab.com/a/b@77ab",
            ),
            ("https://bitbucket.org/a/b/get/77ab.tar.gz", "bitbucket.org/a/b@77ab"),
            ("git+https://gitlab.com/a/b.git", "gitlab.com/a/b"),
            ("git+ssh://git@git.example.com/a/b", "ssh://git@git.example.com/a/b"),
            ("https://example.com/own_1.0.tar.gz", "https://example.com/own_1.0.tar.gz"),
            ("file:./own", "the project"),
        ];
        for (url, shown) in cases {
            assert_eq!(Origin::of_url(url, None).shown(), shown, "{url}");
        }
    }
}
