//! A package's C++ files to the header that is worth reading once for all of them. Pure.
//!
//! Reading headers is most of what compiling C++ takes: in stringi 85 files begin with the
//! same one, and take half as long where gcc has it precompiled. gcc uses what it
//! precompiled only where it is the first thing that a file includes.

use std::collections::BTreeMap;

/// Files that must begin with a header. Precompiling it takes as long as reading it two or
/// three times.
const MIN_FILES: usize = 4;

/// What the recipe's Makevars makes rules for.
pub(super) fn is_cpp(name: &str) -> bool {
    matches!(name.rsplit_once('.'), Some((_, "cpp" | "cc")))
}

/// The variables that tell the recipe's Makevars what to precompile, and to which file:
/// gcc looks for that in the folder of the header, and before that where we say.
pub(super) fn environment(sources: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let Some(header) = shared_header(sources) else { return Vec::new() };
    let name = &header[1..header.len() - 1];
    let is_beside = header.starts_with('"') && sources.contains_key(name);
    let folder = if is_beside { "" } else { "/tmp/precompiled/" };
    vec![
        ("PRECOMPILE".to_owned(), format!("#include {header}")),
        ("PRECOMPILED".to_owned(), format!("{folder}{name}.gch")),
    ]
}

/// The header that most C++ files begin with, if it is enough of them.
fn shared_header(sources: &BTreeMap<String, String>) -> Option<&str> {
    let mut n_files: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, text) in sources.iter().filter(|(name, _)| is_cpp(name)) {
        if let Some(header) = first_include(text) {
            *n_files.entry(header).or_default() += 1;
        }
    }
    let (header, n) = n_files.into_iter().max_by_key(|(header, n)| (*n, std::cmp::Reverse(*header)))?;
    (n >= MIN_FILES).then_some(header)
}

/// `<Rcpp.h>` or `"package.h"`, where including it is the first thing that the file does.
fn first_include(text: &str) -> Option<&str> {
    let directive = after_comments(text).strip_prefix('#')?.trim_start();
    let rest = directive.strip_prefix("include")?.trim_start();
    let close = if rest.starts_with('<') { '>' } else { '"' };
    let header = &rest[..rest.get(1..)?.find(close)? + 2];
    let name = &header[1..header.len() - 1];
    // It goes through make and a shell.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/+".contains(c);
    let is_inside = !name.starts_with('/') && !name.split('/').any(|part| part == "..");
    (!name.is_empty() && name.chars().all(is_plain) && is_inside).then_some(header)
}

fn after_comments(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let after = match rest.get(..2) {
            Some("//") => rest.split_once('\n'),
            Some("/*") => rest[2..].split_once("*/"),
            _ => return rest,
        };
        rest = after.map_or("", |(_, after)| after).trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_begins_with_a_header_where_nothing_but_comments_comes_before() {
        let cases = [
            ("#include <Rcpp.h>\nint x;", Some("<Rcpp.h>")),
            ("// one\n/* two\n * three */\n\n # include \"a/b.h\" // four", Some("\"a/b.h\"")),
            ("#define R_NO_REMAP\n#include <Rcpp.h>", None), // it can change the header
            ("#pragma once\n#include <Rcpp.h>", None),
            ("int x;\n#include <Rcpp.h>", None),
            ("#include \"../b.h\"", None),
            ("#include </etc/passwd>", None),
            ("#include \"$(shell id)\"", None),
            ("#include HEADER", None),
            ("#include <Rcpp.h", None),
            ("#include \"", None),
            ("/* without end", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(first_include(text), expected, "{text:?}");
        }
    }

    fn package(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_header_is_precompiled_where_enough_files_begin_with_it() {
        let rcpp = "#include <Rcpp.h>\n";
        let four = package(&[("a.cpp", rcpp), ("b.cc", rcpp), ("c.cpp", rcpp), ("d.cpp", rcpp)]);
        let expected = [("PRECOMPILE", "#include <Rcpp.h>"), ("PRECOMPILED", "/tmp/precompiled/Rcpp.h.gch")];
        assert_eq!(environment(&four), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let three = package(&[("a.cpp", rcpp), ("b.cc", rcpp), ("c.cpp", rcpp), ("d.c", rcpp)]);
        assert!(environment(&three).is_empty(), "C is compiled quickly");
    }

    #[test]
    fn a_header_of_the_package_is_precompiled_beside_it_since_gcc_looks_there_first() {
        let own = "#include \"own.h\"\n";
        let mut files = package(&[("a.cpp", own), ("b.cpp", own), ("c.cpp", own), ("d.cpp", own)]);
        assert_eq!(environment(&files)[1].1, "/tmp/precompiled/own.h.gch", "it comes from elsewhere");
        files.insert("own.h".to_owned(), String::new());
        assert_eq!(environment(&files)[1].1, "own.h.gch");
    }
}
