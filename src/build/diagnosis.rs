//! The last lines of a build's log to its cause, where it is a known one. Pure.

use crate::requirements::{Distribution, Source, source_of_header, source_of_library};

/// What the cause is and what to do about it, in a base of that distribution.
pub(super) fn diagnose(lines: &[String], distribution: Option<Distribution>) -> Option<String> {
    lines.iter().rev().find_map(|line| diagnose_line(line, distribution))
}

/// What programs say that find no network.
const NETWORK: [&str; 5] = [
    "Could not resolve host",
    "Temporary failure in name resolution",
    "Network is unreachable",
    "cannot open URL",
    "unable to resolve host",
];

fn diagnose_line(line: &str, distribution: Option<Distribution>) -> Option<String> {
    if let Some(header) = missing_header(line) {
        let source = distribution.and_then(|distribution| source_of_header(header, distribution));
        return Some(lacking(&format!("the header `{header}`"), (source, distribution)));
    }
    if let Some((_, rest)) = line.split_once("cannot find -l") {
        let library = rest.split([':', ' ']).next().unwrap_or(rest);
        let source = distribution.and_then(|distribution| source_of_library(library, distribution));
        return Some(lacking(&format!("the library `{library}`"), (source, distribution)));
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

fn lacking(what: &str, (source, distribution): (Option<Source>, Option<Distribution>)) -> String {
    let system = distribution.map_or("", Distribution::name);
    match source {
        Some(Source::Packages(packages)) => format!(
            "the base lacks {what}, which {system} has in {}: make a base that has it, with `layr base build \
             --include {}`",
            packages.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and "),
            packages.join(","),
        ),
        Some(Source::Nowhere) => format!(
            "the base lacks {what}, and {system} has no package of it: build in a base of another system, or in \
             an image of your own"
        ),
        Some(Source::Unknown) | None => format!(
            "the base lacks {what}: make one that has its library, with `layr base build --include PACKAGE`"
        ),
    }
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
            ("x.c:3:10: fatal error: udunits2.h: No such file or directory", Some("in `libudunits2-dev`")),
            ("x.c:3:10: fatal error: nobody/x.h: No such file or directory", Some("`nobody/x.h`")),
            ("/usr/bin/ld: cannot find -lgdal: No such file or directory", Some("--include libgdal-dev")),
            ("curl: (6) Could not resolve host: example.org", Some("network")),
            ("x.c:3: error: expected ';' before '}' token", None),
        ];
        for (line, part) in cases {
            let log = ["make: done".to_owned(), line.to_owned(), "ERROR".to_owned()];
            let found = diagnose(&log, Some(Distribution::Debian));
            match part {
                Some(part) => {
                    assert!(found.as_ref().is_some_and(|text| text.contains(part)), "{line}: {found:?}");
                }
                None => assert_eq!(found, None, "{line}"),
            }
        }
    }

    #[test]
    fn what_a_system_has_no_package_of_is_said() {
        let log = ["x.cpp:1: fatal error: gdal.h: No such file or directory".to_owned()];
        let of = |distribution| diagnose(&log, distribution).unwrap();
        assert!(of(Some(Distribution::Al2023)).contains("Amazon Linux 2023 has no package of it"));
        assert!(of(None).contains("--include PACKAGE"), "a system that is not known");
    }
}
