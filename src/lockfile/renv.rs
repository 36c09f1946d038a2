//! renv.lock to a [`Lockfile`]: records with `Hash` (renv before 1.1) and records that
//! are whole DESCRIPTIONs (since), also mixed in one file, as renv itself writes them.

use std::collections::BTreeMap;

use super::unique_json::Json;
use super::{Format, LockedPackage, Lockfile, LockfileError, Repository, Source, trim_url};
use crate::model::{PackageId, PackageName, RVersion};

pub(super) fn parse(text: &str) -> Result<Lockfile, LockfileError> {
    let root: Json = serde_json::from_str(text).map_err(|source| LockfileError::Json { source })?;
    let root = root.as_object().ok_or(LockfileError::NoPackages)?;
    let mut warnings = Vec::new();
    let r = match root.get("R") {
        Some(r) => r.as_object().ok_or_else(|| wrong_type("R", "an object"))?,
        None => &BTreeMap::new(),
    };
    let records = match root.get("Packages") {
        None | Some(Json::Null) => return Err(LockfileError::NoPackages),
        Some(Json::Array(records)) if records.is_empty() => &BTreeMap::new(),
        Some(records) => records.as_object().ok_or_else(|| wrong_type("Packages", "an object"))?,
    };
    let mut packages = BTreeMap::new();
    for (key, record) in records {
        let package = package(key, record)?;
        packages.insert(package.id.name.clone(), package);
    }
    Ok(Lockfile {
        format: Format::Renv,
        r: r_version(r, &mut warnings),
        repositories: repositories(r.get("Repositories"), &mut warnings)?,
        packages,
        warnings,
    })
}

fn wrong_type(field: &str, expected: &'static str) -> LockfileError {
    LockfileError::WrongType { field: field.to_owned(), expected }
}

/// Some renv releases wrote an empty array where they did not know.
fn r_version(r: &BTreeMap<String, Json>, warnings: &mut Vec<String>) -> Option<RVersion> {
    let version = r.get("Version").and_then(Json::as_str).and_then(|text| text.parse().ok());
    if version.is_none() {
        warnings.push("the lockfile does not say which R it is for; the base's is used".to_owned());
    }
    version
}

/// An array of `{Name, URL}`, or, in older files, an object of URLs by name.
fn repositories(json: Option<&Json>, warnings: &mut Vec<String>) -> Result<Vec<Repository>, LockfileError> {
    let mut found = Vec::new();
    match json {
        None | Some(Json::Null) => {}
        Some(Json::Array(items)) => {
            for item in items {
                let item =
                    item.as_object().ok_or_else(|| wrong_type("R.Repositories", "an array of objects"))?;
                let url = item.get("URL").and_then(Json::as_str);
                let url = url.ok_or_else(|| wrong_type("R.Repositories[].URL", "a string"))?;
                let name = item.get("Name").and_then(Json::as_str).unwrap_or("CRAN");
                found.push(Repository { name: name.to_owned(), url: trim_url(url) });
            }
        }
        Some(Json::Object(urls)) => {
            for (name, url) in urls {
                let url = url.as_str().ok_or_else(|| wrong_type("R.Repositories", "an object of strings"))?;
                found.push(Repository { name: name.clone(), url: trim_url(url) });
            }
        }
        Some(Json::Scalar(_) | Json::String(_)) => return Err(wrong_type("R.Repositories", "an array")),
    }
    if found.is_empty() {
        warnings.push("the lockfile names no repository; CRAN is used".to_owned());
        found.push(Repository { name: "CRAN".to_owned(), url: super::CRAN_URL.to_owned() });
    }
    Ok(found)
}

fn package(key: &str, record: &Json) -> Result<LockedPackage, LockfileError> {
    let name: PackageName = key.parse().map_err(|source| LockfileError::Name { source })?;
    let record = record.as_object().ok_or_else(|| wrong_type(&format!("Packages.{key}"), "an object"))?;
    let text = |field: &'static str| record.get(field).and_then(Json::as_str);
    if let Some(package) = text("Package").filter(|package| *package != key) {
        let package = package.parse().map_err(|source| LockfileError::Name { source })?;
        return Err(LockfileError::KeyIsNotPackage { key: key.to_owned(), package });
    }
    let version =
        text("Version").ok_or(LockfileError::MissingField { package: key.to_owned(), field: "Version" })?;
    let version =
        version.parse().map_err(|source| LockfileError::Version { package: name.clone(), source })?;
    let source = source(text("Source"), text("Repository"));
    Ok(LockedPackage { id: PackageId { name, version }, source })
}

/// Source names are compared without case, since renv's own have changed theirs.
fn source(source: Option<&str>, repository: Option<&str>) -> Source {
    let recorded = repository.map(|text| if text.contains("://") { trim_url(text) } else { text.to_owned() });
    match source.map(str::to_ascii_lowercase).as_deref() {
        Some("repository" | "cran" | "standard") => Source::Repository { recorded },
        None if recorded.is_some() => Source::Repository { recorded },
        None => Source::Other { kind: "unnamed".to_owned() },
        Some(_) => Source::Other { kind: source.unwrap_or_default().to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One record of each generation, as renv 1.0 and 1.1 write them.
    const BOTH: &str = r#"{
      "R": { "Version": "4.5.0", "Repositories": [ { "Name": "CRAN", "URL": "https://cloud.r-project.org/" } ] },
      "Packages": {
        "R6": { "Package": "R6", "Version": "2.6.1", "Source": "Repository", "Repository": "CRAN",
                "Requirements": ["R"], "Hash": "d4335fe7207f1c01ab8c41762f5840d4" },
        "mime": { "Package": "mime", "Version": "0.13", "Source": "Repository", "Type": "Package",
                  "Title": "Map Filenames to MIME Types", "Imports": ["tools"], "Repository": "RSPM" },
        "here2": { "Package": "here2", "Version": "1.0", "Source": "GitHub", "RemoteSha": "abc" }
      } }"#;

    #[test]
    fn both_generations_of_records_are_read_and_may_be_mixed() {
        let lockfile = parse(BOTH).unwrap();
        assert_eq!(lockfile.r.as_ref().unwrap().as_str(), "4.5.0");
        assert_eq!(lockfile.repositories[0].url, "https://cloud.r-project.org");
        let shown: Vec<_> =
            lockfile.packages.values().map(|p| (p.id.to_string(), p.source.clone())).collect();
        let recorded = |name: &str| Source::Repository { recorded: Some(name.to_owned()) };
        assert_eq!(
            shown,
            [
                ("R6 2.6.1".to_owned(), recorded("CRAN")),
                ("here2 1.0".to_owned(), Source::Other { kind: "GitHub".to_owned() }),
                ("mime 0.13".to_owned(), recorded("RSPM")),
            ]
        );
        assert!(lockfile.warnings.is_empty());
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_with_its_line() {
        let twice = BOTH.replacen("\"mime\": {", "\"R6\": {", 1);
        let LockfileError::Json { source } = parse(&twice).unwrap_err() else { panic!("JSON") };
        assert!(source.to_string().contains("`R6` stands here twice"), "{source}");
        assert!(source.line() > 5);
    }

    #[test]
    fn hostile_names_and_versions_never_get_past_here() {
        for (from, to) in [
            ("\"R6\": {", "\"../etc\": {"),
            ("\"2.6.1\"", "\"1.0/../..\""),
            ("\"2.6.1\"", "2.6"),
            ("\"Package\": \"R6\"", "\"Package\": \"mime\""),
        ] {
            assert!(parse(&BOTH.replacen(from, to, 1)).is_err(), "{to}");
        }
    }

    #[test]
    fn what_a_file_does_not_say_is_assumed_aloud() {
        let lockfile = parse(r#"{ "R": { "Version": [], "Repositories": [] }, "Packages": [] }"#).unwrap();
        assert_eq!(lockfile.warnings.len(), 2);
        assert_eq!(lockfile.repositories[0].name, "CRAN");
    }
}
