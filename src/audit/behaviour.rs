//! A source tarball's files to what the package does beside being read: what it runs and
//! downloads while it is installed or loaded, and what of it is code that nobody reads. Pure.
//!
//! Words are looked for, not meanings: what is found is to be looked at, and what is not
//! found is not proven to be absent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::rule::Rule;
use crate::rdata::{self, Content, UnpackError};

/// One thing that a package does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Behaviour {
    pub rule: Rule,
    /// In the package; empty where it is of the package as a whole.
    pub path: String,
    pub what: String,
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.what)
        } else {
            write!(f, "`{}` {}", self.path, self.what)
        }
    }
}

/// Looks at one file after the other.
#[derive(Debug, Default)]
pub struct Scan {
    found: BTreeSet<Behaviour>,
    languages: BTreeSet<&'static str>,
    /// Files that are looked into with another one, by their paths.
    halves: BTreeMap<String, Vec<u8>>,
    n_kept_bytes: usize,
}

/// Bytes of such files that are kept until both are there, and that they may unpack to.
const KEPT_BYTES: usize = 512 << 20;

/// Files that are run as they are.
const RUN: [(&str, &str); 4] = [
    ("configure", "is run before the package is compiled"),
    ("cleanup", "may be run after the package was installed"),
    ("src/install.libs.R", "is run after the package was compiled"),
    ("src/Makefile", "says by commands of its own how the package is compiled"),
];

/// Languages by the endings of files in `src`.
const LANGUAGES: [(&str, &str); 14] = [
    ("c", "C"),
    ("cc", "C++"),
    ("cpp", "C++"),
    ("cxx", "C++"),
    ("C", "C++"),
    ("f", "Fortran"),
    ("f77", "Fortran"),
    ("f90", "Fortran"),
    ("f95", "Fortran"),
    ("for", "Fortran"),
    ("m", "Objective-C"),
    ("mm", "Objective-C"),
    ("rs", "Rust"),
    ("go", "Go"),
];

/// What R code calls to get something from the network.
const R_DOWNLOADS: [&str; 9] = [
    "download.file(",
    "curl_download(",
    "curl_fetch_memory(",
    "install.packages(",
    "install_github(",
    "httr::GET(",
    "url(\"http",
    "readLines(\"http",
    "source(\"http",
];

/// What scripts call. Those that are words of other things as well are asked for more.
const SCRIPT_DOWNLOADS: [&str; 5] = ["git clone ", "pip install ", "npm install", "go get ", "cargo fetch"];
const FETCHERS: [&str; 3] = ["curl", "wget", "aria2c"];

/// Functions of a package that R calls by itself, when it is loaded, attached, or unloaded.
const HOOKS: [&str; 4] = [".onLoad", ".onAttach", ".First.lib", ".onUnload"];

impl Scan {
    /// `path` is within the package, without its folder.
    pub fn file(&mut self, path: &str, bytes: &[u8]) {
        if let Some((_, what)) = RUN.iter().find(|(name, _)| *name == path) {
            self.add(Rule::RunsCode, path, what);
        }
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        if path.starts_with("src/")
            && let Some((_, language)) = LANGUAGES.iter().find(|(ending, _)| *ending == extension)
        {
            self.languages.insert(language);
        }
        if bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"MZ") && matches!(extension, "dll" | "exe") {
            self.add(Rule::NativeCode, path, "is machine code that is not built from the package's source");
        }
        if matches!(extension, "rds" | "rda" | "RData" | "Rdata") {
            self.data(path, bytes);
        }
        if matches!(extension, "rdb" | "rdx") {
            self.half(path, bytes);
        }
        let is_script = RUN.iter().any(|(name, _)| *name == path)
            || path.starts_with("tools/")
            || matches!(path, "src/Makevars" | "src/Makevars.in");
        let is_r = path.starts_with("R/") && matches!(extension, "R" | "r" | "S" | "s" | "q");
        if is_script {
            self.script(path, &String::from_utf8_lossy(bytes));
        } else if is_r {
            self.r_code(path, &String::from_utf8_lossy(bytes));
        }
    }

    pub fn finish(mut self) -> Vec<Behaviour> {
        let mut halves = std::mem::take(&mut self.halves);
        while let Some((path, bytes)) = halves.pop_first() {
            let Some(stem) = path.strip_suffix(".rdb") else { continue };
            match halves.remove(&format!("{stem}.rdx")) {
                Some(index) => self.database(&path, &bytes, &index),
                None => self.not_looked_into(&path, "it has no index beside it"),
            }
        }
        if !self.languages.is_empty() {
            let languages: Vec<&str> = self.languages.iter().copied().collect();
            let what = format!("has code in {} to compile", languages.join(", "));
            self.add(Rule::NativeCode, "", &what);
        }
        self.found.into_iter().collect()
    }

    fn add(&mut self, rule: Rule, path: &str, what: &str) {
        self.found.insert(Behaviour { rule, path: path.to_owned(), what: what.to_owned() });
    }

    fn script(&mut self, path: &str, text: &str) {
        let is_make = path.starts_with("src/Make");
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            if is_make && (line.contains("$(shell ") || line.contains('`')) {
                self.add(Rule::RunsCode, path, "runs commands while it is read");
            }
            let called = SCRIPT_DOWNLOADS.iter().copied().find(|word| line.contains(word));
            let called = called.or_else(|| FETCHERS.into_iter().find(|program| calls(line, program)));
            let called = called.or_else(|| R_DOWNLOADS.into_iter().find(|word| line.contains(word)));
            if let Some(word) = called {
                let word = word.trim_end_matches(['(', ' ']);
                self.add(Rule::Downloads, path, &format!("calls `{word}` while the package is installed"));
            }
        }
    }

    fn r_code(&mut self, path: &str, text: &str) {
        for hook in HOOKS {
            let Some(body) = body_of(text, hook) else { continue };
            for word in R_DOWNLOADS.iter().filter(|word| body.contains(**word)) {
                let what =
                    format!("calls `{}` in `{hook}`, when the package is loaded", word.trim_end_matches('('));
                self.add(Rule::Downloads, path, &what);
            }
            for word in ["system(", "system2("].iter().filter(|word| body.contains(**word)) {
                let what =
                    format!("calls `{}` in `{hook}`, when the package is loaded", word.trim_end_matches('('));
                self.add(Rule::RunsCode, path, &what);
            }
        }
    }

    fn data(&mut self, path: &str, bytes: &[u8]) {
        match rdata::unpacked(bytes) {
            Ok(bytes) => self.holds(path, rdata::content(&bytes)),
            Err(error) => self.not_looked_into(path, &error.to_string()),
        }
    }

    fn holds(&mut self, path: &str, content: Content) {
        match content {
            Content::Data => {}
            Content::Promise => {
                let what = "holds a promise, which runs code when the file is read";
                self.add(Rule::SerializedCode, path, what);
            }
            Content::Function => self.add(Rule::SerializedCode, path, "holds functions"),
            Content::Unknown(why) => self.not_looked_into(path, why),
        }
    }

    fn not_looked_into(&mut self, path: &str, why: &str) {
        self.add(Rule::SerializedCode, path, &format!("was not looked into: {why}"));
    }

    /// Either of the two files that objects of lazy loading are in: one by one and behind
    /// each other, so that the index is needed to look into the other.
    fn half(&mut self, path: &str, bytes: &[u8]) {
        self.n_kept_bytes += bytes.len();
        if self.n_kept_bytes > KEPT_BYTES {
            return self.not_looked_into(path, "there is too much of its kind");
        }
        self.halves.insert(path.to_owned(), bytes.to_vec());
    }

    /// The worst of all objects, each of which is looked into once.
    fn database(&mut self, path: &str, objects: &[u8], index: &[u8]) {
        let Some(index) = rdata::index(index) else {
            return self.not_looked_into(path, "its index is not in R's form");
        };
        let (mut worst, mut n_bytes) = (Content::Data, 0);
        for place in index.into_values().collect::<BTreeSet<_>>() {
            let content = match rdata::object(objects, place) {
                Ok(object) => {
                    n_bytes += object.len();
                    rdata::content(&object)
                }
                Err(UnpackError::Damaged) => Content::Unknown("it is damaged"),
                Err(UnpackError::TooLarge) => Content::Unknown("it is too large"),
            };
            worst = worst.max(content);
            if n_bytes > KEPT_BYTES {
                worst = worst.max(Content::Unknown("it is too large"));
                break;
            }
        }
        self.holds(path, worst);
    }
}

/// Whether a line of a script runs the program: `curl -L`, and not `-lcurl` or `curl-config`.
fn calls(line: &str, program: &str) -> bool {
    line.match_indices(program).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let starts = before
            .is_none_or(|c| c.is_whitespace() || matches!(c, '`' | '(' | ';' | '|' | '&' | '"' | '\'' | '@'));
        let rest = &line[at + program.len()..];
        let argument = rest.strip_prefix(' ').map(str::trim_start).unwrap_or_default();
        starts && (argument.starts_with(['-', '$', '"', '\'']) || argument.starts_with("http"))
    })
}

/// The body of a function that is assigned to the name, braces and all; comments stay.
fn body_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let assigned = text.match_indices(name).find_map(|(at, _)| {
        let rest = text[at + name.len()..].trim_start();
        let rest = rest.strip_prefix("<-").or_else(|| rest.strip_prefix('='))?.trim_start();
        let rest = rest.strip_prefix("function")?;
        let head = rest.find(')')?;
        Some(rest[head + 1..].trim_start())
    })?;
    if !assigned.starts_with('{') {
        return assigned.lines().next();
    }
    let (mut depth, mut quote, mut is_escaped, mut is_comment) = (0_usize, None, false, false);
    for (at, c) in assigned.char_indices() {
        match (quote, c) {
            _ if is_comment => is_comment = c != '\n',
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '#') => is_comment = true,
            (None, '{') => depth += 1,
            (None, '}') if depth == 1 => return Some(&assigned[..=at]),
            (None, '}') => depth -= 1,
            (Some(_) | None, _) => {}
        }
    }
    Some(assigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(files: &[(&str, &str)]) -> Vec<String> {
        let mut scan = Scan::default();
        for (path, text) in files {
            scan.file(path, text.as_bytes());
        }
        scan.finish().iter().map(|found| format!("{}: {found}", found.rule.name())).collect()
    }

    #[test]
    fn what_is_run_and_downloaded_is_told_with_its_file() {
        let found = scanned(&[
            ("DESCRIPTION", "Package: a1"),
            (
                "configure",
                "#!/bin/sh\n# curl -L https://no.example\ncurl -sfL \"https://a.example/lib.tar.gz\"\n",
            ),
            ("src/Makevars", "PKG_LIBS = $(shell pkg-config --libs libcurl) -lcurl\n"),
            ("src/install.libs.R", "download.file('https://a.example/x', 'x')\n"),
            ("src/a.cpp", "int x;"),
            ("src/lib/b.c", "int y;"),
            ("inst/c.c", "int z;"),
        ]);
        assert_eq!(
            found,
            [
                "runs-code: `configure` is run before the package is compiled",
                "runs-code: `src/Makevars` runs commands while it is read",
                "runs-code: `src/install.libs.R` is run after the package was compiled",
                "downloads: `configure` calls `curl` while the package is installed",
                "downloads: `src/install.libs.R` calls `download.file` while the package is installed",
                "native-code: has code in C, C++ to compile",
            ]
        );
    }

    #[test]
    fn the_word_curl_alone_is_no_download() {
        let quiet = [
            "PKG_CFLAGS=`curl-config --cflags`",
            "echo \"install libcurl4-openssl-dev\"",
            "PKG_LIBS=-lcurl -lz",
            "pkg-config --exists libcurl",
            "curl is needed",
        ];
        for line in quiet {
            assert!(!calls(line, "curl"), "{line}");
        }
        for line in ["x=`curl -s $URL`", "wget -q -O- x | curl https://x", "@curl \"$(URL)\" -o x"] {
            assert!(calls(line, "curl"), "{line}");
        }
    }

    #[test]
    fn hooks_are_read_to_their_end_and_no_further() {
        let hook = ".onLoad <- function(libname, pkgname) {\n  x <- \"}\" # }\n  if (a) { utils::download.file(u, f) }\n}\n";
        assert_eq!(
            scanned(&[("R/zzz.R", hook)]),
            ["downloads: `R/zzz.R` calls `download.file` in `.onLoad`, when the package is loaded"]
        );
        let after = ".onLoad <- function(libname, pkgname) {\n  invisible()\n}\nget <- function(u) download.file(u, 'x')\n";
        assert!(scanned(&[("R/zzz.R", after)]).is_empty());
        assert_eq!(
            scanned(&[("R/zzz.R", ".onAttach = function(...) system('uname')\n")]),
            ["runs-code: `R/zzz.R` calls `system` in `.onAttach`, when the package is loaded"]
        );
        assert!(scanned(&[("R/zzz.R", ".onLoad <- function(x) {\n  never closed")]).is_empty());
    }

    #[test]
    fn machine_code_in_a_source_is_told() {
        assert_eq!(
            scanned(&[("inst/bin/tool", "\x7fELF\x02")]),
            ["native-code: `inst/bin/tool` is machine code that is not built from the package's source"]
        );
    }
}
