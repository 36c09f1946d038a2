//! uvr.lock (uvr's, TOML) to a [`Lockfile`].

use serde::Deserialize;
use toml::Spanned;

use super::reading::{Reading, line_at, of_toml};
use super::remote::Fields;
use super::stated::{self, Stated};
use super::{ForgeOrigin, Format, LockedPackage, Lockfile, LockfileError, Repository, Source};
use super::{is_source_url, trim_url};
use crate::model::{Forge, PackageId, PackageName, Subfolder};

#[derive(Deserialize)]
struct Raw {
    r: RawR,
    #[serde(default, rename = "package")]
    packages: Vec<RawPackage>,
}

#[derive(Deserialize)]
struct RawR {
    version: String,
    bioc_version: Option<String>,
}

#[derive(Deserialize)]
struct RawPackage {
    name: Spanned<String>,
    version: String,
    /// As the package has it, where `version` was brought into another form.
    raw_version: Option<String>,
    source: String,
    url: Option<String>,
    checksum: Option<String>,
    subdirectory: Option<String>,
    requires: Option<Vec<toml::Value>>,
}

pub(super) fn parse(text: &str) -> Result<Lockfile, LockfileError> {
    let raw: Raw = of_toml(text)?;
    let mut reading = Reading::new(Format::Uvr, Vec::new());
    reading.r(raw.r.version.parse().ok());
    if let Some(release) = raw.r.bioc_version.and_then(|text| text.parse().ok()) {
        reading.bioconductor(release);
    }
    for package in raw.packages {
        let line = line_at(text, package.name.span().start);
        let name: PackageName =
            package.name.get_ref().parse().map_err(|source| LockfileError::Name { line, source })?;
        let version = package.raw_version.as_ref().unwrap_or(&package.version);
        let get = |field: &str| (field == "Version").then_some(version.as_str());
        let fields = Fields { package: &name, line, get: &get };
        let id = PackageId { version: fields.version()?, name: name.clone() };
        if reading.is_left_out(&id, false) {
            continue;
        }
        let source = source(&package, &fields, &mut reading)?;
        let of_repository = matches!(source, Source::Repository { .. } | Source::Bioconductor { .. });
        let url = package.url.filter(|url| of_repository && is_source_url(url));
        let sha256 = package.checksum.as_deref().and_then(|text| text.strip_prefix("sha256:")?.parse().ok());
        let needs = package.requires.as_deref().map(stated::of_toml);
        let (urls, stated) = (url.into_iter().collect(), Stated { license: None, needs });
        reading.package(line, LockedPackage { id, source, urls, sha256, hash: None, stated })?;
    }
    Ok(reading.finish())
}

fn source(raw: &RawPackage, fields: &Fields<'_>, reading: &mut Reading) -> Result<Source, LockfileError> {
    let forge = ["github", "gitlab:", "forgejo:"].iter().any(|kind| raw.source.starts_with(kind));
    match (raw.source.as_str(), &raw.url) {
        ("bioconductor", _) => Ok(Source::Bioconductor { release: None, origin: None }),
        ("local", _) => Ok(Source::Local { path: raw.url.clone() }),
        (_, Some(url)) if forge => forge_source(raw, url, fields),
        (kind, None) if forge => Ok(Source::Unknown { kind: kind.to_owned() }),
        (name, url) => {
            let name = if name == "cran" { "CRAN" } else { name };
            if let Some((repository, _)) = url.as_deref().and_then(|url| url.split_once("/src/contrib/")) {
                let (name, url) = (name.to_owned(), trim_url(repository));
                reading.repositories(vec![Repository { name, url }]);
            }
            Ok(fields.repository(Some(name)))
        }
    }
}

/// uvr has URLs of archives. GitHub's says the commit, which says more than the archive,
/// since GitHub makes it anew on each request.
fn forge_source(raw: &RawPackage, url: &str, fields: &Fields<'_>) -> Result<Source, LockfileError> {
    let subfolder = raw.subdirectory.as_deref().map_or(Ok(None), Subfolder::parse);
    let subfolder = subfolder.map_err(fields.invalid("subdirectory"))?;
    if let Some((owner, repository, commit)) = github_commit(url) {
        return Ok(Source::Forge(ForgeOrigin {
            forge: Forge::GitHub,
            host: Forge::GitHub.public_host(),
            project: format!("{owner}/{repository}").parse().map_err(fields.invalid("url"))?,
            reference: None,
            commit: Some(commit.parse().map_err(fields.invalid("url"))?),
            subfolder,
        }));
    }
    Ok(match subfolder {
        None => Source::Archive { url: url.to_owned() },
        Some(folder) => Source::Unknown { kind: format!("{} in the folder {folder}", raw.source) },
    })
}

/// `https://api.github.com/repos/OWNER/REPOSITORY/tarball/COMMIT`
fn github_commit(url: &str) -> Option<(&str, &str, &str)> {
    let mut parts = url.strip_prefix("https://api.github.com/repos/")?.splitn(4, '/');
    let (owner, repository) = (parts.next()?, parts.next()?);
    matches!(parts.next()?, "tarball" | "zipball").then_some((owner, repository, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn every_kind_of_source_that_uvr_writes_is_read() {
        let text = r#"[r]
version = "4.3.2"
bioc_version = "3.18"

[[package]]
name = "MASS"
version = "7.3.60"
raw_version = "7.3-60"
source = "cran"
url = "https://cran.r-project.org/src/contrib/MASS_7.3-60.tar.gz"
checksum = "md5:abc123def456"

[[package]]
name = "DESeq2"
version = "1.42.0"
source = "bioconductor"

[[package]]
name = "emo"
version = "0.0.1"
source = "github"
url = "https://api.github.com/repos/hadley/emo/tarball/3f03b11491ce3d6fc5601e210927eff73bf8e350"

[[package]]
name = "own1"
version = "0.1.0"
source = "forgejo:codefloe.com"
url = "https://codefloe.com/api/v1/repos/pat-s/own1/archive/abc123.tar.gz"
"#;
        let lockfile = parse(text).unwrap();
        let shown: Vec<_> = lockfile.packages.values().map(|p| format!("{} {:?}", p.id, p.source)).collect();
        let starts = [
            "DESeq2 1.42.0 Bioconductor",
            "MASS 7.3-60 Repository",
            "emo 0.0.1 Forge(",
            "own1 0.1.0 Archive",
        ];
        for (source, start) in shown.iter().zip(starts) {
            assert!(source.starts_with(start), "{source} is not {start}");
        }
        assert_eq!(shown.len(), starts.len());
        assert_eq!(lockfile.bioconductor.unwrap().to_string(), "3.18");
        assert_eq!(lockfile.repositories[0].url, "https://cran.r-project.org");
    }
}
