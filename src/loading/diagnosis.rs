//! What R says when a package does not load, to its cause, where it is a known one. Pure.

pub(super) fn diagnose(message: &str) -> Option<String> {
    if let Some(package) = between(message, "there is no package called ", ['‘', '\'', '’']) {
        return Some(format!(
            "it uses `{package}` when it is loaded, without asking for it in Imports: lock it, and ship it with \
             --keep {package}"
        ));
    }
    if let Some((before, _)) = message.split_once(": cannot open shared object file") {
        let library = before.rsplit([' ', ':']).next().unwrap_or(before);
        return Some(format!("library `{library}` is neither in the layers nor on the target"));
    }
    if let Some((_, symbol)) = message.split_once("undefined symbol: ") {
        let symbol = symbol.split_whitespace().next().unwrap_or(symbol);
        return Some(format!(
            "symbol `{symbol}` is in none of its libraries: it expects another version of one of them"
        ));
    }
    if let Some((_, version)) = message.split_once("version `")
        && message.contains("not found (required by")
    {
        let version = version.split('\'').next().unwrap_or(version);
        return Some(format!("a library of the target is too old: it has no {version}"));
    }
    message.contains("cannot enable executable stack").then(|| {
        "it asks for an executable stack, which the target refuses: its assembly code lacks a note".to_owned()
    })
}

/// The text in quotes that follows `start`.
fn between<'a>(message: &'a str, start: &str, quotes: [char; 3]) -> Option<&'a str> {
    let (_, rest) = message.split_once(start)?;
    rest.trim_start_matches(quotes).split(quotes).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_causes_are_named() {
        let cases = [
            ("there is no package called ‘digest’", "--keep digest"),
            (
                "unable to load shared object '/opt/x.so':   libgdal.so.32: cannot open shared object file: No such",
                "`libgdal.so.32`",
            ),
            (
                "unable to load shared object '/opt/x.so': /opt/x.so: undefined symbol: gdal_open",
                "`gdal_open`",
            ),
            ("/lib64/libc.so.6: version `GLIBC_2.38' not found (required by /opt/x.so)", "no GLIBC_2.38"),
        ];
        for (message, part) in cases {
            let found = diagnose(message).unwrap();
            assert!(found.contains(part), "{message} gave {found}");
        }
        assert_eq!(diagnose("object 'x' not found"), None);
    }
}
