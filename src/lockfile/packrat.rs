//! packrat.lock (formats 1.1 to 1.4: Debian-control records, the first one a header) to a
//! [`Lockfile`].

use super::reading::Reading;
use super::remote::{Fields, forge};
use super::stated::{self, Stated};
use super::{Format, LockedPackage, Lockfile, LockfileError, Repository, Source, trim_url};
use crate::hashes::{self, LockedHash, Writer};
use crate::model::{PackageId, PackageName, Record, parse_dcf};

pub(super) fn parse(text: &str) -> Result<Lockfile, LockfileError> {
    let records = parse_dcf(text).map_err(|source| LockfileError::Dcf { source })?;
    let mut reading = Reading::new(Format::Packrat, Vec::new());
    let is_header = |record: &Record| record.get("PackratFormat").is_some();
    let header = records.iter().find(|record| is_header(record)).ok_or(LockfileError::Empty)?;
    reading.r(header.get("RVersion").and_then(|text| text.parse().ok()));
    reading.repositories(repositories(header.get("Repos").unwrap_or_default()));
    for record in records.iter().filter(|record| !is_header(record)) {
        package(record, &mut reading)?;
    }
    Ok(reading.finish())
}

/// `NAME=URL` with commas between; only the first `=` separates, since URLs may hold more.
/// Format 1.1 has URLs alone.
fn repositories(text: &str) -> Vec<Repository> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let repository = |(at, entry): (usize, &str)| match entry.split_once('=') {
        Some((name, url)) if !name.contains("://") => {
            Repository { name: name.trim().to_owned(), url: trim_url(url) }
        }
        _ => Repository::without_name(at, entry),
    };
    entries.enumerate().map(repository).collect()
}

fn package(record: &Record, reading: &mut Reading) -> Result<(), LockfileError> {
    let line = record.line;
    let missing = || LockfileError::MissingField { line, package: "a package".to_owned(), field: "Package" };
    let name = record.get("Package").ok_or_else(missing)?;
    let name: PackageName = name.parse().map_err(|source| LockfileError::Name { line, source })?;
    // For a time `GitHub…` was written for `Github…`.
    let get = |field: &str| {
        record.get(field).or_else(|| record.get(&format!("GitHub{}", field.strip_prefix("Github")?)))
    };
    let fields = Fields { package: &name, line, get: &get };
    let id = PackageId { version: fields.version()?, name: name.clone() };
    if reading.is_left_out(&id, false) {
        return Ok(());
    }
    let source = source(&fields)?;
    let hash = hash(record, &source);
    // packrat leaves the field out where there is nothing to say.
    let needs = stated::names(record.get("Requires").unwrap_or_default().split(','));
    let stated = Stated { license: None, needs: Some(needs) };
    reading.package(line, LockedPackage { id, source, urls: Vec::new(), sha256: None, hash, stated })
}

/// With the fields that packrat had put into the installed DESCRIPTION.
fn hash(record: &Record, source: &Source) -> Option<LockedHash> {
    let md5 = record.get("Hash").and_then(hashes::parse_md5)?;
    let of_remote = record.fields().filter(|(field, _)| field.starts_with("Remote"));
    let mut remotes: Vec<_> = of_remote.map(|(field, value)| (field.to_owned(), value.to_owned())).collect();
    let commit = ["GithubSha1", "GitHubSha1"].iter().find_map(|field| record.get(field));
    remotes.extend(commit.map(|commit| ("GithubSHA1".to_owned(), commit.to_owned())));
    if let (Source::Forge(origin), None) = (source, commit) {
        remotes.push(("RemoteType".to_owned(), origin.forge.to_string().to_ascii_lowercase()));
    }
    Some(LockedHash { writer: Writer::Packrat, md5, remotes })
}

/// Any word that is none of packrat's own is the name of a CRAN-like repository, such as
/// `RSPM`.
fn source(fields: &Fields<'_>) -> Result<Source, LockfileError> {
    let word = fields.get("Source").unwrap_or("unknown");
    if let Some(forge) = forge(word) {
        return fields.forge_origin(forge);
    }
    match word.to_ascii_lowercase().as_str() {
        "bioconductor" => fields.bioconductor(),
        "source" => Ok(Source::Local { path: fields.get("SourcePath").map(str::to_owned) }),
        "unknown" => Ok(Source::Unknown { kind: word.to_owned() }),
        "git" | "git2r" | "xgit" if fields.get("RemoteUrl").is_some() => {
            Ok(Source::Git(fields.git_origin()?))
        }
        _ => Ok(fields.repository(Some(word))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::ForgeOrigin;
    use crate::model::Forge;

    const SAMPLE: &str = "PackratFormat: 1.4\nPackratVersion: 0.9.2\nRVersion: 4.5.0\nRepos: CRAN=https://cloud.r-project.org,\n    Own=https://example.org/cran?key=a=b\n\nPackage: R6\nSource: CRAN\nVersion: 2.6.1\nHash: ec3ee2aa91c2a6c5eed8ca4a7f9ce1bd\n\nPackage: emo\nSource: github\nVersion: 0.0.1\nRequires: R6\nGitHubRepo: emo\nGithubUsername: hadley\nGithubRef: master\nGithubSha1: 3f03b11491ce3d6fc5601e210927eff73bf8e350\nRemoteHost: https://api.github.com\n\nPackage: own1\nSource: source\nVersion: 0.1\nSourcePath: ..//own1\n";

    #[test]
    fn header_repositories_and_packages_are_read() {
        let lockfile = parse(SAMPLE).unwrap();
        assert_eq!(lockfile.r.as_ref().unwrap().as_str(), "4.5.0");
        let urls: Vec<_> = lockfile.repositories.iter().map(|r| (r.name.as_str(), r.url.as_str())).collect();
        assert_eq!(
            urls,
            [("CRAN", "https://cloud.r-project.org"), ("Own", "https://example.org/cran?key=a=b")]
        );
        let sources: Vec<_> = lockfile.packages.values().map(|package| package.source.clone()).collect();
        let emo = ForgeOrigin {
            forge: Forge::GitHub,
            host: "api.github.com".parse().unwrap(),
            project: "hadley/emo".parse().unwrap(),
            reference: Some("master".to_owned()),
            commit: Some("3f03b11491ce3d6fc5601e210927eff73bf8e350".parse().unwrap()),
            subfolder: None,
        };
        assert_eq!(
            sources,
            [
                Source::Repository { recorded: Some("CRAN".to_owned()), origin: None },
                Source::Forge(emo),
                Source::Local { path: Some("..//own1".to_owned()) }
            ]
        );
    }

    #[test]
    fn two_records_of_a_package_and_records_without_a_version_are_refused() {
        let twice = format!("{SAMPLE}\nPackage: R6\nSource: CRAN\nVersion: 2.6.0\n");
        assert!(matches!(parse(&twice), Err(LockfileError::Duplicate { .. })));
        let without = SAMPLE.replacen("Version: 2.6.1\n", "", 1);
        assert!(matches!(
            parse(&without),
            Err(LockfileError::MissingField { line: 7, field: "Version", .. })
        ));
    }
}
