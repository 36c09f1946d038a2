//! A project at a commit to the URLs that have its files: archives first, which are one
//! request, then git itself.

use super::{Candidate, Checkout};
use crate::lockfile::{ForgeOrigin, GitOrigin};
use crate::model::Forge;

/// Where GitHub, GitLab and Bitbucket, or a company's own, have a project's files.
pub(super) fn candidates(origin: &ForgeOrigin) -> Vec<Candidate> {
    let ForgeOrigin { forge, host, project, reference, commit, subfolder } = origin;
    let checkout =
        Checkout { commit: commit.clone(), reference: reference.clone(), subfolder: subfolder.clone() };
    let revision = revision(&checkout);
    let (scheme, host) = match host.as_str().strip_prefix("http://") {
        Some(host) => ("http", host),
        None => ("https", host.as_str()),
    };
    // What is recorded is the API's address; the site is at the host without it.
    let site = host.split('/').next().unwrap_or(host);
    let site = match site {
        "api.github.com" => "github.com",
        "api.bitbucket.org" => "bitbucket.org",
        site => site,
    };
    let site = format!("{scheme}://{site}");
    let archives = match forge {
        Forge::GitHub => vec![
            format!("{scheme}://{}/repos/{project}/tarball/{revision}", github_api(host)),
            // Not counted against the API's 60 requests an hour.
            format!("{site}/{project}/archive/{revision}.tar.gz"),
        ],
        Forge::GitLab => {
            let id = project.as_str().replace('/', "%2F");
            vec![format!("{site}/api/v4/projects/{id}/repository/archive.tar.gz?sha={revision}")]
        }
        Forge::Bitbucket if site == "https://bitbucket.org" => {
            vec![format!("{site}/{project}/get/{revision}.tar.gz")]
        }
        // Bitbucket Data Center; without a prefix it has no folder of its own.
        Forge::Bitbucket => {
            let (owner, name) = project.as_str().split_once('/').unwrap_or_default();
            let archive = format!("projects/{owner}/repos/{name}/archive");
            vec![format!("{site}/rest/api/latest/{archive}?format=tar.gz&prefix={name}&at={revision}")]
        }
    };
    let git = match forge {
        Forge::Bitbucket if site != "https://bitbucket.org" => format!("git+{site}/scm/{project}.git"),
        Forge::GitHub | Forge::GitLab | Forge::Bitbucket => format!("git+{site}/{project}.git"),
    };
    let files = |url| Candidate { checkout: Some(checkout.clone()), ..Candidate::tarball(url) };
    archives.into_iter().chain([git]).map(files).collect()
}

/// A company's own has the API at `/api/v3`, which some lockfiles leave out.
fn github_api(host: &str) -> String {
    match host {
        "github.com" => "api.github.com".to_owned(),
        host if host == "api.github.com" || host.contains('/') => host.to_owned(),
        host => format!("{host}/api/v3"),
    }
}

/// Where any git repository has its files.
pub(super) fn git_candidates(origin: &GitOrigin) -> Vec<Candidate> {
    let GitOrigin { url, reference, commit, subfolder, with_submodules: _ } = origin;
    let checkout =
        Checkout { commit: commit.clone(), reference: reference.clone(), subfolder: subfolder.clone() };
    let url = url.with_scheme();
    let project = url.strip_prefix("https://github.com/").map(|path| path.trim_end_matches('/'));
    let project = project.map(|path| path.strip_suffix(".git").unwrap_or(path));
    let archive =
        project.map(|project| format!("https://github.com/{project}/archive/{}.tar.gz", revision(&checkout)));
    let files = |url| Candidate { checkout: Some(checkout.clone()), ..Candidate::tarball(url) };
    archive.into_iter().chain([format!("git+{url}")]).map(files).collect()
}

fn revision(checkout: &Checkout) -> String {
    let commit = checkout.commit.as_ref().map(ToString::to_string);
    let named = || checkout.reference.clone().unwrap_or_else(|| "HEAD".to_owned());
    commit.unwrap_or_else(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Subfolder;

    const SHA: &str = "3f03b11491ce3d6fc5601e210927eff73bf8e350";

    fn urls(forge: Forge, host: &str, project: &str) -> Vec<String> {
        let origin = ForgeOrigin {
            forge,
            host: host.parse().unwrap(),
            project: project.parse().unwrap(),
            reference: None,
            commit: Some(SHA.parse().unwrap()),
            subfolder: Subfolder::parse("r").unwrap(),
        };
        let all = candidates(&origin);
        assert!(all.iter().all(|at| at.checkout.as_ref().unwrap().subfolder == origin.subfolder));
        all.into_iter().map(|candidate| candidate.url.replace(SHA, "SHA")).collect()
    }

    /// By the documentation of each: "Download a repository archive (tar)" of GitHub's REST
    /// API, "Get file archive" of GitLab's, and "archive" of Bitbucket Data Center's.
    #[test]
    fn each_forge_and_each_company_s_own_is_asked_in_its_way() {
        let cases = [
            (
                urls(Forge::GitHub, "api.github.com", "hadley/emo"),
                vec![
                    "https://api.github.com/repos/hadley/emo/tarball/SHA",
                    "https://github.com/hadley/emo/archive/SHA.tar.gz",
                    "git+https://github.com/hadley/emo.git",
                ],
            ),
            (
                urls(Forge::GitHub, "ghe.acme.com/api/v3", "team/emo"),
                vec![
                    "https://ghe.acme.com/api/v3/repos/team/emo/tarball/SHA",
                    "https://ghe.acme.com/team/emo/archive/SHA.tar.gz",
                    "git+https://ghe.acme.com/team/emo.git",
                ],
            ),
            (
                urls(Forge::GitLab, "gitlab.com", "group/sub/emo"),
                vec![
                    "https://gitlab.com/api/v4/projects/group%2Fsub%2Femo/repository/archive.tar.gz?sha=SHA",
                    "git+https://gitlab.com/group/sub/emo.git",
                ],
            ),
            (
                urls(Forge::Bitbucket, "api.bitbucket.org/2.0", "team/emo"),
                vec![
                    "https://bitbucket.org/team/emo/get/SHA.tar.gz",
                    "git+https://bitbucket.org/team/emo.git",
                ],
            ),
            (
                urls(Forge::Bitbucket, "http://bb.acme.com:7990", "TEAM/emo"),
                vec![
                    "http://bb.acme.com:7990/rest/api/latest/projects/TEAM/repos/emo/archive?format=tar.gz&prefix=emo&at=SHA",
                    "git+http://bb.acme.com:7990/scm/TEAM/emo.git",
                ],
            ),
        ];
        for (urls, expected) in cases {
            assert_eq!(urls, expected);
        }
    }

    #[test]
    fn a_git_url_goes_to_git_and_github_s_may_be_had_in_one_request() {
        let urls = |url: &str| {
            let url = url.parse().unwrap();
            let commit = Some(SHA.parse().unwrap());
            let origin = GitOrigin { url, reference: None, commit, subfolder: None, with_submodules: false };
            git_candidates(&origin).into_iter().map(|at| at.url.replace(SHA, "SHA")).collect::<Vec<_>>()
        };
        assert_eq!(urls("git@host.com:team/emo.git"), ["git+ssh://git@host.com/team/emo.git"]);
        assert_eq!(
            urls("https://github.com/hadley/emo.git"),
            ["https://github.com/hadley/emo/archive/SHA.tar.gz", "git+https://github.com/hadley/emo.git"]
        );
    }
}
