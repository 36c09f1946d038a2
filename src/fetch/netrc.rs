//! The text of a `.netrc` to names and passwords by host. Pure.
//!
//! Sixty lines of our own: the crates for it bring a home-folder finder and a pattern
//! matcher along, or are not looked after.

use std::collections::BTreeMap;

/// What one host is told.
#[derive(PartialEq, Eq, Default)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

/// Reads the file as curl does. The `default` entry is left out: it would go to any host
/// that a lockfile names. `None` where the text is no `.netrc`.
pub(super) fn parse(text: &str) -> Option<BTreeMap<String, Login>> {
    let mut logins = BTreeMap::new();
    let mut host: Option<String> = None;
    let mut words = words(text)?.into_iter();
    while let Some(word) = words.next() {
        let login =
            host.as_ref().map(|host: &String| logins.entry(host.clone()).or_insert_with(Login::default));
        match (word.as_str(), login) {
            ("machine", _) => host = Some(words.next()?.to_ascii_lowercase()),
            ("default", _) => host = Some(String::new()),
            ("login", Some(login)) => login.user = words.next()?,
            ("password", Some(login)) => login.password = words.next()?,
            ("account", Some(_)) => _ = words.next()?,
            _ => return None,
        }
    }
    logins.remove("");
    Some(logins)
}

/// The words without comments and macros; one may be in quotes and hold blanks.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut rest = line.trim_start();
        while !rest.is_empty() && !rest.starts_with('#') {
            let word;
            (word, rest) = first_word(rest)?;
            if word == "macdef" {
                // A macro ends at an empty line.
                lines.by_ref().take_while(|line| !line.trim().is_empty()).for_each(drop);
                break;
            }
            words.push(word);
        }
    }
    Some(words)
}

fn first_word(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return Some((text[..end].to_owned(), text[end..].trim_start()));
    };
    let mut word = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((word, quoted[at + 1..].trim_start())),
            '\\' => word.push(chars.next()?.1),
            c => word.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        let logins = parse(text)?;
        let shown = logins.iter().map(|(host, Login { user, password })| format!("{host}={user}:{password}"));
        Some(shown.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_netrc_is_read_as_curl_reads_it() {
        let cases = [
            ("machine a.com login me password x", Some("a.com=me:x")),
            (
                "machine A.com\n\tlogin me\n\tpassword x\n\nmachine b.com password y",
                Some("a.com=me:x b.com=:y"),
            ),
            ("# all\nmachine a.com login \"m e\" password \"x\\\"#\" # it", Some("a.com=m e:x\"#")),
            ("machine a.com login me account z password x#1", Some("a.com=me:x#1")),
            ("machine a.com login me\nmacdef init\nmachine evil.com\n\npassword x", Some("a.com=me:x")),
            ("default login a password b", Some("")),
            ("", Some("")),
            ("machine", None),
            ("login me", None),
            ("machine a.com password \"x", None),
            ("{ \"a.com\": {} }", None),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text).as_deref(), expected, "{text}");
        }
    }
}
