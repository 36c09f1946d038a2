//! Text to what names a place in a git repository: a URL, a commit, a folder in it.
//! Each ends up in requests or in arguments of programs, so each is checked once, here.

use std::fmt;
use std::str::FromStr;

/// Id of a commit, or its beginning: 7 to 64 hexadecimal digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitId(String);

/// URL that git can clone from.
///
/// Invariant: `https`, `http`, `ssh`, `git` or `file` with something after it, or
/// `user@host:path`; no blanks, no control characters. It can therefore be neither an
/// option of git's nor one of its remote helpers, such as `ext::`, which run commands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitUrl(String);

/// Folder of a repository that a package is in: never empty, and only leads down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subfolder(String);

/// Why a text names no place in a git repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGitPlace {
    #[error("`{}` is not the id of a commit: 7 to 64 hexadecimal digits", .0.escape_debug())]
    Commit(String),
    #[error("`{}` is not a URL that git can clone from", .0.escape_debug())]
    Url(String),
    #[error("`{}` is not a branch or tag", .0.escape_debug())]
    Reference(String),
    #[error("`{}` is not a folder inside a repository", .0.escape_debug())]
    Subfolder(String),
}

impl CommitId {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names one commit for ever: SHA-1 has 40 digits, SHA-256 has 64.
    pub fn is_full(&self) -> bool {
        matches!(self.0.len(), 40 | 64)
    }
}

impl FromStr for CommitId {
    type Err = InvalidGitPlace;

    fn from_str(text: &str) -> Result<Self, InvalidGitPlace> {
        let valid = (7..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        if valid { Ok(Self(text.to_ascii_lowercase())) } else { Err(InvalidGitPlace::Commit(shown(text))) }
    }
}

impl GitUrl {
    /// With the user and the password that it may hold.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same with a scheme, where it is `user@host:path`.
    pub fn with_scheme(&self) -> String {
        match (self.0.split_once("://"), self.0.split_once(':')) {
            (None, Some((host, path))) => format!("ssh://{host}/{}", path.trim_start_matches('/')),
            (Some(_), _) | (None, None) => self.0.clone(),
        }
    }
}

impl FromStr for GitUrl {
    type Err = InvalidGitPlace;

    fn from_str(text: &str) -> Result<Self, InvalidGitPlace> {
        const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "file"];
        let is_plain = text.len() <= 2048 && text.bytes().all(|b| b.is_ascii_graphic());
        let valid = match text.split_once("://") {
            Some((scheme, rest)) => {
                SCHEMES.contains(&scheme.to_ascii_lowercase().as_str())
                    && !rest.is_empty()
                    && !rest.starts_with('-')
            }
            None => is_scp_like(text),
        };
        if is_plain && valid { Ok(Self(text.to_owned())) } else { Err(InvalidGitPlace::Url(shown(text))) }
    }
}

/// `git@github.com:owner/repository.git`
fn is_scp_like(text: &str) -> bool {
    let Some((host, path)) = text.split_once(':') else { return false };
    let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'@');
    let starts_well = host.starts_with(|c: char| c.is_ascii_alphanumeric());
    starts_well
        && host.contains('@')
        && host.bytes().all(is_host)
        && !path.is_empty()
        && !path.starts_with(':')
}

impl Subfolder {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A folder of this folder.
    ///
    /// # Errors
    ///
    /// Where the whole path becomes too long.
    pub fn join(&self, below: &Self) -> Result<Self, InvalidGitPlace> {
        let path = format!("{self}/{below}");
        Self::parse(&path)?.ok_or(InvalidGitPlace::Subfolder(path))
    }

    /// `None` for the repository's own folder, which lockfiles write as nothing, `.` or `/`.
    ///
    /// # Errors
    ///
    /// A path with `..`, an empty part, a backslash, or a control character.
    pub fn parse(text: &str) -> Result<Option<Self>, InvalidGitPlace> {
        let path = text.trim_matches('/');
        if path.is_empty() || path == "." {
            return Ok(None);
        }
        let is_fine = |part: &str| {
            let is_name = !part.is_empty() && part != "." && part != "..";
            is_name && !part.contains(|c: char| c == '\\' || c.is_control())
        };
        if path.len() <= 1024 && path.split('/').all(is_fine) {
            Ok(Some(Self(path.to_owned())))
        } else {
            Err(InvalidGitPlace::Subfolder(shown(text)))
        }
    }
}

/// Whether a text is a branch's or tag's name (`git check-ref-format`), and can be nothing
/// else to git: no option, range or pattern.
pub fn is_reference(text: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_graphic() && !"~^:?*[\\".contains(c);
    let is_odd = ["..", "@{", "//"].iter().any(|odd| text.contains(odd));
    let starts_well = !text.is_empty() && !text.starts_with(['-', '+', '/', '.']);
    starts_well && text.len() <= 255 && text.chars().all(is_fine) && !is_odd
}

/// The beginning of a text, without what may be a password: it is for an error.
fn shown(text: &str) -> String {
    let (before, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let end = rest.find('/').unwrap_or(rest.len());
    let start = rest[..end].rfind('@').map_or(0, |at| at + 1);
    let scheme = if before.is_empty() { String::new() } else { format!("{before}://") };
    format!("{scheme}{}", &rest[start..]).chars().take(80).collect()
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Without what may be a password.
impl fmt::Debug for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GitUrl({:?})", shown(&self.0))
    }
}

impl fmt::Display for Subfolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_one_that_git_clones_from_and_never_a_command() {
        let cases = [
            ("https://github.com/hadley/emo", true),
            ("http://127.0.0.1:8080/emo.git", true),
            ("git@github.com:hadley/emo.git", true),
            ("ssh://git@example.org:22/emo", true),
            ("file:///srv/emo", true),
            ("ext::sh -c date", false),
            ("ext::sh@x:y", false),
            ("--upload-pack=date", false),
            ("ssh://-oProxyCommand=date/x", false), // CVE-2017-1000117
            ("-x@host:path", false),
            ("https://", false),
            ("javascript://x", false),
            ("emo", false),
            ("https://example.org/a b", false),
        ];
        for (text, valid) in cases {
            assert_eq!(text.parse::<GitUrl>().is_ok(), valid, "{text:?}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_in_no_message() {
        let url: GitUrl = "https://me:secret@example.org/x".parse().unwrap();
        assert_eq!(format!("{url:?}"), r#"GitUrl("https://example.org/x")"#);
        let error = "ftp://me:secret@example.org/x".parse::<GitUrl>().unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn a_commit_is_hexadecimal_and_full_at_40_or_64_digits() {
        let full = "3F03B11491ce3d6fc5601e210927eff73bf8e350".parse::<CommitId>().unwrap();
        assert_eq!((full.as_str(), full.is_full()), ("3f03b11491ce3d6fc5601e210927eff73bf8e350", true));
        assert!(!"989c1dc".parse::<CommitId>().unwrap().is_full());
        for wrong in ["", "abc", "main123", "0123456 ", "--abcdef"] {
            assert!(wrong.parse::<CommitId>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_reference_is_never_an_option_or_a_range() {
        for fine in ["main", "v1.2.0", "refs/pull/12/head", "HEAD", "feature/x_y"] {
            assert!(is_reference(fine), "{fine}");
        }
        for wrong in ["", "--upload-pack=date", "a..b", "a b", "HEAD~1", "*release", "a:b", "/x", "a\nb"] {
            assert!(!is_reference(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_subfolder_only_leads_down() {
        let parsed = |text| Subfolder::parse(text).map(|path| path.map(|path| path.0));
        assert_eq!(parsed("pkgs/nested/"), Ok(Some("pkgs/nested".to_owned())));
        for own in ["", ".", "/"] {
            assert_eq!(parsed(own), Ok(None), "{own:?}");
        }
        for wrong in ["../x", "a/../b", "a//b", "a\\b", "a\0b"] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }
}
