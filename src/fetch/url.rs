//! URLs as text: what may be shown of them, and where they really lead. Pure.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The URL without the secrets that it may hold: `https://***@host/…?token=***`.
pub fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return without_secret_values(url) };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..authority_end].rfind('@') {
        Some(at) => format!("{scheme}://***{}", without_secret_values(&rest[at..])),
        None => without_secret_values(url),
    }
}

/// Values of a query whose names say that they are secret.
fn without_secret_values(url: &str) -> String {
    const SECRET: [&str; 7] = ["token", "key", "secret", "password", "passwd", "auth", "sig"];
    let Some((before, query)) = url.split_once('?') else { return url.to_owned() };
    let shown = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if SECRET.iter().any(|word| name.to_ascii_lowercase().contains(word)) => {
            format!("{name}=***")
        }
        _ => pair.to_owned(),
    });
    format!("{before}?{}", shown.collect::<Vec<_>>().join("&"))
}

/// The URL without the secrets that it may hold, still good for asking where it held none
/// but a name and password: what is written to files that are committed.
pub fn without_secrets(url: &str) -> String {
    without_secret_values(&without_password(url))
}

/// The URL to ask by a program that learns its name and password in another way.
pub(super) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some(at) = rest[..authority_end].rfind('@') else { return url.to_owned() };
    // By ssh, the name is no secret but part of the address.
    let user = rest[..at].split(':').next().filter(|_| scheme.ends_with("ssh"));
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    format!("{scheme}://{user}{}", &rest[at + 1..])
}

/// The URL to ask, once its name and password are known apart from it.
pub(super) fn without_userinfo(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let at = rest[..authority_end].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[at..])
}

/// The server a URL is of, with its port.
pub(super) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// The server without its port; `[::1]` keeps its brackets.
pub(super) fn host_name(url: &str) -> &str {
    let host = host(url);
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Scheme and server: what git's settings for a server are keyed by.
pub(super) fn origin(url: &str) -> String {
    let scheme = url.split_once("://").map_or("https", |(scheme, _)| scheme);
    format!("{scheme}://{}", host(url))
}

/// The name and the password in a URL, decoded.
pub(super) fn userinfo(url: &str) -> Option<(String, String)> {
    let (_, rest) = url.split_once("://")?;
    let (userinfo, _) = rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())].rsplit_once('@')?;
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let decoded = |text: &str| String::from_utf8_lossy(&percent_decoded(text.as_bytes())).into_owned();
    Some((decoded(user), decoded(password)))
}

/// The URL to ask instead: where its beginning is one of `overrides`, the longest that
/// fits is exchanged. A beginning ends where a part of the path does.
pub(super) fn overridden(url: &str, overrides: &[(String, String)]) -> String {
    let fits = |(from, to): &(String, String)| {
        let rest = url.strip_prefix(from.trim_end_matches('/'))?;
        let ends = rest.is_empty() || rest.starts_with('/');
        ends.then(|| (rest.len(), format!("{}{rest}", to.trim_end_matches('/'))))
    };
    let longest = overrides.iter().filter_map(fits).min_by_key(|(rest, _)| *rest);
    longest.map_or_else(|| url.to_owned(), |(_, url)| url)
}

/// The path that a `file://` URL names, or `None` for any other URL.
pub(super) fn file_path(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("file://")?;
    let path = rest.strip_prefix("localhost").filter(|path| path.starts_with('/')).unwrap_or(rest);
    Some(PathBuf::from(OsString::from_vec(percent_decoded(path.as_bytes()))))
}

/// A `%` that no two hexadecimal digits follow stays as it is.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let value = match (byte, digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        decoded.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_password_in_a_url_is_never_shown() {
        let cases = [
            ("https://user:secret@host/a@b", "https://***@host/a@b"),
            ("https://token@host", "https://***@host"),
            ("https://a@b:c@host:8080/x", "https://***@host:8080/x"),
            ("https://host/a@b", "https://host/a@b"), // a path may hold an `@`
            ("https://host?q=a@b", "https://host?q=a@b"),
            ("https://host/x?private_token=s&at=1", "https://host/x?private_token=***&at=1"),
            ("nonsense", "nonsense"),
        ];
        for (url, shown) in cases {
            assert_eq!(redacted(url), shown);
        }
        assert_eq!(without_secrets("https://user:secret@host/a@b?sig=s"), "https://host/a@b?sig=***");
        assert_eq!(without_secrets("git+ssh://git:secret@host/a"), "git+ssh://git@host/a");
        assert_eq!(host("https://user:secret@host:8080/a@b"), "host:8080");
    }

    #[test]
    fn the_longest_override_that_fits_whole_parts_wins() {
        let overrides = [
            ("https://cran.example".to_owned(), "file:///mirror/".to_owned()),
            ("https://cran.example/src/contrib/".to_owned(), "http://localhost:1/contrib".to_owned()),
        ];
        let cases = [
            ("https://cran.example/web/x", "file:///mirror/web/x"),
            ("https://cran.example", "file:///mirror"),
            ("https://cran.example/src/contrib/x.tar.gz", "http://localhost:1/contrib/x.tar.gz"),
            ("https://cran.example.evil/x", "https://cran.example.evil/x"), // another host
            ("https://cran.example/src/contribution", "file:///mirror/src/contribution"),
            ("https://other.example/x", "https://other.example/x"),
        ];
        for (url, asked) in cases {
            assert_eq!(overridden(url, &overrides), asked);
        }
    }

    #[test]
    fn a_file_url_is_decoded_to_a_path() {
        let cases = [
            ("file:///a/b%20c", Some("/a/b c")),
            ("file://localhost/a", Some("/a")),
            ("file:///100%", Some("/100%")),
            ("file:///a%2fb%zz", Some("/a/b%zz")),
            ("https://host/a", None),
        ];
        for (url, path) in cases {
            assert_eq!(file_path(url).as_deref(), path.map(Path::new), "{url}");
        }
    }
}
