//! What a lockfile repeats of a package's DESCRIPTION. Nothing is built by it, since the
//! source says it with more authority; whoever asks what is known without sources looks here.

use crate::model::{PackageName, without_base_packages};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stated {
    /// `License`, as it stands there.
    pub license: Option<String>,
    /// What it needs of other packages, to build or to run, without those that R has; `None`
    /// where the file does not say.
    pub needs: Option<Vec<PackageName>>,
}

/// The packages of entries such as `cli (>= 3.6.0)`, each once. What is no package's name is
/// passed over, as `R` is.
pub(super) fn names<'a>(entries: impl Iterator<Item = &'a str>) -> Vec<PackageName> {
    let name = |entry: &str| entry.split(['(', ' ']).next().unwrap_or_default().trim().parse().ok();
    without_base_packages(entries.map(str::trim).filter_map(name))
}

/// The same of a list in TOML, of names and of tables with a name.
pub(super) fn of_toml(entries: &[toml::Value]) -> Vec<PackageName> {
    names(entries.iter().filter_map(|entry| entry.as_str().or_else(|| entry.get("name")?.as_str())))
}

#[cfg(test)]
mod tests {
    use crate::lockfile::parse;

    fn stated(text: &str) -> Vec<String> {
        let told = parse(text).unwrap().packages.into_values().map(|package| {
            let needs = package
                .stated
                .needs
                .map(|needs| needs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
            let license = package.stated.license.unwrap_or_else(|| "?".to_owned());
            format!("{}: {license}, {}", package.id.name, needs.unwrap_or_else(|| "?".to_owned()))
        });
        told.collect()
    }

    #[test]
    fn what_each_form_repeats_of_descriptions_is_read() {
        let renv = r#"{ "R": { "Version": "4.5.0" }, "Packages": {
            "a1": { "Version": "1.0", "Source": "Repository", "Hash": "d4335fe7207f1c01ab8c41762f5840d4" },
            "b1": { "Version": "1.0", "Source": "Repository", "Requirements": ["R", "a1", "stats"] },
            "c1": { "Version": "1.0", "Source": "Repository", "Requirements": "a1" },
            "d1": { "Version": "1.0", "Source": "Repository", "Title": "D", "License": "MIT + file LICENSE",
                    "Depends": ["R (>= 3.6)", "methods"], "Imports": ["b1 (>= 1.0)", "a1"], "LinkingTo": "c1" },
            "e1": { "Version": "1.0", "Source": "Repository", "Title": "E", "License": "GPL-3" } } }"#;
        let packrat = "PackratFormat: 1.4\nRVersion: 4.5.0\n\nPackage: a1\nSource: CRAN\nVersion: 1.0\n\nPackage: b1\nSource: CRAN\nVersion: 1.0\nRequires: a1, MASS\n";
        let pak = r#"{ "lockfile_version": 1, "packages": [
            { "package": "a1", "version": "1.0", "type": "cran", "license": "GPL-2 | GPL-3",
              "dependencies": ["o/b1@v1", "c1", "methods"] },
            { "package": "d1", "version": "1.0", "type": "cran" } ] }"#;
        let rv = "version = 2\nr_version = \"4.4\"\n\n[[packages]]\nname = \"a1\"\nversion = \"1.0\"\nsource = { repository = \"https://a.example\" }\ndependencies = [\"b1\", { name = \"c1\", requirement = \"(>= 1.0)\" }]\n";
        let uvr = "[r]\nversion = \"4.4.1\"\n\n[[package]]\nname = \"a1\"\nversion = \"1.0\"\nsource = \"cran\"\nrequires = [\"b1\"]\n";
        let cases: [(&str, &[&str]); 5] = [
            (
                renv,
                &["a1: ?, ?", "b1: ?, a1", "c1: ?, a1", "d1: MIT + file LICENSE, a1 b1 c1", "e1: GPL-3, "],
            ),
            (packrat, &["a1: ?, ", "b1: ?, MASS a1"]),
            (pak, &["a1: GPL-2 | GPL-3, b1 c1", "d1: ?, ?"]),
            (rv, &["a1: ?, b1 c1"]),
            (uvr, &["a1: ?, b1"]),
        ];
        for (text, expected) in cases {
            assert_eq!(stated(text), expected, "{text}");
        }
    }
}
