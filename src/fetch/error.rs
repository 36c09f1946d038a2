//! What can go wrong with fetching, and what to do about it.

use std::fmt::Write as _;

use super::{Failure, Violation};
use crate::model::{PackageId, RVersion};
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("failed to fetch `{package}`{}", listed(.tried))]
    NotFetched {
        package: PackageId,
        /// In the order in which they were tried.
        tried: Vec<Tried>,
        /// The newest version that any repository has.
        newest: Option<RVersion>,
    },
    #[error("`{package}` is not in the store, and the network may not be used")]
    Offline { package: PackageId },
    #[error("the source tarball of `{package}` is refused: {violation}")]
    Refused { package: PackageId, violation: Violation },
    #[error("the functions lock `{package}` to two different sources, and a repository holds one")]
    TwoSources { package: PackageId },
    #[error("the source tarball of `{package}` cannot be listed: it {detail}")]
    Unlisted { package: PackageId, detail: String },
    #[error("`{}` is there already", .path.display())]
    NotFresh { path: std::path::PathBuf },
    #[error("failed to fetch `{url}`: {failure}")]
    NotThere { url: String, failure: Failure },
    #[error("failed to set up the network client: {detail}")]
    Client { detail: String },
    #[error(transparent)]
    Store(StoreError),
    #[error("interrupted")]
    Interrupted,
}

/// A URL and what it answered.
#[derive(Debug)]
pub struct Tried {
    /// Without a password.
    pub url: String,
    pub failure: Failure,
}

fn listed(tried: &[Tried]) -> String {
    let mut text = String::new();
    for Tried { url, failure } in tried {
        _ = write!(text, "\n  {url}: {failure}");
    }
    text
}

impl From<StoreError> for FetchError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Interrupted) { Self::Interrupted } else { Self::Store(error) }
    }
}

impl FetchError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFetched { package, tried, newest } => hint_for(package, tried, newest.as_ref()),
            Self::Offline { .. } => {
                Some("run once without `--offline`: the store keeps what is fetched".to_owned())
            }
            Self::Refused { package, .. } => Some(format!(
                "do not install `{package}` by other means either, until you know who made that file"
            )),
            Self::NotThere { failure: Failure::Offline, .. } => Some("run without `--offline`".to_owned()),
            Self::NotThere { .. } => {
                Some("check the address, the network and its proxy variables".to_owned())
            }
            Self::TwoSources { .. } => Some("vendor the functions into folders of their own".to_owned()),
            Self::NotFresh { .. } | Self::Unlisted { .. } | Self::Interrupted => None,
            Self::Client { .. } => {
                Some("check SSL_CERT_FILE and the proxy variables of the environment".to_owned())
            }
            Self::Store(error) => error.hint(),
        }
    }
}

/// The one hint that helps most: what is dangerous first, what is only missing last.
fn hint_for(package: &PackageId, tried: &[Tried], newest: Option<&RVersion>) -> Option<String> {
    let any = |is: fn(&Failure) -> bool| tried.iter().any(|tried| is(&tried.failure));
    if any(|failure| matches!(failure, Failure::WrongSha256 { .. })) {
        return Some(format!(
            "the file is not the one that was locked: find out why; if it is right, remove `{}` from layr.lock",
            package.name
        ));
    }
    if any(|failure| matches!(failure, Failure::WrongMd5 { .. })) {
        return Some(
            "the mirror may be out of step with its own index: try again later, or another one".to_owned(),
        );
    }
    if any(|failure| matches!(failure, Failure::Binary)) {
        return Some("name a repository of sources in the lockfile, not of binary packages".to_owned());
    }
    if let Some(hint) = tried.iter().find_map(|tried| hint_for_git(package, &tried.failure)) {
        return Some(hint);
    }
    if any(|failure| matches!(failure, Failure::Status { status: 401 | 403 | 407, .. })) {
        return Some("check the name and password for that repository or proxy".to_owned());
    }
    if any(|failure| matches!(failure, Failure::NotGzip { .. })) {
        return Some("open that URL in a browser: a proxy or a login page may be in the way".to_owned());
    }
    if any(|failure| matches!(failure, Failure::Tls { .. })) {
        return Some("if a proxy inspects your traffic, name its certificate in SSL_CERT_FILE".to_owned());
    }
    if any(|failure| matches!(failure, Failure::Violation(violation) if !violation.is_damage())) {
        return Some(format!(
            "`R CMD build` makes no such archive: do not install `{}` by other means either, until you know who made it",
            package.name
        ));
    }
    if any(Failure::is_wrong_content) {
        return Some(
            "the mirror has a file that is damaged or misnamed: fetch from another with --repository"
                .to_owned(),
        );
    }
    if any(|failure| matches!(failure, Failure::Status { status: 429 | 500.., .. })) {
        return Some("try again later, or fetch from a mirror with --repository NAME=URL".to_owned());
    }
    if tried.iter().all(|tried| tried.failure.is_not_there()) {
        return Some(match newest {
            Some(newest) => {
                format!("lock a version that exists: the newest of `{}` is {newest}", package.name)
            }
            None => "check the lockfile's repositories: none of their indexes has the package".to_owned(),
        });
    }
    any(|failure| {
        matches!(failure, Failure::Unreachable { .. } | Failure::Stalled { .. } | Failure::Broken { .. })
    })
    .then(|| "check the network and the proxy variables, and run again: what was fetched is kept".to_owned())
}

fn hint_for_git(package: &PackageId, failure: &Failure) -> Option<String> {
    let name = &package.name;
    if matches!(failure, Failure::NoGit) {
        return Some("install git, and see to it that PATH has it".to_owned());
    }
    if matches!(failure, Failure::Git { .. } | Failure::GitTooLong { .. }) {
        let hint = "try `git ls-remote` with that URL: keys, credential helpers and proxies are git's own";
        return Some(hint.to_owned());
    }
    if matches!(failure, Failure::ManySubmodules { .. } | Failure::Submodule { .. }) {
        return Some(format!("lock another commit of `{name}`, or a release of it"));
    }
    matches!(failure, Failure::WrongCommit { .. })
        .then(|| format!("the host gives another commit than is locked: lock `{name}` again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_fetched(failures: Vec<Failure>, newest: Option<&str>) -> FetchError {
        let package = PackageId { name: "mime".parse().unwrap(), version: "0.12".parse().unwrap() };
        let tried =
            failures.into_iter().map(|failure| Tried { url: "https://host/x".to_owned(), failure }).collect();
        FetchError::NotFetched { package, tried, newest: newest.map(|text| text.parse().unwrap()) }
    }

    fn status(status: u16, reason: &str) -> Failure {
        Failure::Status { status, reason: reason.to_owned(), retry_after: None }
    }

    #[test]
    fn every_url_is_listed_with_what_it_answered() {
        let error = not_fetched(vec![status(404, "Not Found"), status(403, "Forbidden")], None);
        assert_eq!(
            error.to_string(),
            "failed to fetch `mime 0.12`\n  https://host/x: answered 404 Not Found\n  https://host/x: answered 403 Forbidden"
        );
        assert!(error.hint().unwrap().contains("password"));
    }

    #[test]
    fn the_newest_version_is_named_only_where_the_locked_one_is_nowhere() {
        let gone = not_fetched(vec![status(404, "Not Found"), status(410, "Gone")], Some("0.13"));
        assert_eq!(gone.hint().unwrap(), "lock a version that exists: the newest of `mime` is 0.13");
        let unknown = not_fetched(vec![status(404, "Not Found"), status(500, "Oops")], Some("0.13"));
        assert!(unknown.hint().unwrap().contains("try again later"));
    }
}
