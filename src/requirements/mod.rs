//! What a package's DESCRIPTION asks of the system, in prose, to the system packages that
//! have it; and headers and libraries that a build did not find, to the same. Pure.

/// The rules, carried inside the program; the file's head says how to refresh them.
const RULES: &str = include_str!("../../requirements/rules.tsv");

/// A system whose packages have known names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    Debian,
    /// Amazon Linux 2023.
    Al2023,
}

impl Distribution {
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian => "Debian",
            Self::Al2023 => "Amazon Linux 2023",
        }
    }
}

/// Something that a package asks of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// As the rules name it, e.g. `udunits`.
    pub name: &'static str,
    pub source: Source,
    /// The DESCRIPTION says that it can do without.
    pub is_optional: bool,
}

/// Where a system has something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// All of these packages together.
    Packages(Vec<&'static str>),
    /// The distribution has no package of it.
    Nowhere,
    /// We do not know.
    Unknown,
}

struct Rule {
    name: &'static str,
    said_as: Vec<&'static str>,
    debian: &'static str,
    al2023: &'static str,
    headers: Vec<&'static str>,
    libraries: Vec<&'static str>,
}

impl Rule {
    fn source(&self, distribution: Distribution) -> Source {
        let packages = match distribution {
            Distribution::Debian => self.debian,
            Distribution::Al2023 => self.al2023,
        };
        match packages {
            "-" => Source::Nowhere,
            "?" => Source::Unknown,
            packages => Source::Packages(packages.split(',').collect()),
        }
    }
}

fn rules() -> impl Iterator<Item = Rule> {
    let list = |text: &'static str| text.split(',').filter(|word| !word.is_empty()).collect();
    let rule = move |line: &'static str| {
        let fields: Vec<&'static str> = line.split('\t').collect();
        let [name, said_as, debian, al2023, headers, libraries] = fields[..] else { return None };
        let (said_as, headers, libraries) = (list(said_as), list(headers), list(libraries));
        Some(Rule { name, said_as, debian, al2023, headers, libraries })
    };
    RULES.lines().filter(|line| !line.starts_with('#')).filter_map(rule)
}

/// What the field `SystemRequirements` asks for, as far as the rules know it, by name.
pub fn requirements(text: &str, distribution: Distribution) -> Vec<Requirement> {
    let text = text.to_lowercase();
    let requirement = |rule: Rule| {
        let said = rule.said_as.iter().flat_map(|words| places(&text, words)).collect::<Vec<_>>();
        let is_optional = said.iter().all(|at| clause(&text[*at..]).contains("optional"));
        let source = rule.source(distribution);
        (!said.is_empty()).then_some(Requirement { name: rule.name, source, is_optional })
    };
    rules().filter_map(requirement).collect()
}

/// Where words stand by themselves in a text.
fn places(text: &str, words: &str) -> Vec<usize> {
    let stands_alone = |(at, _): &(usize, &str)| {
        let before = text[..*at].chars().next_back();
        let after = text[at + words.len()..].chars().next();
        // In `libgdal-dev (deb)` and in `gdal.org` something else is named.
        let is_inside = |c: char| c.is_alphanumeric() || c == '_';
        !before.is_some_and(|c| is_inside(c) || matches!(c, '-' | '/' | '.')) && !after.is_some_and(is_inside)
    };
    text.match_indices(words).filter(stands_alone).map(|(at, _)| at).collect()
}

/// Up to the next comma or semicolon outside of parentheses.
fn clause(text: &str) -> &str {
    let mut depth = 0_u32;
    let ends = |(_, c): &(usize, char)| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(c, ',' | ';')
    };
    text.char_indices().find(ends).map_or(text, |(end, _)| &text[..end])
}

/// Where a header is that a compiler did not find, e.g. `udunits2.h`.
pub fn source_of_header(header: &str, distribution: Distribution) -> Option<Source> {
    let has = |rule: &Rule| {
        rule.headers.iter().any(|of| if of.ends_with('/') { header.starts_with(of) } else { header == *of })
    };
    rules().find(has).map(|rule| rule.source(distribution))
}

/// Where a library is that a linker did not find, e.g. `udunits2`.
pub fn source_of_library(library: &str, distribution: Distribution) -> Option<Source> {
    rules().find(|rule| rule.libraries.contains(&library)).map(|rule| rule.source(distribution))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_all_columns_and_rows_are_sorted() {
        let rows = RULES.lines().filter(|line| !line.starts_with('#'));
        let names: Vec<&str> = rules().map(|rule| rule.name).collect();
        assert_eq!(names.len(), rows.count());
        assert!(names.is_sorted() && names.len() > 60);
        assert!(rules().all(|rule| !rule.said_as.is_empty() && !matches!(rule.debian, "" | "-" | "?")));
    }

    #[test]
    fn what_descriptions_say_in_prose_is_found() {
        // As public packages have it.
        let cases: [(&str, &[&str]); 9] = [
            (
                "C++17, GDAL (>= 2.2.3), GEOS (>= 3.4.0), PROJ (>= 4.9.3), sqlite3",
                &["gdal", "geos", "proj", "sqlite"],
            ),
            ("GDAL (>= 2.0.0), GEOS (>= 3.3.0), PROJ.4 (>= 4.8.0)", &["gdal", "geos", "proj"]),
            ("udunits-2", &["udunits"]),
            ("libxml2: libxml2-dev (deb), libxml2-devel (rpm)", &["xml2"]),
            ("OpenSSL >= 1.0.2", &["openssl"]),
            ("ImageMagick++: ImageMagick-c++-devel (rpm) or libmagick++-dev (deb)", &["imagemagick"]),
            (
                "freetype2, libpng, libtiff, libjpeg, libwebp, libwebpmux",
                &["freetype", "jpeg", "png", "tiff", "webp"],
            ),
            ("pandoc (>= 1.14) - http://pandoc.org", &[]),
            ("GNU make", &[]),
        ];
        for (text, expected) in cases {
            let found = requirements(text, Distribution::Debian);
            assert_eq!(found.iter().map(|found| found.name).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn what_a_package_can_do_without_is_marked() {
        let found = requirements("libxml2 (optional), glpk (>= 4.57, optional), gmp", Distribution::Debian);
        let marked: Vec<_> = found.iter().map(|found| (found.name, found.is_optional)).collect();
        assert_eq!(marked, [("glpk", true), ("gmp", false), ("xml2", true)]);
    }

    #[test]
    fn systems_have_other_packages_or_none() {
        let of = |distribution| requirements("udunits-2, libcurl", distribution);
        let [curl, udunits] = &of(Distribution::Al2023)[..] else { panic!("two") };
        assert_eq!(curl.source, Source::Packages(vec!["libcurl-devel"]));
        assert_eq!(udunits.source, Source::Nowhere);
        assert_eq!(of(Distribution::Debian)[1].source, Source::Packages(vec!["libudunits2-dev"]));
    }

    #[test]
    fn headers_and_libraries_are_found_by_name_and_by_folder() {
        let debian = Distribution::Debian;
        let packages = |name| Some(Source::Packages(vec![name]));
        assert_eq!(source_of_header("openssl/ssl.h", debian), packages("libssl-dev"));
        assert_eq!(source_of_header("udunits2.h", debian), packages("libudunits2-dev"));
        assert_eq!(source_of_header("nobody.h", debian), None);
        assert_eq!(source_of_library("gsl", debian), packages("libgsl-dev"));
    }
}
