//! pkg.lock (pak's, JSON, version 1) to a [`Lockfile`].

use super::json::{Json, Object, Value};
use super::reading::Reading;
use super::remote::{Fields, forge};
use super::stated::{self, Stated};
use super::{Format, LockedPackage, Lockfile, LockfileError, Repository, Source, is_source_url, trim_url};
use crate::model::{BioconductorRelease, PackageId, PackageName, RVersion};

pub(super) fn parse(root: &Json<'_>, notes: Vec<String>) -> Result<Lockfile, LockfileError> {
    let top = root.as_object().ok_or(LockfileError::NoPackages)?;
    let version = match top.get("lockfile_version").map(|json| &json.value) {
        Some(Value::Scalar(version)) => *version,
        _ => "unknown",
    };
    if version != "1" {
        let found = version.to_owned();
        return Err(LockfileError::FormatVersion { format: "pkg.lock", found, known: "1" });
    }
    let mut reading = Reading::new(Format::Pak, notes);
    reading.r(top.get("r_version").and_then(Json::as_str).and_then(r_version));
    let records = match top.get("packages").map(|json| &json.value) {
        Some(Value::Array(records)) => records.as_slice(),
        _ => return Err(LockfileError::NoPackages),
    };
    let mut n_binary = 0;
    for json in records {
        let record = json.as_object().ok_or_else(|| LockfileError::WrongType {
            line: json.line,
            field: "packages[]".to_owned(),
            found: json.kind().to_owned(),
            expected: "an object",
        })?;
        n_binary += usize::from(package(json.line, record, &mut reading)?);
    }
    if n_binary > 0 {
        reading.warn(format!("packages locked to binaries, of which sources are used: {n_binary}"));
    }
    Ok(reading.finish())
}

/// `R version 4.4.1 (2024-06-14)`
fn r_version(text: &str) -> Option<RVersion> {
    text.split(' ').find_map(|word| word.parse().ok())
}

/// Whether the record is of a binary package.
fn package(line: usize, record: &Object<'_>, reading: &mut Reading) -> Result<bool, LockfileError> {
    let text = |field: &str| record.get(field).and_then(Json::as_str);
    let kind = text("type").unwrap_or("unnamed");
    // The project's own dependencies, in a package that is none.
    if kind == "deps" {
        return Ok(false);
    }
    let missing = || LockfileError::MissingField {
        line,
        package: text("ref").unwrap_or("?").to_owned(),
        field: "package",
    };
    let name = text("package").ok_or_else(missing)?;
    let name: PackageName = name.parse().map_err(|source| LockfileError::Name { line, source })?;
    let metadata = record.get("metadata").and_then(Json::as_object);
    let get = |field: &str| match field {
        "Version" => text("version"),
        _ => metadata?.get(field).and_then(Json::as_str),
    };
    let fields = Fields { package: &name, line, get: &get };
    let id = PackageId { version: fields.version()?, name: name.clone() };
    if reading.is_left_out(&id, false) {
        return Ok(false);
    }
    let is_binary = text("platform").is_some_and(|platform| platform != "source");
    let of_repository = matches!(kind, "standard" | "cran" | "bioc");
    let source = source(kind, text("repotype"), &fields, reading)?;
    let urls = match record.get("sources").map(|json| &json.value) {
        Some(Value::Array(urls)) if of_repository && !is_binary => {
            urls.iter().filter_map(Json::as_str).filter(|url| is_source_url(url)).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    // pak's digest is of the first URL's file. With other URLs in its place it is of another.
    let is_pinned = !urls.is_empty() || (kind == "url" && !is_binary);
    let sha256 = text("sha256").filter(|_| is_pinned).and_then(|text| text.parse().ok());
    reading.package(line, LockedPackage { id, source, urls, sha256, hash: None, stated: stated(record) })?;
    Ok(is_binary)
}

/// Dependencies are references such as `cli` or `owner/cli@v1`.
fn stated(record: &Object<'_>) -> Stated {
    let text = |field: &str| record.get(field).and_then(Json::as_str);
    let name = |reference: &'_ str| {
        let place = reference.rsplit('/').next().unwrap_or(reference);
        place.split('@').next().unwrap_or(place).to_owned()
    };
    let needs = match record.get("dependencies").map(|json| &json.value) {
        Some(Value::Array(entries)) => Some(entries.iter().filter_map(Json::as_str).map(name).collect()),
        _ => None,
    };
    let needs = needs.map(|needs: Vec<String>| stated::names(needs.iter().map(String::as_str)));
    Stated { license: text("license").filter(|text| !text.is_empty()).map(str::to_owned), needs }
}

fn source(
    kind: &str,
    repotype: Option<&str>,
    fields: &Fields<'_>,
    reading: &mut Reading,
) -> Result<Source, LockfileError> {
    if let Some(forge) = forge(kind) {
        return fields.forge_origin(forge);
    }
    match kind {
        "standard" | "cran" | "bioc" => {
            let url = fields.get("RemoteRepos").map(trim_url);
            let release = url.as_deref().and_then(BioconductorRelease::of_url);
            if let Some(url) = url.clone() {
                let is_cran = kind == "cran" || repotype == Some("cran");
                let name = if is_cran { "CRAN".to_owned() } else { url.clone() };
                reading.repositories(vec![Repository { name, url }]);
            }
            match release {
                Some(release) => Ok(Source::Bioconductor { release: Some(release), origin: None }),
                None => Ok(fields.repository(url.as_deref())),
            }
        }
        "git" => Ok(Source::Git(fields.git_origin()?)),
        "url" => fields.archive(),
        "local" => {
            let path = fields.get("RemotePkgRef").and_then(|text| text.strip_prefix("local::"));
            Ok(Source::Local { path: path.map(str::to_owned) })
        }
        _ => Ok(Source::Unknown { kind: kind.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn a_pkg_lock_gives_urls_and_digests_of_sources_and_of_nothing_else() {
        let text = r#"{ "lockfile_version": 1, "r_version": "R version 4.4.1 (2024-06-14)", "packages": [
          { "ref": "deps::.", "package": "own-deps", "version": "0.0.99", "type": "deps", "sources": [] },
          { "ref": "askpass", "package": "askpass", "version": "1.2.0", "type": "standard", "platform": "source", "repotype": "cran",
            "metadata": { "RemoteRepos": "https://cloud.r-project.org/" },
            "sources": ["https://cloud.r-project.org/src/contrib/askpass_1.2.0.tar.gz"],
            "sha256": "b922369781934d0ffc8d0c0177e8ace56796c2e6a726f65e460c16f792592cef" },
          { "ref": "chk", "package": "chk", "version": "0.10.0.9022", "type": "standard", "platform": "aarch64-apple-darwin20",
            "metadata": { "RemoteRepos": "https://poissonconsulting.r-universe.dev/" }, "sources": ["https://x.example/bin/macosx/chk.tgz"],
            "sha256": "c1e53884f153accdb7e772d2308ec84dce22e10f2d04ab0c27f0729aea3db2a6" },
          { "ref": "Biobase", "package": "Biobase", "version": "2.64.0", "type": "standard", "platform": "source",
            "metadata": { "RemoteRepos": "https://bioconductor.org/packages/3.19/bioc" }, "sources": [] },
          { "ref": "stan-dev/cmdstanr", "package": "cmdstanr", "version": "0.9.0.9000", "type": "github", "platform": "source",
            "metadata": { "RemoteHost": "api.github.com", "RemoteRepo": "cmdstanr", "RemoteUsername": "stan-dev",
                          "RemoteSha": "5576fd7acb9011f6388f75aaf83ee51712e237b8" }, "sources": ["https://api.github.com/x"] } ] }"#;
        let lockfile = parse(text).unwrap();
        assert_eq!(lockfile.r.as_ref().unwrap().as_str(), "4.4.1");
        let shown: Vec<_> = lockfile
            .packages
            .values()
            .map(|p| (p.id.name.as_str(), p.urls.len(), p.sha256.is_some(), format!("{:?}", p.source)))
            .map(|(name, urls, sha256, source)| {
                (name, urls, sha256, source.split([' ', '(']).next().unwrap().to_owned())
            })
            .collect();
        let expected = |name, urls, sha256, source: &str| (name, urls, sha256, source.to_owned());
        assert_eq!(
            shown,
            [
                expected("Biobase", 0, false, "Bioconductor"),
                expected("askpass", 1, true, "Repository"),
                expected("chk", 0, false, "Repository"),
                expected("cmdstanr", 0, false, "Forge"),
            ]
        );
        let names: Vec<_> = lockfile.repositories.iter().map(|r| (r.name.as_str(), r.url.as_str())).collect();
        assert_eq!(names[0], ("CRAN", "https://cloud.r-project.org"));
        assert_eq!(lockfile.warnings, ["packages locked to binaries, of which sources are used: 1"]);
        let other = parse(r#"{ "lockfile_version": 2, "packages": [] }"#);
        assert!(matches!(other, Err(LockfileError::FormatVersion { format: "pkg.lock", .. })));
    }
}
