//! Which files of an R a function needs to run. Pure.

use crate::model::is_base_package;

/// Below a package: what is read by people, or when packages are built and checked.
const NOT_IN_PACKAGES: [&str; 9] = ["demo", "doc", "help", "html", "include", "INDEX", "man", "po", "tests"];

/// Whether the file at `path`, from R's home on, goes into the runtime layer.
///
/// Left out is what needs a display, an editor or a compiler, and what is read by people.
/// The recommended packages come from lockfiles, as all others.
pub(super) fn is_kept(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["COPYING" | "sbom.cdx.json"]
        | ["bin", "R" | "Rscript"]
        | ["bin", "exec", "R"]
        | ["etc", "repositories"]
        | ["modules", "internet.so" | "lapack.so"]
        | ["share", "encodings" | "licenses" | "zoneinfo", ..] => true,
        ["lib", rest @ ..] => rest.last().is_some_and(|name| name.contains(".so")),
        ["library", package, rest @ ..] => is_of_r(package) && in_package(rest),
        _ => false,
    }
}

/// Translations of messages, and Tcl/Tk, are base packages too.
fn is_of_r(package: &str) -> bool {
    !matches!(package, "tcltk" | "translations") && package.parse().is_ok_and(|name| is_base_package(&name))
}

fn in_package(path: &[&str]) -> bool {
    match path {
        // Not bitmaps by cairo, which wants pango, X11 and fonts.
        ["libs", name] => *name != "cairo.so" && name.contains(".so"),
        [] | ["libs", ..] => false,
        [first, ..] => !NOT_IN_PACKAGES.contains(first),
    }
}

/// Whether the file at `path`, from the folder of time zones on, is one of a zone or names
/// zones: not the copies with leap seconds, and not the tables for other programs.
pub(super) fn is_time_zone(path: &str) -> bool {
    let is_capital = |c: char| c.is_ascii_uppercase();
    path.starts_with(is_capital) || matches!(path, "zone.tab" | "zone1970.tab" | "iso3166.tab")
}

/// R's front end with its places at `/opt/R`: they are compiled into other scripts, but
/// assigned in this one.
pub(super) fn front_end(text: &str) -> String {
    let places = [
        ("R_HOME_DIR=", "R_HOME_DIR=/opt/R"),
        ("R_SHARE_DIR=", "R_SHARE_DIR=/opt/R/share"),
        ("R_INCLUDE_DIR=", "R_INCLUDE_DIR=/opt/R/include"),
        ("R_DOC_DIR=", "R_DOC_DIR=/opt/R/doc"),
    ];
    let place =
        |line: &str| places.iter().find(|(start, _)| line.starts_with(start)).map(|(_, place)| *place);
    text.lines().map(|line| format!("{}\n", place(line).unwrap_or(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_r_goes_along_what_runs_and_nothing_that_is_read() {
        let cases = [
            ("bin/exec/R", true),
            ("bin/R", true),
            ("bin/INSTALL", false), // nothing is built on Lambda
            ("bin/libtool", false),
            ("lib/libR.so", true),
            ("lib/libRblas.so", true),
            ("lib/.libs/libicudata-ab.so.76", true), // the portable R brings its own
            ("lib/libR.a", false),
            ("modules/lapack.so", true),
            ("modules/R_X11.so", false),
            ("etc/Makeconf", false),
            ("include/R.h", false),
            ("doc/NEWS", false),
            ("COPYING", true),
            ("library/base/R/base.rdb", true),
            ("library/base/Meta/package.rds", true),
            ("library/base/help/base.rdb", false),
            ("library/stats/demo/nlm.R", false),
            ("library/stats/libs/stats.so", true),
            ("library/grDevices/afm/Helvetica.afm.gz", true), // for pdf()
            ("library/grDevices/libs/cairo.so", false),
            ("library/datasets/data/Rdata.rdb", true),
            ("library/tcltk/libs/tcltk.so", false),
            ("library/translations/de/LC_MESSAGES/R.mo", false),
            ("library/MASS/R/MASS.rdb", false), // recommended: from the lockfile
            ("share/licenses/GPL-3", true),
            ("share/texmf/tex/latex/Rd.sty", false),
        ];
        for (path, kept) in cases {
            assert_eq!(is_kept(path), kept, "{path}");
        }
    }

    #[test]
    fn of_time_zones_go_along_the_zones() {
        let cases = [
            ("Europe/Berlin", true),
            ("UTC", true),
            ("zone1970.tab", true),
            ("posix/Europe/Berlin", false),
            ("right/UTC", false),
            ("tzdata.zi", false),
            ("leap-seconds.list", false),
        ];
        for (path, kept) in cases {
            assert_eq!(is_time_zone(path), kept, "{path}");
        }
    }

    #[test]
    fn the_front_end_finds_r_in_opt() {
        let text = "#!/bin/bash\nR_HOME_DIR=/usr/lib/R\nif x; then\n  R_HOME_DIR=\"/usr/lib64/R\"\nfi\nR_DOC_DIR=/usr/share/R/doc\n";
        assert_eq!(
            front_end(text),
            "#!/bin/bash\nR_HOME_DIR=/opt/R\nif x; then\n  R_HOME_DIR=\"/usr/lib64/R\"\nfi\nR_DOC_DIR=/opt/R/doc\n"
        );
    }
}
