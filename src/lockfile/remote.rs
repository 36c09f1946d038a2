//! The `Remote…` fields of a package's record, which renv, packrat and pak share with the
//! `DESCRIPTION`s that the remotes package writes, to a [`Source`].

use super::source::{ForgeOrigin, GitOrigin, Source};
use super::{InvalidOrigin, LockfileError, trim_url};
use crate::model::{
    BioconductorRelease, CommitId, Forge, ForgeHost, InvalidGitPlace, PackageName, RVersion, Subfolder,
    is_reference,
};

/// One record's fields: the value of a field, if it has one that is not empty.
pub(super) struct Fields<'a> {
    pub(super) package: &'a PackageName,
    pub(super) line: usize,
    pub(super) get: &'a dyn Fn(&str) -> Option<&'a str>,
}

/// What a word stands for, whichever case it is in: renv's own have changed theirs.
pub(super) fn forge(kind: &str) -> Option<Forge> {
    match kind.to_ascii_lowercase().as_str() {
        "github" => Some(Forge::GitHub),
        "gitlab" => Some(Forge::GitLab),
        "bitbucket" => Some(Forge::Bitbucket),
        _ => None,
    }
}

impl<'a> Fields<'a> {
    pub(super) fn get(&self, field: &str) -> Option<&'a str> {
        (self.get)(field).map(str::trim).filter(|value| !value.is_empty())
    }

    /// The first field that is there, with its name.
    fn first<'n>(&self, fields: &[&'n str]) -> Option<(&'n str, &'a str)> {
        fields.iter().find_map(|field| Some((*field, self.get(field)?)))
    }

    fn required(&self, fields: &[&'static str]) -> Result<&'a str, LockfileError> {
        let missing = || LockfileError::MissingField {
            line: self.line,
            package: self.package.to_string(),
            field: fields[0],
        };
        self.first(fields).map(|(_, value)| value).ok_or_else(missing)
    }

    pub(super) fn invalid<E: Into<InvalidOrigin>>(&self, field: &str) -> impl FnOnce(E) -> LockfileError {
        let (line, package, field) = (self.line, self.package.clone(), field.to_owned());
        move |error| LockfileError::Origin { line, package, field, source: error.into() }
    }

    pub(super) fn version(&self) -> Result<RVersion, LockfileError> {
        let (line, package) = (self.line, self.package.clone());
        self.required(&["Version"])?.parse().map_err(|source| LockfileError::Version {
            line,
            package,
            source,
        })
    }

    fn commit(&self, fields: &[&str]) -> Result<Option<CommitId>, LockfileError> {
        let parse = |(field, value): (&str, &str)| value.parse().map_err(self.invalid(field));
        self.first(fields).map(parse).transpose()
    }

    /// A branch or tag. Where there is a commit, one that git does not allow is passed over.
    fn reference(&self, fields: &[&str], commit: Option<&CommitId>) -> Result<Option<String>, LockfileError> {
        match self.first(fields) {
            Some((_, value)) if is_reference(value) => Ok(Some(value.to_owned())),
            Some((field, value)) if commit.is_none() => {
                Err(self.invalid(field)(InvalidGitPlace::Reference(value.chars().take(80).collect())))
            }
            Some(_) | None => Ok(None),
        }
    }

    fn subfolder(&self, fields: &[&str]) -> Result<Option<Subfolder>, LockfileError> {
        let parse = |(field, value): (&str, &str)| Subfolder::parse(value).map_err(self.invalid(field));
        Ok(self.first(fields).map(parse).transpose()?.flatten())
    }

    /// packrat has fields of its own for GitHub, and older packages have only those.
    pub(super) fn forge_origin(&self, forge: Forge) -> Result<Source, LockfileError> {
        let owner = self.required(&["RemoteUsername", "GithubUsername"])?;
        let repository = self.required(&["RemoteRepo", "GithubRepo"])?;
        let project = format!("{owner}/{repository}").parse().map_err(self.invalid("RemoteRepo"))?;
        let host = match self.get("RemoteHost") {
            Some(host) => host.parse::<ForgeHost>().map_err(self.invalid("RemoteHost"))?,
            None => forge.public_host(),
        };
        let commit = self.commit(&["RemoteSha", "GithubSha1", "GithubSHA1"])?;
        Ok(Source::Forge(ForgeOrigin {
            forge,
            host,
            project,
            reference: self.reference(&["RemoteRef", "GithubRef"], commit.as_ref())?,
            commit,
            subfolder: self.subfolder(&["RemoteSubdir", "GithubSubdir"])?,
        }))
    }

    /// The repository at `RemoteUrl`; renv and remotes leave its submodules out.
    pub(super) fn git_origin(&self) -> Result<GitOrigin, LockfileError> {
        let url = self.required(&["RemoteUrl"])?;
        // pak's references have the kind before the URL.
        let url =
            ["git::", "git2r::", "xgit::"].iter().find_map(|kind| url.strip_prefix(kind)).unwrap_or(url);
        let commit = self.commit(&["RemoteSha"])?;
        Ok(GitOrigin {
            url: url.parse().map_err(self.invalid("RemoteUrl"))?,
            reference: self.reference(&["RemoteRef"], commit.as_ref())?,
            commit,
            subfolder: self.subfolder(&["RemoteSubdir"])?,
            with_submodules: false,
        })
    }

    /// `recorded` is the repository's name or URL. r-universe adds the commit it built from.
    pub(super) fn repository(&self, recorded: Option<&str>) -> Source {
        let recorded =
            recorded.map(|text| if text.contains("://") { trim_url(text) } else { text.to_owned() });
        let sha = self.get("RemoteSha").and_then(|sha| sha.parse::<CommitId>().ok());
        // Only a help where the version is gone, so a URL of another kind is none.
        let origin = sha.filter(CommitId::is_full).and_then(|_| self.git_origin().ok());
        Source::Repository { recorded, origin }
    }

    /// Bioconductor stamps its git on packages since 3.12 or so, and its release as
    /// `Repository: Bioconductor 3.19` since 3.18.
    pub(super) fn bioconductor(&self) -> Result<Source, LockfileError> {
        let branch = self.first(&["git_branch", "RemoteBranch"]).map(|(_, value)| value);
        let branch = branch.filter(|branch| is_reference(branch));
        let stamped = self.get("Repository").and_then(|text| text.strip_prefix("Bioconductor "));
        let release = branch
            .and_then(BioconductorRelease::of_branch)
            .or_else(|| stamped.and_then(|text| text.trim().parse().ok()));
        let origin = match self.get("git_url") {
            Some(url) => Some(GitOrigin {
                url: url.parse().map_err(self.invalid("git_url"))?,
                reference: branch.map(str::to_owned),
                commit: self.commit(&["git_last_commit"])?,
                subfolder: None,
                with_submodules: false,
            }),
            None => self.bioconductor_mirror(branch)?,
        };
        Ok(Source::Bioconductor { release, origin })
    }

    /// What `remotes::install_bioc` records.
    fn bioconductor_mirror(&self, branch: Option<&str>) -> Result<Option<GitOrigin>, LockfileError> {
        let Some(mirror) = self.get("RemoteMirror") else { return Ok(None) };
        let repository = self.get("RemoteRepo").unwrap_or(self.package.as_str());
        Ok(Some(GitOrigin {
            url: format!("{}/{repository}", mirror.trim_end_matches('/'))
                .parse()
                .map_err(self.invalid("RemoteMirror"))?,
            reference: branch.map(str::to_owned),
            commit: self.commit(&["RemoteSha"])?,
            subfolder: None,
            with_submodules: false,
        }))
    }

    /// The archive that was installed; pak's own reference says more than `RemoteUrl`.
    pub(super) fn archive(&self) -> Result<Source, LockfileError> {
        let reference = self.get("RemotePkgRef").and_then(|text| text.split_once("::"));
        let url = match reference.map(|(_, url)| url).filter(|url| url.contains("://")) {
            Some(url) => url,
            None => self.required(&["RemoteUrl"])?,
        };
        Ok(Source::Archive { url: url.to_owned() })
    }
}
