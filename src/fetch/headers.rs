//! A C++ file to the header that it begins with. Pure.

/// Whether R's rules compile a file of this name as C++.
pub fn is_cpp(name: &str) -> bool {
    matches!(name.rsplit_once('.'), Some((_, "cpp" | "cc")))
}

/// `<Rcpp.h>` or `"package.h"`, where including it is the first thing that the file does.
pub fn first_include(bytes: &[u8]) -> Option<String> {
    included(&String::from_utf8_lossy(bytes)).map(str::to_owned)
}

fn included(text: &str) -> Option<&str> {
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
            assert_eq!(first_include(text.as_bytes()).as_deref(), expected, "{text:?}");
        }
    }
}
