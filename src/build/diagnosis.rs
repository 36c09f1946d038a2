//! The last lines of a build's log to its cause, where it is a known one. Pure.

/// What the cause is and what to do about it.
pub(super) fn diagnose(lines: &[String]) -> Option<String> {
    lines.iter().rev().find_map(|line| diagnose_line(line))
}

/// What programs say that find no network.
const NETWORK: [&str; 5] = [
    "Could not resolve host",
    "Temporary failure in name resolution",
    "Network is unreachable",
    "cannot open URL",
    "unable to resolve host",
];

fn diagnose_line(line: &str) -> Option<String> {
    if let Some(header) = missing_header(line) {
        return Some(format!(
            "the base lacks the header `{header}`: make one that has its library, with `layr base build --include PACKAGE`"
        ));
    }
    if let Some((_, rest)) = line.split_once("cannot find -l") {
        let library = rest.split([':', ' ']).next().unwrap_or(rest);
        return Some(format!(
            "the base lacks the library `{library}`: make one that has it, with `layr base build --include PACKAGE`"
        ));
    }
    if NETWORK.iter().any(|sign| line.contains(sign)) {
        return Some(
            "it tried to reach the network, which builds may not: what it downloads has to be in the base"
                .to_owned(),
        );
    }
    if line.contains("No space left on device") {
        return Some("the disk, or the sandbox's temporary folder, is full".to_owned());
    }
    if line.contains("virtual memory exhausted") || line.contains("cannot allocate memory") {
        return Some(
            "it needs more memory than a build may have: raise `memory` in [build] of layr.toml".to_owned(),
        );
    }
    None
}

/// gcc's and gfortran's ways of saying it.
fn missing_header(line: &str) -> Option<&str> {
    let rest = line.split_once("fatal error: ")?.1;
    let header = rest.strip_suffix(": No such file or directory")?;
    (!header.contains(' ')).then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_causes_are_named() {
        let cases = [
            ("x.c:3:10: fatal error: udunits2.h: No such file or directory", Some("`udunits2.h`")),
            ("/usr/bin/ld: cannot find -lgdal: No such file or directory", Some("`gdal`")),
            ("curl: (6) Could not resolve host: example.org", Some("network")),
            ("x.c:3: error: expected ';' before '}' token", None),
        ];
        for (line, part) in cases {
            let found = diagnose(&["make: done".to_owned(), line.to_owned(), "ERROR".to_owned()]);
            assert_eq!(
                found.as_ref().is_some_and(|text| text.contains(part.unwrap_or("?"))),
                part.is_some(),
                "{line}"
            );
        }
    }
}
