//! Text to what names a project on GitHub, GitLab or Bitbucket, or on a company's own.

use std::fmt;
use std::str::FromStr;

/// The kinds of servers that give a commit as an archive. Each has its own way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forge {
    GitHub,
    GitLab,
    Bitbucket,
}

/// A forge's server as lockfiles have it: `api.github.com`, `gitlab.com`,
/// `ghe.example.com/api/v3`, or with `http://` before it where it has no TLS.
///
/// Invariant: letters, digits and `.-:` in the host, `/_` too after it; no user, no slash
/// at the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForgeHost(String);

/// `owner/repository`; on GitLab, there may be groups between.
///
/// Invariant: two or more parts of letters, digits and `._-~`, none of them `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProjectPath(String);

/// Why a text names no project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProject {
    #[error("`{}` is not a host such as `api.github.com`", .0.escape_debug())]
    Host(String),
    #[error("`{}` is not a project such as `owner/repository`", .0.escape_debug())]
    Path(String),
}

impl Forge {
    /// Its public server, by the name that renv records.
    pub fn public_host(self) -> ForgeHost {
        let host = match self {
            Self::GitHub => "api.github.com",
            Self::GitLab => "gitlab.com",
            Self::Bitbucket => "api.bitbucket.org/2.0",
        };
        ForgeHost(host.to_owned())
    }
}

impl ForgeHost {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ProjectPath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ForgeHost {
    type Err = InvalidProject;

    fn from_str(text: &str) -> Result<Self, InvalidProject> {
        let text = text.strip_prefix("https://").unwrap_or(text);
        let (scheme, rest) = match text.strip_prefix("http://") {
            Some(rest) => ("http://", rest.trim_end_matches('/')),
            None => ("", text.trim_end_matches('/')),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':');
        let valid = host.starts_with(|c: char| c.is_ascii_alphanumeric())
            && host.len() <= 255
            && host.bytes().all(is_host)
            && path.bytes().all(|b| is_host(b) || matches!(b, b'/' | b'_'))
            && path.split('/').all(|part| part != "..");
        if valid { Ok(Self(format!("{scheme}{rest}"))) } else { Err(InvalidProject::Host(shown(text))) }
    }
}

impl FromStr for ProjectPath {
    type Err = InvalidProject;

    fn from_str(text: &str) -> Result<Self, InvalidProject> {
        let is_part = |part: &str| {
            let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'~');
            !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_name)
        };
        let parts = text.split('/');
        let valid = text.len() <= 512 && parts.clone().count() >= 2 && parts.clone().all(is_part);
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidProject::Path(shown(text))) }
    }
}

fn shown(text: &str) -> String {
    text.rsplit('@').next().unwrap_or_default().chars().take(80).collect()
}

impl fmt::Display for Forge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::Bitbucket => "Bitbucket",
        })
    }
}

impl fmt::Display for ForgeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ProjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_have_a_port_and_a_path_but_no_user() {
        let cases = [
            ("api.github.com", Some("api.github.com")),
            ("https://api.github.com/", Some("api.github.com")), // as packrat wrote it
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("api.bitbucket.org/2.0", Some("api.bitbucket.org/2.0")),
            ("user:secret@example.org", None),
            ("example.org/../x", None),
            ("-x.org", None),
            ("http://", None),
            ("a b", None),
        ];
        for (text, host) in cases {
            assert_eq!(text.parse::<ForgeHost>().ok().as_ref().map(ForgeHost::as_str), host, "{text:?}");
        }
        for forge in [Forge::GitHub, Forge::GitLab, Forge::Bitbucket] {
            let host = forge.public_host();
            assert_eq!(host.as_str().parse::<ForgeHost>().as_ref(), Ok(&host));
        }
    }

    #[test]
    fn a_project_has_an_owner_and_leads_nowhere_else() {
        let cases = [
            ("hadley/emo", true),
            ("ccao-data-science---modeling/packages/assessr", true),
            ("emo", false),
            ("hadley/", false),
            ("../x/y", false),
            ("a/b?c", false),
            ("a/%2e%2e", false),
        ];
        for (text, valid) in cases {
            assert_eq!(text.parse::<ProjectPath>().is_ok(), valid, "{text:?}");
        }
    }
}
