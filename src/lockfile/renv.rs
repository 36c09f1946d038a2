//! renv.lock to a [`Lockfile`]: records with `Hash` (renv before 1.1) and records that
//! are whole DESCRIPTIONs (since), also mixed in one file, as renv itself writes them.

use std::borrow::Cow;

use super::json::{Json, Object, Value};
use super::reading::Reading;
use super::remote::{Fields, forge};
use super::stated::{self, Stated};
use super::{Format, LockedPackage, Lockfile, LockfileError, Repository, Source, trim_url};
use crate::hashes::{self, LockedHash, Writer};
use crate::model::{BioconductorRelease, PackageId, PackageName, RVersion, is_base_package};

/// Keys that renv has at the top of the file. What else stands there is not renv's.
const TOP: [&str; 5] = ["R", "Bioconductor", "Python", "Packages", "renv"];

pub(super) fn parse(root: &Json<'_>, notes: Vec<String>) -> Result<Lockfile, LockfileError> {
    let top = root.as_object().ok_or(LockfileError::NoPackages)?;
    let mut reading = Reading::new(Format::Renv, notes);
    let nothing = Object::default();
    let r = match top.get("R").filter(|r| !r.is_nothing()) {
        Some(r) => r.as_object().ok_or_else(|| wrong_type(r, "R", "an object"))?,
        None => &nothing,
    };
    let packages = top.get("Packages").filter(|json| json.value != Value::Null);
    let packages = packages.ok_or(LockfileError::NoPackages)?;
    let records = match packages.as_object() {
        Some(records) => records,
        None if packages.is_nothing() => &nothing,
        None => return Err(wrong_type(packages, "Packages", "an object")),
    };
    nothing_out_of_place(top)?;
    reading.r(r_version(r));
    if let Some(json) = r.get("Repositories") {
        reading.repositories(repositories(json, "R.Repositories")?);
    }
    bioconductor(top.get("Bioconductor"), &mut reading)?;
    if top.get("Python").is_some_and(|python| !python.is_nothing()) {
        reading.warn("the lockfile is for Python too, which layr does not install".to_owned());
    }
    for (key, record) in records.iter() {
        package(key, record, &mut reading)?;
    }
    Ok(reading.finish())
}

fn wrong_type(json: &Json<'_>, field: &str, expected: &'static str) -> LockfileError {
    LockfileError::WrongType {
        line: json.line,
        field: field.to_owned(),
        found: json.kind().to_owned(),
        expected,
    }
}

/// A merge can leave a record beside `Packages`, where renv does not see it.
fn nothing_out_of_place(top: &Object<'_>) -> Result<(), LockfileError> {
    let is_record = |json: &Json<'_>| {
        json.as_object()
            .is_some_and(|record| record.get("Package").is_some() && record.get("Version").is_some())
    };
    match top.iter().find(|(key, json)| !TOP.contains(key) && is_record(json)) {
        Some((key, json)) => Err(LockfileError::OutOfPlace { line: json.line, key: key.to_owned() }),
        None => Ok(()),
    }
}

/// Some renv releases wrote an empty array where they did not know.
fn r_version(r: &Object<'_>) -> Option<RVersion> {
    r.get("Version")?.as_str()?.parse().ok()
}

/// An array of `{Name, URL}`, or, in older files, an object of URLs by name.
fn repositories(json: &Json<'_>, field: &'static str) -> Result<Vec<Repository>, LockfileError> {
    let repository = |at: usize, name: Option<&str>, json: &Json<'_>| match (name, json.as_str()) {
        (Some(name), Some(url)) => Ok(Repository { name: name.to_owned(), url: trim_url(url) }),
        (None, Some(url)) => Ok(Repository::without_name(at, url)),
        (_, None) => Err(wrong_type(json, field, "a URL")),
    };
    let of_array = |(at, item): (usize, &Json<'_>)| match item.as_object() {
        Some(object) => {
            let name = object.get("Name").and_then(Json::as_str);
            repository(at, name, object.get("URL").unwrap_or(item))
        }
        None => repository(at, None, item),
    };
    match &json.value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.iter().enumerate().map(of_array).collect(),
        Value::Object(urls) => urls.iter().map(|(name, url)| repository(0, Some(name), url)).collect(),
        Value::Scalar(_) | Value::String(_) => Err(wrong_type(json, field, "an array of repositories")),
    }
}

/// Before 1.2, renv could write a word such as `devel` for the release; before 0.7 it had
/// the repositories here and no release.
fn bioconductor(json: Option<&Json<'_>>, reading: &mut Reading) -> Result<(), LockfileError> {
    let Some(block) = json.and_then(Json::as_object) else { return Ok(()) };
    if let Some(json) = block.get("Repositories") {
        reading.repositories(repositories(json, "Bioconductor.Repositories")?);
    }
    let Some(text) = block.get("Version").and_then(Json::as_str) else { return Ok(()) };
    match text.parse::<BioconductorRelease>() {
        Ok(release) => reading.bioconductor(release),
        Err(error) => reading.warn(format!("the lockfile's {error}, and not used")),
    }
    Ok(())
}

fn package(key: &str, json: &Json<'_>, reading: &mut Reading) -> Result<(), LockfileError> {
    let line = json.line;
    let name: PackageName = key.parse().map_err(|source| LockfileError::Name { line, source })?;
    let record = json.as_object().ok_or_else(|| wrong_type(json, &format!("Packages.{key}"), "an object"))?;
    let get = |field: &str| record.get(field).and_then(Json::as_str);
    let fields = Fields { package: &name, line, get: &get };
    if let Some(package) = fields.get("Package").filter(|package| *package != key) {
        let package = package.parse().map_err(|source| LockfileError::Name { line, source })?;
        return Err(LockfileError::KeyIsNotPackage { line, key: key.to_owned(), package });
    }
    if let Some(version) = record.get("Version").filter(|json| !json.is_nothing() && json.as_str().is_none())
    {
        return Err(wrong_type(version, &format!("Packages.{key}.Version"), "a string"));
    }
    let id = PackageId { version: fields.version()?, name: name.clone() };
    let is_windows_only = fields.get("OS_type").is_some_and(|os| os.eq_ignore_ascii_case("windows"));
    if reading.is_left_out(&id, is_windows_only) {
        return Ok(());
    }
    let source = source(&fields, reading)?;
    let (hash, stated) = (hash(record), stated(record));
    reading.package(line, LockedPackage { id, source, urls: Vec::new(), sha256: None, hash, stated })
}

/// A record that is a whole DESCRIPTION says all; others may have a list of their own.
fn stated(record: &Object<'_>) -> Stated {
    let field = |field: &str| record.get(field).and_then(joined);
    let fields: &[&str] =
        if record.get("Title").is_some() { &["Depends", "Imports", "LinkingTo"] } else { &["Requirements"] };
    let lists: Vec<Cow<'_, str>> = fields.iter().filter_map(|name| field(name)).collect();
    let needs = stated::names(lists.iter().flat_map(|list| list.split(',')));
    let is_said = record.get("Title").is_some() || !lists.is_empty();
    Stated { license: field("License").map(Cow::into_owned), needs: is_said.then_some(needs) }
}

/// What renv recorded; of a record that is a whole DESCRIPTION, what renv would have.
fn hash(record: &Object<'_>) -> Option<LockedHash> {
    let texts = || record.iter().filter_map(|(field, value)| Some((field, joined(value)?)));
    let (writer, md5) = match record.get("Hash").and_then(Json::as_str) {
        Some(text) => (Writer::Renv, hashes::parse_md5(text)?),
        None if record.get("Title").is_some() => {
            let fields: Vec<_> = texts().collect();
            (Writer::Record, hashes::of_record(fields.iter().map(|(field, value)| (*field, &**value))))
        }
        None => return None,
    };
    let remotes = texts().filter(|(field, _)| field.starts_with("Remote"));
    let remotes = remotes.map(|(field, value)| (field.to_owned(), value.into_owned())).collect();
    Some(LockedHash { writer, md5, remotes })
}

/// A field as DESCRIPTION has it: renv writes dependencies as arrays.
fn joined<'a>(json: &'a Json<'_>) -> Option<Cow<'a, str>> {
    match &json.value {
        Value::Array(items) => {
            let texts: Vec<&str> = items.iter().filter_map(Json::as_str).collect();
            Some(Cow::Owned(texts.join(", ")))
        }
        Value::Null | Value::Scalar(_) | Value::String(_) | Value::Object(_) => {
            json.as_str().map(Cow::Borrowed)
        }
    }
}

/// renv's own words have changed their case, and some old ones stand for newer ones.
fn source(fields: &Fields<'_>, reading: &mut Reading) -> Result<Source, LockfileError> {
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
            // pak has the repository's URL in a field of its own.
            _ => Ok(fields.repository(repository.or_else(|| fields.get("RemoteRepos")))),
        },
        "git" | "git2r" | "xgit" => Ok(Source::Git(fields.git_origin()?)),
        "url" => fields.archive(),
        "local" | "source" => Ok(Source::Local { path: fields.get("RemoteUrl").map(str::to_owned) }),
        "cellar" => Ok(Source::Local { path: None }),
        // Of the packages that come with R, these are on CRAN too.
        "r" if !is_base_package(fields.package) => {
            let text = format!("`{}` came with R, and is looked for in all repositories", fields.package);
            reading.warn(text);
            Ok(fields.repository(None))
        }
        _ if is_path(kind) => Ok(Source::Local { path: Some(kind.to_owned()) }),
        _ if reading.has_repository(kind) => Ok(fields.repository(Some(kind))),
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
    use super::super::parse;
    use super::*;
    use crate::lockfile::{ForgeOrigin, json::JsonError};
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

    /// A record of the second generation is the DESCRIPTION itself, and its hash the one that
    /// lockfiles of the first have for the same package.
    #[test]
    fn renv_s_records_of_both_generations_have_one_hash() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/lockfiles/");
        let read = |name: &str| {
            let lockfile = crate::lockfile::read(&std::fs::read(format!("{folder}{name}")).unwrap()).unwrap();
            lockfile.packages.into_values().find(|package| package.id.name.as_str() == "R6").unwrap()
        };
        let (record, hash) = (read("rstudio__r-manuals.renv.lock"), read("ankane__trend-api.renv.lock"));
        assert_eq!((&record.id, record.id.version.as_str()), (&hash.id, "2.6.1"));
        assert_eq!(record.hash.unwrap().md5, "d4335fe7207f1c01ab8c41762f5840d4");
        assert_eq!(hash.hash.unwrap().md5, "d4335fe7207f1c01ab8c41762f5840d4");
    }

    /// Each word for a source, as it is in a real lockfile or in renv's code.
    #[test]
    fn every_spelling_of_a_source_comes_to_one_kind() {
        let sha = "3f03b11491ce3d6fc5601e210927eff73bf8e350";
        let cases = [
            (r#""Source": "CRAN""#.to_owned(), "Repository"),
            (r#""Repository": "CRAN""#.to_owned(), "Repository"),
            (r#""Source": "Own""#.to_owned(), "Repository"), // a declared repository's name
            (r#""Source": "Repository", "Repository": "bioc""#.to_owned(), "Bioconductor"),
            (r#""Source": "Bioconductor", "git_url": "https://git.bioconductor.org/packages/x1", "git_branch": "RELEASE_3_19", "git_last_commit": "989c1dc""#.to_owned(), "Bioconductor"),
            (format!(r#""Source": "bioc_git2r", "RemoteMirror": "https://git.bioconductor.org/packages", "RemoteSha": "{sha}", "RemoteBranch": "RELEASE_3_12""#), "Bioconductor"),
            (format!(r#""Source": "Bioconductor", "RemoteType": "github", "RemoteUsername": "o", "RemoteRepo": "x1", "RemoteSha": "{sha}""#), "Forge"),
            (r#""Source": "github", "RemoteUsername": "o", "RemoteRepo": "x1""#.to_owned(), "Forge"),
            (r#""Source": "GitLab", "RemoteHost": "gitlab.com", "RemoteUsername": "group", "RemoteRepo": "packages/x1""#.to_owned(), "Forge"),
            (format!(r#""Source": "git2r", "RemoteUrl": "https://example.org/x1", "RemoteSha": "{sha}""#), "Git"),
            (r#""Source": "git", "RemoteUrl": "git@example.org:o/x1.git""#.to_owned(), "Git"),
            (r#""Source": "URL", "RemoteUrl": "https://example.org/x1_1.0.tar.gz""#.to_owned(), "Archive"),
            (r#""Source": "URL", "RemotePkgRef": "url::https://example.org/x1_1.0.tar.gz""#.to_owned(), "Archive"),
            (r#""Source": "Local", "RemoteUrl": "~/x1""#.to_owned(), "Local"),
            (r#""Source": "Cellar""#.to_owned(), "Local"),
            (r#""Source": "../x1_1.0.tar.gz""#.to_owned(), "Local"),
            (r#""Source": "SVN""#.to_owned(), "Unknown"),
            (r#""Source": "unknown""#.to_owned(), "Unknown"),
        ];
        for (record, kind) in cases {
            let text = format!(
                r#"{{ "R": {{ "Repositories": {{ "Own": "https://own.example" }} }}, "Packages": {{ "x1": {{ "Version": "1.0", {record} }} }} }}"#
            );
            let lockfile = parse(&text).unwrap();
            let source = format!("{:?}", lockfile.packages.values().next().unwrap().source);
            assert!(source.starts_with(kind), "{record} gave {source}");
        }
    }

    #[test]
    fn a_release_of_bioconductor_is_taken_from_the_record_or_the_block() {
        let text = r#"{ "Bioconductor": { "Version": "3.18" }, "Packages": {
            "a1": { "Version": "1.0", "Source": "Bioconductor", "Repository": "Bioconductor 3.19" },
            "b1": { "Version": "1.0", "Source": "Bioconductor", "git_url": "https://git.bioconductor.org/packages/b1", "git_branch": "RELEASE_3_17" },
            "c1": { "Version": "1.0", "Source": "Bioconductor", "Repository": "RSPM" } } }"#;
        let lockfile = parse(text).unwrap();
        let shown = lockfile.packages.values().map(|package| {
            let Source::Bioconductor { release, .. } = &package.source else { panic!("{package:?}") };
            release.map(|release| release.to_string())
        });
        assert_eq!(shown.collect::<Vec<_>>(), [Some("3.19".to_owned()), Some("3.17".to_owned()), None]);
        assert_eq!(lockfile.bioconductor.unwrap().to_string(), "3.18");
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_where_its_values_differ() {
        let twice = BOTH.replacen("\"mime\": {", "\"R6\": {", 1);
        let LockfileError::Json { source } = parse(&twice).unwrap_err() else { panic!("JSON") };
        assert_eq!(source, JsonError::Conflict { line: 6, first_line: 4, key: "R6".to_owned() });
        let same =
            BOTH.replacen("\"Version\": \"2.6.1\"", "\"Version\": \"2.6.1\", \"Version\": \"2.6.1\"", 1);
        let lockfile = parse(&same).unwrap();
        assert_eq!(lockfile.warnings, ["line 4: `Version` stands here again, with the same value"]);
    }

    #[test]
    fn hostile_names_and_versions_never_get_past_here() {
        for (from, to) in [
            ("\"R6\": {", "\"../etc\": {"),
            ("\"2.6.1\"", "\"1.0/../..\""),
            ("\"2.6.1\"", "2.6"),
            ("\"Package\": \"R6\"", "\"Package\": \"mime\""),
            ("\"RemoteRepo\": \"here2\"", "\"RemoteRepo\": \"../here2\""),
            ("\"RemoteSubdir\": \"\"", "\"RemoteSubdir\": \"../..\""),
            ("\"RemoteRef\": \"HEAD\"", "\"RemoteSha\": \"--output=x\""),
            ("\"RemoteRef\": \"HEAD\"", "\"RemoteRef\": \"--output=x\""),
        ] {
            assert!(parse(&BOTH.replacen(from, to, 1)).is_err(), "{to}");
        }
    }

    #[test]
    fn repositories_may_lack_a_name_or_all_but_the_url() {
        let text = r#"{ "R": { "Version": "4.5.0", "Repositories": [ { "URL": "https://a.example/" }, "https://b.example" ] }, "Packages": [] }"#;
        let lockfile = parse(text).unwrap();
        let shown: Vec<_> = lockfile.repositories.iter().map(|r| (r.name.as_str(), r.url.as_str())).collect();
        assert_eq!(shown, [("CRAN", "https://a.example"), ("https://b.example", "https://b.example")]);
    }

    #[test]
    fn what_a_file_does_not_say_is_assumed_aloud() {
        let lockfile = parse(r#"{ "R": { "Version": [], "Repositories": [] }, "Packages": [] }"#).unwrap();
        assert_eq!(lockfile.warnings.len(), 2);
        assert_eq!(lockfile.repositories[0].name, "CRAN");
    }

    #[test]
    fn packages_of_r_itself_and_of_windows_are_left_out_aloud() {
        let text = r#"{ "R": { "Version": ["4.5.0"], "Repositories": { "CRAN": "https://cran.example" } }, "Packages": {
            "stats": { "Package": "stats", "Version": "4.5.0", "Source": "R" },
            "win1": { "Version": "1.0", "Source": "Repository", "OS_type": "windows" },
            "unix1": { "Version": "1.0", "Source": "Repository", "OS_type": NA },
            "MASS": { "Version": "7.3-60", "Source": "R" } } }"#;
        let lockfile = parse(text).unwrap();
        let names: Vec<_> = lockfile.packages.keys().map(PackageName::as_str).collect();
        assert_eq!(names, ["MASS", "unix1"]);
        assert_eq!(lockfile.left_out.len(), 2);
        assert_eq!(lockfile.warnings.len(), 2, "{:?}", lockfile.warnings);
    }

    #[test]
    fn a_record_beside_packages_is_an_error_with_its_line() {
        let text = "{\n\"stray1\": { \"Package\": \"stray1\", \"Version\": \"1.0\" },\n\"Packages\": {} }";
        assert!(matches!(parse(text), Err(LockfileError::OutOfPlace { line: 2, .. })));
    }
}
