//! Who we are to which host. Pure: `cli` reads the variables and the file.
//!
//! A lockfile may name any host, so a secret goes only to the host that it was given for:
//! `GITHUB_PAT` to GitHub itself, and to a company's own by `GITHUB_PAT_<HOST>`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::netrc::{self, Login};
use super::url;

/// All that is known; the host decides which of it is used.
#[derive(Debug, Default, Clone)]
pub struct Credentials {
    /// By host, in lower case and without a port.
    by_host: BTreeMap<String, Credential>,
    netrc: BTreeMap<String, Credential>,
}

/// Not more than that: the place in the file may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("it is not in the form of a .netrc")]
pub struct NotNetrc;

/// What a host is told, and where we have it from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credential {
    /// Such as `GITHUB_PAT`, for the message that it was refused.
    pub(super) from: String,
    secret: Secret,
    /// Whether a host that hides things rather than refusing them answers 404.
    pub(super) is_token: bool,
}

/// The credentials of one run, and which of them a host has refused.
#[derive(Debug)]
pub(super) struct Identity {
    credentials: Credentials,
    /// By where they are from and the host.
    refused: Mutex<BTreeSet<(String, String)>>,
}

impl Identity {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self { credentials, refused: Mutex::default() }
    }

    /// What goes along with a request for `url`, unless its host has refused it before.
    pub(super) fn credential(&self, url: &str) -> Option<Credential> {
        let credential = self.credentials.of(url)?;
        let key = (credential.from.clone(), url::host(url).to_owned());
        (!self.refused().contains(&key)).then_some(credential)
    }

    /// Notes a refusal; says whether it is the first.
    pub(super) fn is_refused(&self, credential: &Credential, url: &str) -> bool {
        self.refused().insert((credential.from.clone(), url::host(url).to_owned()))
    }

    /// What came of asking for `url`, with every secret in it made unreadable.
    pub(super) fn hide(&self, text: &str, url: &str) -> String {
        self.credentials.hide(text, url)
    }

    fn refused(&self) -> MutexGuard<'_, BTreeSet<(String, String)>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cannot be shown by accident.
#[derive(Clone, PartialEq, Eq)]
enum Secret {
    /// The user is what git has to say along with it.
    Token {
        user: &'static str,
        token: String,
    },
    Login {
        user: String,
        password: String,
    },
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Variables with a token for a public host, and what git says with it.
const TOKENS: [(&str, &[&str], &str); 4] = [
    ("GITHUB_PAT", &["github.com", "api.github.com"], "x-access-token"),
    ("GITHUB_TOKEN", &["github.com", "api.github.com"], "x-access-token"),
    ("GITLAB_PAT", &["gitlab.com"], "oauth2"),
    ("BITBUCKET_TOKEN", &["bitbucket.org"], "x-token-auth"),
];
/// Names are shorter, mostly, and would make a message unreadable.
const SHORTEST_TOKEN: usize = 8;
const BITBUCKET_USERS: [&str; 2] = ["BITBUCKET_USER", "BITBUCKET_USERNAME"];
const BITBUCKET_PASSWORDS: [&str; 2] = ["BITBUCKET_PASS", "BITBUCKET_PASSWORD"];

impl Credentials {
    /// From the environment's variables; those that mean something else are passed over.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let variables: BTreeMap<String, String> =
            variables.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
        let mut by_host = BTreeMap::new();
        for (name, hosts, user) in TOKENS.into_iter().rev() {
            for (variable, token) in &variables {
                let Some(rest) = variable.strip_prefix(name) else { continue };
                let secret = Secret::Token { user, token: token.trim().to_owned() };
                let credential = Credential { from: variable.clone(), secret, is_token: true };
                if rest.is_empty() {
                    by_host.extend(hosts.iter().map(|host| ((*host).to_owned(), credential.clone())));
                } else if let Some(host) = rest.strip_prefix('_') {
                    by_host.insert(host.to_ascii_lowercase(), credential);
                }
            }
        }
        let user = BITBUCKET_USERS.iter().find_map(|name| variables.get(*name));
        let password = BITBUCKET_PASSWORDS.iter().find_map(|name| variables.get_key_value(*name));
        if let (Some(user), Some((from, password))) = (user, password) {
            let secret = Secret::Login { user: user.clone(), password: password.clone() };
            let credential = Credential { from: from.clone(), secret, is_token: true };
            by_host.entry("bitbucket.org".to_owned()).or_insert(credential);
        }
        Self { by_host, netrc: BTreeMap::new() }
    }

    /// With what a `.netrc` has, but for its `default` entry.
    ///
    /// # Errors
    ///
    /// Where the text is no `.netrc`.
    pub fn with_netrc(mut self, text: &str) -> Result<Self, NotNetrc> {
        for (host, Login { user, password }) in netrc::parse(text).ok_or(NotNetrc)? {
            let secret = Secret::Login { user, password };
            let credential = Credential { from: ".netrc".to_owned(), secret, is_token: false };
            self.netrc.insert(host, credential);
        }
        Ok(self)
    }

    /// What goes along with a request for `url`. What stands in the URL itself is meant for
    /// it more than anything else.
    fn of(&self, url: &str) -> Option<Credential> {
        if let Some((user, password)) = url::userinfo(url) {
            let secret = Secret::Login { user, password };
            return Some(Credential { from: "the URL".to_owned(), secret, is_token: false });
        }
        let host = url::host_name(url).to_ascii_lowercase();
        // A variable's name cannot hold dots and hyphens.
        let as_variable = host.replace(['.', '-', ':', '[', ']'], "_");
        let token = self.by_host.get(&host).or_else(|| self.by_host.get(&as_variable));
        token.filter(|_| is_private(url, &host)).or_else(|| self.netrc.get(&host)).cloned()
    }

    fn hide(&self, text: &str, url: &str) -> String {
        // As it is written first: in there, the password may have other signs than decoded.
        let mut text = text.replace(url, &url::redacted(url));
        let own = self.of(url);
        for Credential { secret, .. } in self.by_host.values().chain(self.netrc.values()).chain(&own) {
            let word = match secret {
                Secret::Token { token, .. } => token,
                // `https://TOKEN@host`, where it is none like `git`.
                Secret::Login { user, password } if password.is_empty() && user.len() >= SHORTEST_TOKEN => {
                    user
                }
                Secret::Login { password, .. } => password,
            };
            for word in [word.clone(), secret.for_git(), secret.for_http()] {
                let word = word.rsplit(' ').next().unwrap_or_default();
                if !word.is_empty() {
                    text = text.replace(word, "***");
                }
            }
        }
        text
    }
}

/// Whether nobody on the way can read along.
fn is_private(url: &str, host: &str) -> bool {
    url.starts_with("https://") || matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

impl Credential {
    /// The value of the header `Authorization`. GitLab takes tokens that way too, and a
    /// header of its own would survive a redirect to another host.
    pub(super) fn for_http(&self) -> String {
        self.secret.for_http()
    }

    /// The same for git's own protocol, where hosts know user and password only.
    pub(super) fn for_git(&self) -> String {
        self.secret.for_git()
    }
}

impl Secret {
    fn for_http(&self) -> String {
        match self {
            Self::Token { token, .. } => format!("Bearer {token}"),
            Self::Login { user, password } => basic(user, password),
        }
    }

    fn for_git(&self) -> String {
        match self {
            Self::Token { user, token } => basic(user, token),
            Self::Login { user, password } => basic(user, password),
        }
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(variables: &[(&str, &str)]) -> Credentials {
        Credentials::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_secret_goes_to_the_host_it_was_given_for_and_to_no_other() {
        let all = credentials(&[
            ("GITHUB_PAT", "gh"),
            ("GITHUB_TOKEN", "other"),
            ("GITHUB_PAT_GITHUB_ACME_COM", "acme"),
            ("GITLAB_PAT", "gl"),
            ("BITBUCKET_USER", "me"),
            ("BITBUCKET_PASSWORD", "bb"),
            ("GITHUB_PAT_EMPTY_COM", " "),
        ])
        .with_netrc("machine cran.acme.com login me password nr\nmachine bitbucket.org login no password no\ndefault login a password b\n")
        .unwrap();
        let cases = [
            ("https://api.github.com/repos/x", Some("Bearer gh")), // PAT before TOKEN
            ("https://GITHUB.com/x", Some("Bearer gh")),
            ("https://github.acme.com/api/v3/x", Some("Bearer acme")),
            ("http://github.acme.com/api/v3/x", None), // anybody could read it
            ("https://github.evil.com/api/v3/x", None),
            ("https://evil.com/?github.com", None),
            ("https://github.com@evil.com/", Some("Basic Z2l0aHViLmNvbTo=")), // the URL's own user
            ("https://gitlab.com:443/x", Some("Bearer gl")),
            ("https://bitbucket.org/x", Some("Basic bWU6YmI=")),
            ("http://cran.acme.com/src", Some("Basic bWU6bnI=")),
            ("https://a%40b:c%3ad@cran.acme.com/src", Some("Basic YUBiOmM6ZA==")),
            ("https://empty.com/", None),
            ("https://elsewhere.com/", None),
        ];
        for (url, header) in cases {
            assert_eq!(all.of(url).map(|found| found.for_http()).as_deref(), header, "{url}");
        }
        let for_git = all.of("https://github.com/x").unwrap().for_git();
        assert_eq!(for_git, basic("x-access-token", "gh"));
    }

    #[test]
    fn secrets_are_neither_printed_nor_left_in_what_others_print() {
        let all = credentials(&[("GITHUB_PAT", "s3cret")]);
        assert!(!format!("{all:?}").contains("s3cret"));
        let said =
            format!("could not read s3cret, sent Authorization: {}", basic("x-access-token", "s3cret"));
        let url = "https://me:p%40ss@host/x";
        assert_eq!(all.hide(&said, url), "could not read ***, sent Authorization: Basic ***");
        let said = format!("{url} refused p@ss: {}", basic("me", "p@ss"));
        assert_eq!(all.hide(&said, url), "https://***@host/x refused ***: Basic ***");
        assert_eq!(all.hide("no token t0k3n-12", "https://t0k3n-12@host/x"), "no token ***");
        assert_eq!(all.hide("git: refused", "https://git@host/x"), "git: refused");
    }
}
