//! renv.lock to a [`Lockfile`]: records with `Hash` (renv before 1.1) and records that
//! are whole DESCRIPTIONs (since), also mixed in one file, as renv itself writes them.

use std::collections::BTreeMap;

use super::remote::{Fields, forge};
use super::unique_json::Json;
use super::{Format, LockedPackage, Lockfile, LockfileError, Repository, Source, trim_url};
use crate::model::{BioconductorRelease, PackageId, PackageName, RVersion};

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
        bioconductor: bioconductor(root.get("Bioconductor"), &mut warnings),
        packages,
        warnings,
    })
}

/// Before 1.2, renv could write a word such as `devel` for the release.
fn bioconductor(json: Option<&Json>, warnings: &mut Vec<String>) -> Option<BioconductorRelease> {
    let text = json?.as_object()?.get("Version")?.as_str()?;
    let release = text.parse().ok();
    if release.is_none() {
        let text = text.escape_debug();
        warnings.push(format!("the lockfile's release of Bioconductor, `{text}`, is no number and not used"));
    }
    release
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
    let get = |field: &str| record.get(field).and_then(Json::as_str);
    let source = source(&Fields { package: &name, get: &get })?;
    Ok(LockedPackage { id: PackageId { name, version }, source, urls: Vec::new(), sha256: None })
}

/// renv's own words have changed their case, and some old ones stand for newer ones.
fn source(fields: &Fields<'_>) -> Result<Source, LockfileError> {
    let (word, repository) = (fields.get("Source"), fields.get("Repository"));
    let kind = word.unwrap_or(if repository.is_some() { "repository" } else { "unnamed" });
    if let Some(forge) = forge(kind) {
        return fields.forge_origin(forge);
    }
    match kind.to_ascii_lowercase().as_str() {
        // renv 0.8 asked whether a package was of Bioconductor before where it came from.
        "bioconductor" | "bioc" | "bioc_git2r" | "bioc_xgit" => {
            match fields.get("RemoteType").and_then(forge) {
                Some(forge) => fields.forge_origin(forge),
                None => fields.bioconductor(),
            }
        }
        "repository" | "cran" | "standard" => match repository {
            Some(name) if is_bioconductor(name) => fields.bioconductor(),
            _ => fields.repository(repository),
        },
        "git" | "git2r" | "xgit" => Ok(Source::Git(fields.git_origin()?)),
        "url" => fields.archive(),
        "local" | "source" => Ok(Source::Local { path: fields.get("RemoteUrl").map(str::to_owned) }),
        "cellar" => Ok(Source::Local { path: None }),
        _ if is_path(kind) => Ok(Source::Local { path: Some(kind.to_owned()) }),
        _ => Ok(Source::Unknown { kind: kind.to_owned() }),
    }
}

fn is_bioconductor(repository: &str) -> bool {
    let name = repository.split(' ').next().unwrap_or_default();
    name.eq_ignore_ascii_case("bioconductor") || name.eq_ignore_ascii_case("bioc")
}

/// renv lets a record name a file in place of a kind.
fn is_path(word: &str) -> bool {
    word.contains(['/', '\\']) || word.ends_with(".tar.gz")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::ForgeOrigin;
    use crate::model::Forge;

    /// One record of each generation, as renv 1.0 and 1.1 write them.
    const BOTH: &str = r#"{
      "R": { "Version": "4.5.0", "Repositories": [ { "Name": "CRAN", "URL": "https://cloud.r-project.org/" } ] },
      "Packages": {
        "R6": { "Package": "R6", "Version": "2.6.1", "Source": "Repository", "Repository": "CRAN",
                "Requirements": ["R"], "Hash": "d4335fe7207f1c01ab8c41762f5840d4" },
        "mime": { "Package": "mime", "Version": "0.13", "Source": "Repository", "Type": "Package",
                  "Title": "Map Filenames to MIME Types", "Imports": ["tools"], "Repository": "RSPM" },
        "here2": { "Package": "here2", "Version": "1.0", "Source": "GitHub", "RemoteUsername": "r-lib",
                   "RemoteRepo": "here2", "RemoteRef": "HEAD", "RemoteSubdir": "" }
      } }"#;

    #[test]
    fn both_generations_of_records_are_read_and_may_be_mixed() {
        let lockfile = parse(BOTH).unwrap();
        assert_eq!(lockfile.r.as_ref().unwrap().as_str(), "4.5.0");
        assert_eq!(lockfile.repositories[0].url, "https://cloud.r-project.org");
        let shown: Vec<_> =
            lockfile.packages.values().map(|p| (p.id.to_string(), p.source.clone())).collect();
        let recorded = |name: &str| Source::Repository { recorded: Some(name.to_owned()), origin: None };
        let here2 = Source::Forge(ForgeOrigin {
            forge: Forge::GitHub,
            host: Forge::GitHub.public_host(),
            project: "r-lib/here2".parse().unwrap(),
            reference: Some("HEAD".to_owned()),
            commit: None,
            subfolder: None,
        });
        assert_eq!(
            shown,
            [
                ("R6 2.6.1".to_owned(), recorded("CRAN")),
                ("here2 1.0".to_owned(), here2),
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
