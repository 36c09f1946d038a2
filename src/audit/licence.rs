//! The `License` field of a DESCRIPTION to SPDX. Pure.
//!
//! The grammar is R's (Writing R Extensions, "Licensing"; R's `share/licenses/license.db`
//! for the names): alternatives with `|`, a name with a version or a range of versions, and
//! `+ file LICENSE` behind it. What has no name in SPDX becomes a `LicenseRef-…`.

use std::cmp::Ordering;

/// What a package may be used under: one of the choices.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Licence {
    /// In the field's order, never empty.
    pub choices: Vec<Choice>,
}

/// All of these hold together: SPDX identifiers, or `LicenseRef-…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice(pub Vec<String>);

/// Licences that one name stands for, by version.
struct Family {
    names: &'static [&'static str],
    /// Version as R has it, and SPDX's identifier, oldest first.
    versions: &'static [(&'static str, &'static str)],
    /// Whether SPDX tells "only" from "or later", as it does for GNU's licences.
    is_gnu: bool,
}

const FAMILIES: &[Family] = &[
    gnu(&["GPL", "GNU General Public License"], &[("1", "GPL-1.0"), ("2", "GPL-2.0"), ("3", "GPL-3.0")]),
    gnu(
        &["LGPL", "GNU Lesser General Public License", "GNU Library General Public License"],
        &[("2", "LGPL-2.0"), ("2.1", "LGPL-2.1"), ("3", "LGPL-3.0")],
    ),
    gnu(&["AGPL", "GNU Affero General Public License"], &[("3", "AGPL-3.0")]),
    gnu(&["GFDL", "FDL"], &[("1.1", "GFDL-1.1"), ("1.2", "GFDL-1.2"), ("1.3", "GFDL-1.3")]),
    other(
        &["Apache License", "Apache"],
        &[("1.0", "Apache-1.0"), ("1.1", "Apache-1.1"), ("2.0", "Apache-2.0")],
    ),
    other(&["MPL", "Mozilla Public License"], &[("1.0", "MPL-1.0"), ("1.1", "MPL-1.1"), ("2.0", "MPL-2.0")]),
    other(&["Artistic", "Artistic License"], &[("1.0", "Artistic-1.0"), ("2.0", "Artistic-2.0")]),
    other(&["BSL", "Boost Software License"], &[("1.0", "BSL-1.0")]),
    other(
        &["CeCILL"],
        &[("1.0", "CECILL-1.0"), ("1.1", "CECILL-1.1"), ("2.0", "CECILL-2.0"), ("2.1", "CECILL-2.1")],
    ),
    other(
        &["EUPL", "European Union Public License"],
        &[("1.0", "EUPL-1.0"), ("1.1", "EUPL-1.1"), ("1.2", "EUPL-1.2")],
    ),
    other(&["EPL", "Eclipse Public License"], &[("1.0", "EPL-1.0"), ("2.0", "EPL-2.0")]),
    other(&["CPL", "Common Public License"], &[("1.0", "CPL-1.0")]),
    other(&["Lucent Public License"], &[("1.02", "LPL-1.02")]),
    other(&["CC0"], &[("1.0", "CC0-1.0")]),
];

/// Names without a version. The first three are templates, of which `+ file LICENSE` has
/// the year and the holder.
const NAMES: &[(&str, &str)] = &[
    ("MIT", "MIT"),
    ("BSD_2_clause", "BSD-2-Clause"),
    ("BSD_3_clause", "BSD-3-Clause"),
    ("FreeBSD", "BSD-2-Clause"),
    ("X11", "X11"),
    ("Unlimited", "LicenseRef-Unlimited"),
    ("ACM", "LicenseRef-ACM"),
];
const N_TEMPLATES: usize = 3;

/// What R itself is under.
const OF_R: [&str; 2] = ["GPL-2.0-only", "GPL-3.0-only"];

const fn gnu(names: &'static [&'static str], versions: &'static [(&'static str, &'static str)]) -> Family {
    Family { names, versions, is_gnu: true }
}

const fn other(names: &'static [&'static str], versions: &'static [(&'static str, &'static str)]) -> Family {
    Family { names, versions, is_gnu: false }
}

impl Licence {
    /// Reads a field. Never fails: what is not understood is named.
    pub fn parse(field: &str) -> Self {
        let mut choices: Vec<Choice> = Vec::new();
        for choice in field.split('|').flat_map(alternative) {
            if !choices.contains(&choice) {
                choices.push(choice);
            }
        }
        Self { choices }
    }

    /// As an expression of SPDX's.
    pub fn expression(&self) -> String {
        let choices: Vec<String> = self.choices.iter().map(|choice| choice.0.join(" AND ")).collect();
        choices.join(" OR ")
    }

    /// Whether one can do without any text that has no name in SPDX.
    pub fn is_known(&self) -> bool {
        self.choices.iter().any(|choice| choice.0.iter().all(|id| !is_reference(id)))
    }
}

/// The licence names of Debian's copyright files (DEP-5), for the libraries that come along:
/// all of them hold for some file.
pub fn of_debian(names: &[String]) -> Licence {
    let mut ids: Vec<String> = names.iter().map(|name| debian_name(name)).collect();
    ids.sort();
    ids.dedup();
    if ids.is_empty() {
        ids.push("NOASSERTION".to_owned());
    }
    Licence { choices: vec![Choice(ids)] }
}

fn debian_name(name: &str) -> String {
    let (plain, or_later) = match name.strip_suffix('+') {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    match plain {
        "Expat" => return "MIT".to_owned(),
        "public-domain" => return "LicenseRef-public-domain".to_owned(),
        _ => {}
    }
    let gnu = plain.rsplit_once('-').and_then(|(family, version)| {
        let family = FAMILIES.iter().find(|known| known.is_gnu && known.names.contains(&family))?;
        let (_, id) = family.versions.iter().find(|(known, _)| same_version(known, version))?;
        Some(format!("{id}-{}", if or_later { "or-later" } else { "only" }))
    });
    let known = || spdx::license_id(plain).map(|id| id.name.to_owned());
    gnu.or_else(known).unwrap_or_else(|| reference(name))
}

/// One alternative of the field; several where a range of versions is one.
fn alternative(text: &str) -> Vec<Choice> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (base, file) = match text.split_once('+') {
        Some((base, rest)) if rest.trim().starts_with("file ") => (base.trim(), Some(rest.trim())),
        _ => (text.as_str(), None),
    };
    let is_template = NAMES[..N_TEMPLATES].iter().any(|(name, _)| *name == base);
    let ids = ids(base);
    let with_file = |id: String| match file {
        // It restricts or adds to what the base says.
        Some(file) if !is_template => Choice(vec![id, reference(file)]),
        _ => Choice(vec![id]),
    };
    ids.into_iter().map(with_file).collect()
}

/// What a name with or without a version may stand for: any one of these.
fn ids(text: &str) -> Vec<String> {
    if text.starts_with("Part of R") {
        return OF_R.map(str::to_owned).to_vec();
    }
    if let Some((_, id)) = NAMES.iter().find(|(name, _)| *name == text) {
        return vec![(*id).to_owned()];
    }
    if let Some(id) = creative_commons(text) {
        return vec![id];
    }
    let (name, versions) = match text.split_once('(') {
        Some((name, spec)) => (name.trim(), Versions::parse(spec.trim_end_matches(')'))),
        None => with_version(text),
    };
    let family = FAMILIES.iter().find(|family| family.names.contains(&name));
    if let (Some(family), Some(versions)) = (family, versions) {
        let found = family.within(&versions);
        if !found.is_empty() {
            return found;
        }
    }
    match spdx::license_id(text) {
        Some(id) => vec![id.name.to_owned()],
        None => vec![reference(text)],
    }
}

/// `GPL-2`, `Apache License 2.0`, or a bare name, which stands for any version.
fn with_version(text: &str) -> (&str, Option<Versions<'_>>) {
    let starts_with_digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    match text.rsplit_once(['-', ' ']) {
        Some((name, version)) if starts_with_digit(version) => {
            (name.trim_end_matches(" version"), Some(Versions(vec![("==", version)])))
        }
        _ => (text, Some(Versions(Vec::new()))),
    }
}

/// `CC BY-NC-SA 4.0` is named in SPDX as in R, but for the blanks.
fn creative_commons(text: &str) -> Option<String> {
    let id = text.strip_prefix("CC BY").map(|rest| format!("CC-BY{}", rest.replace(' ', "-")))?;
    spdx::license_id(&id).map(|id| id.name.to_owned())
}

/// Bounds that all hold: `>= 2, < 4`.
struct Versions<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Versions<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let bound = |part: &'a str| {
            let part = part.trim();
            let sign = ["==", ">=", "<=", "!=", ">", "<"].into_iter().find(|sign| part.starts_with(sign))?;
            Some((sign, part[sign.len()..].trim()))
        };
        text.split(',').map(bound).collect::<Option<Vec<_>>>().map(Self)
    }

    fn contains(&self, version: &str) -> bool {
        self.0.iter().all(|(sign, bound)| {
            let order = compare(version, bound);
            match *sign {
                ">=" => order != Ordering::Less,
                "<=" => order != Ordering::Greater,
                ">" => order == Ordering::Greater,
                "<" => order == Ordering::Less,
                "!=" => order != Ordering::Equal,
                _ => order == Ordering::Equal,
            }
        })
    }

    /// Whether any later version is as good.
    fn is_open(&self) -> bool {
        self.0.iter().all(|(sign, _)| matches!(*sign, ">=" | ">"))
    }
}

impl Family {
    /// SPDX's identifiers of the versions.
    fn within(&self, versions: &Versions<'_>) -> Vec<String> {
        let mut found = self.versions.iter().filter(|(version, _)| versions.contains(version));
        match (self.is_gnu, versions.is_open()) {
            (true, true) => found.next().map(|(_, id)| format!("{id}-or-later")).into_iter().collect(),
            (true, false) => found.map(|(_, id)| format!("{id}-only")).collect(),
            (false, _) => found.map(|(_, id)| (*id).to_owned()).collect(),
        }
    }
}

/// What a licence lets one choose instead of itself: of `GPL-2.0-or-later` the later ones.
pub(super) fn also(id: &str) -> Vec<String> {
    let Some(plain) = id.strip_suffix("-or-later") else { return Vec::new() };
    let family = FAMILIES.iter().find(|family| family.versions.iter().any(|(_, known)| *known == plain));
    let versions = family.map_or(&[][..], |family| family.versions).iter();
    let later: Vec<&str> = versions.map(|(_, id)| *id).skip_while(|id| *id != plain).collect();
    let only = later.iter().map(|id| format!("{id}-only"));
    let or_later = later.iter().skip(1).map(|id| format!("{id}-or-later"));
    only.chain(or_later).collect()
}

/// Whether a file of a package, by its path there, is about licences: R's own names for such
/// (Writing R Extensions, "Licensing"), and those of what is bundled.
pub fn is_text(path: &str) -> bool {
    let name = match path.rsplit_once('/') {
        Some((_, name)) => name,
        None if path == "DESCRIPTION" => return true,
        None => path,
    };
    let stem = name.split('.').next().unwrap_or(name).to_ascii_uppercase();
    ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"].iter().any(|word| stem.starts_with(word))
}

/// Numbers at the same place count; zeros at the end do not.
fn compare(a: &str, b: &str) -> Ordering {
    let numbers = |text: &str| {
        let mut numbers: Vec<u32> = text.split(['.', '-']).map(|part| part.parse().unwrap_or(0)).collect();
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        numbers
    };
    numbers(a).cmp(&numbers(b))
}

fn same_version(a: &str, b: &str) -> bool {
    b.starts_with(|c: char| c.is_ascii_digit()) && compare(a, b) == Ordering::Equal
}

pub(super) fn is_reference(id: &str) -> bool {
    id.starts_with("LicenseRef-") || id == "NOASSERTION"
}

/// Letters, digits, `.` and `-` are all that SPDX has in such a name.
fn reference(text: &str) -> String {
    let mut name = String::from("LicenseRef");
    for part in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').filter(|part| !part.is_empty()) {
        name.push('-');
        name.push_str(part);
    }
    if name == "LicenseRef" { "NOASSERTION".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields of real packages, and odd ones.
    #[test]
    fn fields_are_read_by_r_s_grammar() {
        let cases = [
            ("MIT + file LICENSE", "MIT"),
            ("MIT+ file LICENCE", "MIT"),
            ("GPL-2", "GPL-2.0-only"),
            ("GPL (>= 2)", "GPL-2.0-or-later"),
            ("GPL (>=2.0)", "GPL-2.0-or-later"),
            ("GPL (> 2)", "GPL-3.0-or-later"),
            ("GPL (== 2)", "GPL-2.0-only"),
            ("GPL", "GPL-1.0-or-later"),
            ("GPL-2 | GPL-3", "GPL-2.0-only OR GPL-3.0-only"),
            ("GPL (>= 2) | BSD_3_clause + file LICENSE", "GPL-2.0-or-later OR BSD-3-Clause"),
            ("GPL (>= 2, < 4)", "GPL-2.0-only OR GPL-3.0-only"),
            (
                "LGPL (>= 2.0, < 3) | Mozilla Public License",
                "LGPL-2.0-only OR LGPL-2.1-only OR MPL-1.0 OR MPL-1.1 OR MPL-2.0",
            ),
            ("LGPL-2.1", "LGPL-2.1-only"),
            ("GPL-3 + file LICENSE", "GPL-3.0-only AND LicenseRef-file-LICENSE"),
            ("Apache License (>= 2)", "Apache-2.0"),
            ("Apache License 2.0 | file LICENSE", "Apache-2.0 OR LicenseRef-file-LICENSE"),
            ("Apache License (== 2.0)", "Apache-2.0"),
            ("Apache-2.0", "Apache-2.0"), // SPDX's own name, which R does not know
            ("Artistic-2.0", "Artistic-2.0"),
            ("AGPL-3", "AGPL-3.0-only"),
            ("BSL-1.0", "BSL-1.0"),
            ("CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0"),
            ("CC BY 4.0", "CC-BY-4.0"),
            ("CC0", "CC0-1.0"),
            ("CeCILL-2 | GPL-2", "CECILL-2.0 OR GPL-2.0-only"),
            ("EPL | GPL-2", "EPL-1.0 OR EPL-2.0 OR GPL-2.0-only"),
            ("EUPL", "EUPL-1.0 OR EUPL-1.1 OR EUPL-1.2"),
            ("Lucent Public License", "LPL-1.02"),
            ("Part of R 4.5.0", "GPL-2.0-only OR GPL-3.0-only"),
            ("Unlimited", "LicenseRef-Unlimited"),
            ("file LICENSE", "LicenseRef-file-LICENSE"),
            ("Public domain", "LicenseRef-Public-domain"),
            ("GPL (>= 9)", "LicenseRef-GPL-9"),
            ("GPL (whatever)", "LicenseRef-GPL-whatever"),
            ("", "NOASSERTION"),
        ];
        for (field, expected) in cases {
            assert_eq!(Licence::parse(field).expression(), expected, "{field:?}");
        }
    }

    #[test]
    fn every_name_that_is_no_reference_is_one_of_spdx() {
        let of_families = FAMILIES.iter().flat_map(|family| {
            let ending = |id: &str| if family.is_gnu { format!("{id}-only") } else { id.to_owned() };
            family.versions.iter().map(move |(_, id)| ending(id)).collect::<Vec<_>>()
        });
        let names = NAMES.iter().map(|(_, id)| (*id).to_owned());
        for id in of_families.chain(names).filter(|id| !is_reference(id)) {
            assert!(spdx::license_id(&id).is_some(), "{id}");
        }
    }

    #[test]
    fn a_licence_is_known_where_one_choice_is() {
        for (field, known) in [("MIT", true), ("file LICENSE", false), ("GPL-3 | file LICENSE", true)] {
            assert_eq!(Licence::parse(field).is_known(), known, "{field}");
        }
    }

    #[test]
    fn files_about_licences_are_known_by_their_names() {
        for path in ["LICENSE", "LICENSE.note", "inst/COPYRIGHTS", "src/lib/COPYING.txt", "DESCRIPTION"] {
            assert!(is_text(path), "{path}");
        }
        for path in ["R/license.R.txt/x.R", "README.md", "inst/DESCRIPTION"] {
            assert!(!is_text(path), "{path}");
        }
    }

    #[test]
    fn the_later_versions_are_there_to_choose() {
        assert_eq!(also("GPL-2.0-or-later"), ["GPL-2.0-only", "GPL-3.0-only", "GPL-3.0-or-later"]);
        assert!(also("MIT").is_empty());
    }

    #[test]
    fn debian_s_names_are_known_too() {
        let names = ["Expat", "GPL-2+", "LGPL-2.1", "BSD-3-Clause", "odd thing"].map(str::to_owned);
        assert_eq!(
            of_debian(&names).expression(),
            "BSD-3-Clause AND GPL-2.0-or-later AND LGPL-2.1-only AND LicenseRef-odd-thing AND MIT"
        );
    }
}
