//! A package's C++ files to the header that is worth reading once for all of them. Pure.
//!
//! Reading headers is most of what compiling C++ takes: in stringi 85 files begin with the
//! same one, and take half as long where gcc has it precompiled. gcc uses what it
//! precompiled only where it is the first thing that a file includes.

use std::collections::BTreeMap;

/// Files that must begin with a header. Precompiling it takes as long as reading it two or
/// three times.
const MIN_FILES: usize = 4;

/// What lies in a package's `src`, by name, with the header that it begins with, if it is a
/// C++ file that begins with one.
pub(super) type Own = BTreeMap<String, Option<String>>;

/// The variables that tell the recipe's Makevars what to precompile, and to which file:
/// gcc looks for that in the folder of the header, and before that where we say.
pub(super) fn environment(sources: &Own) -> Vec<(String, String)> {
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
fn shared_header(sources: &Own) -> Option<&str> {
    let mut n_files: BTreeMap<&str, usize> = BTreeMap::new();
    for header in sources.values().flatten() {
        *n_files.entry(header).or_default() += 1;
    }
    let (header, n) = n_files.into_iter().max_by_key(|(header, n)| (*n, std::cmp::Reverse(*header)))?;
    (n >= MIN_FILES).then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(files: &[(&str, &str)]) -> Own {
        files.iter().map(|(name, header)| ((*name).to_owned(), Some((*header).to_owned()))).collect()
    }

    #[test]
    fn a_header_is_precompiled_where_enough_files_begin_with_it() {
        let rcpp = "<Rcpp.h>";
        let four = package(&[("a.cpp", rcpp), ("b.cc", rcpp), ("c.cpp", rcpp), ("d.cpp", rcpp)]);
        let expected = [("PRECOMPILE", "#include <Rcpp.h>"), ("PRECOMPILED", "/tmp/precompiled/Rcpp.h.gch")];
        assert_eq!(environment(&four), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let mut three = package(&[("a.cpp", rcpp), ("b.cc", rcpp), ("c.cpp", rcpp)]);
        three.insert("d.c".to_owned(), None);
        assert!(environment(&three).is_empty(), "C is compiled quickly");
    }

    #[test]
    fn a_header_of_the_package_is_precompiled_beside_it_since_gcc_looks_there_first() {
        let own = "\"own.h\"";
        let mut files = package(&[("a.cpp", own), ("b.cpp", own), ("c.cpp", own), ("d.cpp", own)]);
        assert_eq!(environment(&files)[1].1, "/tmp/precompiled/own.h.gch", "it comes from elsewhere");
        files.insert("own.h".to_owned(), None);
        assert_eq!(environment(&files)[1].1, "own.h.gch");
    }
}
