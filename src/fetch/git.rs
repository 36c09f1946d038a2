//! A commit of a git repository to archives of its files, by the `git` program.
//!
//! The program and not a library: people's keys, credential helpers, proxies and
//! `insteadOf` rules are in its configuration, and work as they know them. It is asked for
//! one commit and for `git archive` of it. Nothing is checked out, so no hook, filter or
//! attribute of the user's has a say in the bytes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use super::checkout::Listing;
use super::failure::Fault;
use super::{Context, Failure, FetchError, url};
use crate::model::{CommitId, GitUrl, InvalidGitPlace, Subfolder, is_reference};
use crate::resolve::Checkout;
use crate::sys::fs;
use crate::sys::process::{ProcessError, Program};

/// No package's repository takes longer, and git does not notice every dead line itself.
const LONGEST: Duration = Duration::from_mins(30);
/// Submodules of submodules of …
const DEEPEST: usize = 8;
/// All of them together. Packages that have any have one to three.
const MOST_SUBMODULES: usize = 64;

/// A repository's files at a commit.
pub(super) struct Fetched {
    pub(super) listing: Listing,
    /// All of its digits.
    pub(super) commit: CommitId,
}

/// Gets a commit, by its digest or by a name, with all submodules.
pub(super) fn fetch(url: &str, checkout: &Checkout, context: Context<'_>) -> Result<Fetched, Fault> {
    let revision = match (&checkout.commit, &checkout.reference) {
        (Some(commit), _) => Revision::Commit(commit.clone()),
        (None, Some(name)) => Revision::Name(name.clone()),
        (None, None) => Revision::Name("HEAD".to_owned()),
    };
    let url = transporting(url, &["https", "http", "ssh", "git", "file"])?;
    let mut gathering = Gathering { listing: Listing::new(context.store)?, n_submodules: 0, context };
    let commit = gathering.add(&Wanted { url, revision, place: None, depth: 0 })?;
    Ok(Fetched { listing: gathering.listing, commit })
}

enum Revision {
    Commit(CommitId),
    Name(String),
}

/// What to get, and where in the listing it comes to lie.
struct Wanted {
    url: String,
    revision: Revision,
    place: Option<Subfolder>,
    depth: usize,
}

/// A repository with its submodules, as far as they are there.
struct Gathering<'a> {
    listing: Listing,
    n_submodules: usize,
    context: Context<'a>,
}

impl Gathering<'_> {
    fn add(&mut self, wanted: &Wanted) -> Result<CommitId, Fault> {
        let Wanted { url, revision, place, depth } = wanted;
        let folder = self.context.store.temp_dir("git-")?;
        let git = Git { folder: folder.path().join("repository"), url, context: self.context };
        git.init()?;
        let commit = git.fetch(revision)?;
        let archive = git.archive(&commit, folder.path())?;
        self.listing.add_archive(archive.path(), place.as_ref())?;
        for submodule in git.submodules(&commit)? {
            if *depth >= DEEPEST {
                let detail = format!("its submodules are nested deeper than {DEEPEST}");
                return Err(Failure::Git { detail }.into());
            }
            self.n_submodules += 1;
            if self.n_submodules > MOST_SUBMODULES {
                return Err(Failure::ManySubmodules { limit: MOST_SUBMODULES }.into());
            }
            self.add(&submodule.wanted(wanted)?)?;
        }
        Ok(commit)
    }
}

/// The URL for git, if it is by one of the schemes that only transport: `ext::` runs
/// programs.
fn transporting(url: &str, schemes: &[&str]) -> Result<String, Failure> {
    let url = url.parse::<GitUrl>().map_err(|error| Failure::BadUrl { detail: error.to_string() })?;
    let url = url.with_scheme();
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    if schemes.contains(&scheme.as_str()) {
        return Ok(url);
    }
    Err(Failure::BadUrl { detail: format!("`{}` is by `{scheme}`", url::redacted(&url)) })
}

/// A submodule's URL may be given from its parent's: `../other.git`.
fn from_parent(parent: &str, url: &str) -> String {
    if !url.starts_with("./") && !url.starts_with("../") {
        return url.to_owned();
    }
    let (mut base, mut rest) = (parent.trim_end_matches('/'), url);
    loop {
        if let Some(after) = rest.strip_prefix("../") {
            (base, rest) = (base.rsplit_once('/').map_or(base, |(folder, _)| folder), after);
        } else if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else {
            return format!("{base}/{rest}");
        }
    }
}

struct Submodule {
    path: String,
    url: String,
    commit: CommitId,
}

impl Submodule {
    /// Nothing of it need be well meant, and a submodule has no business with this machine's
    /// files.
    fn wanted(self, parent: &Wanted) -> Result<Wanted, Failure> {
        let url = transporting(&from_parent(&parent.url, &self.url), &["https", "http", "ssh", "git"])?;
        let place = match (Subfolder::parse(&self.path), &parent.place) {
            (Ok(Some(below)), Some(place)) => place.join(&below),
            (Ok(Some(below)), None) => Ok(below),
            (Ok(None), _) => Err(InvalidGitPlace::Subfolder(self.path)),
            (Err(error), _) => Err(error),
        };
        let place = place.map_err(|source| Failure::Submodule { source })?;
        let revision = Revision::Commit(self.commit);
        Ok(Wanted { url, revision, place: Some(place), depth: parent.depth + 1 })
    }
}

/// A bare repository of ours that is gone after the run.
struct Git<'a> {
    folder: PathBuf,
    url: &'a str,
    context: Context<'a>,
}

impl Git<'_> {
    fn init(&self) -> Result<(), Fault> {
        let folder = self.folder.as_os_str();
        let program = Program::new("git").args(["init", "--quiet", "--bare", "--template="]).arg(folder);
        self.run(&alone(program))
    }

    /// Gets a commit alone, if the server gives such, or else all that it has; then says
    /// which commit it is.
    fn fetch(&self, revision: &Revision) -> Result<CommitId, Fault> {
        // Arguments are for all of the machine's users to see: a password comes another way.
        let url = url::without_password(self.url);
        let shallow = |name: &str| {
            let wanted = format!("+{name}:refs/layr/commit");
            self.fetch_with(&["--depth=1", "--no-tags", "--", &url, &wanted])?;
            self.commit("refs/layr/commit")
        };
        let commit = match revision {
            Revision::Name(name) if is_reference(name) => return shallow(name),
            Revision::Name(name) => {
                let detail = format!("`{}` is no branch or tag", name.escape_debug());
                return Err(Failure::Git { detail }.into());
            }
            Revision::Commit(commit) => commit,
        };
        if commit.is_full() {
            match shallow(commit.as_str()) {
                // Old servers give only what a branch or tag points to.
                Err(Fault::There(Failure::Git { .. })) => {}
                result => return result,
            }
        }
        let all = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
        self.fetch_with(&["--no-tags", "--", &url, all[0], all[1]])?;
        self.commit(commit.as_str())
    }

    fn fetch_with(&self, args: &[&str]) -> Result<(), Fault> {
        let limits = ["-c", "http.lowSpeedLimit=1024", "-c", "http.lowSpeedTime=30"];
        let mut program =
            self.git().args(limits).args(["fetch", "--quiet", "--no-recurse-submodules"]).args(args);
        // Nobody is asked anything: that would wait for ever where nobody is. ssh is told by
        // its variables and not by its command, which is the user's: keys, jumps, programs.
        let silent = [
            ("GIT_TERMINAL_PROMPT", "0"),
            ("SSH_ASKPASS", "false"),
            ("SSH_ASKPASS_REQUIRE", "force"),
            ("GIT_ALLOW_PROTOCOL", "https:http:ssh:git:file"),
        ];
        program.env.extend(silent.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let Some(credential) = self.context.http.identity().credential(self.url) else {
            return self.run(&program);
        };
        let plain = program.clone();
        // In the environment, where other users cannot see it, unlike arguments.
        program.env.extend([
            ("GIT_CONFIG_COUNT".to_owned(), "1".to_owned()),
            ("GIT_CONFIG_KEY_0".to_owned(), format!("http.{}.extraHeader", url::origin(self.url))),
            ("GIT_CONFIG_VALUE_0".to_owned(), format!("Authorization: {}", credential.for_git())),
        ]);
        match self.run(&program) {
            // A token that has expired keeps one from what everybody may read.
            Err(Fault::There(Failure::Git { .. })) => self.run(&plain),
            result => result,
        }
    }

    fn commit(&self, name: &str) -> Result<CommitId, Fault> {
        let revision = format!("{name}^{{commit}}");
        let found = self.git().args(["rev-parse", "--verify", "--quiet", &revision]).capture();
        let found = found.ok().and_then(|text| text.trim().parse().ok());
        found.ok_or_else(|| Failure::Git { detail: format!("the repository has no commit `{name}`") }.into())
    }

    fn archive(&self, commit: &CommitId, folder: &Path) -> Result<NamedTempFile, Fault> {
        let temp = fs::temp_file(folder)?;
        let args = ["archive", "--format=tar.gz", "-1", "--prefix=repository/", "--output"];
        self.run(&alone(self.git().args(args).arg(temp.path()).arg(commit.as_str())))?;
        Ok(temp)
    }

    fn submodules(&self, commit: &CommitId) -> Result<Vec<Submodule>, Fault> {
        let failed = |error: ProcessError| Fault::from(Failure::Git { detail: error.to_string() });
        let listed = alone(self.git().args(["ls-tree", "-r", "-z", "--full-tree", commit.as_str()]));
        let listed = listed.capture().map_err(failed)?;
        let links: Vec<_> = listed
            .split('\0')
            .filter_map(|entry| {
                let (kind, path) = entry.split_once('\t')?;
                Some((path, kind.strip_prefix("160000 commit ")?.trim().parse().ok()?))
            })
            .collect();
        if links.is_empty() {
            return Ok(Vec::new());
        }
        let blob = format!("{commit}:.gitmodules");
        let config = ["config", "--null", "--blob", &blob, "--get-regexp", r"^submodule\..*\.(path|url)$"];
        // A link without an entry there is one that git itself passes over.
        let config = alone(self.git().args(config)).capture().unwrap_or_default();
        Ok(links
            .into_iter()
            .filter_map(|(path, commit)| {
                let path = path.to_owned();
                Some(Submodule { url: submodule_url(&config, &path)?, path, commit })
            })
            .collect())
    }

    fn git(&self) -> Program {
        Program::new("git").arg("--git-dir").arg(&self.folder)
    }

    fn run(&self, program: &Program) -> Result<(), Fault> {
        let Context { store, http, .. } = self.context;
        let log = store.temp_file()?;
        let status = program.run_logged(log.as_file(), LONGEST, http.interrupt());
        let detail = match status {
            Ok(status) if status.success() => return Ok(()),
            Ok(_) => said(&fs::last_lines(log.path(), 5)),
            Err(ProcessError::Interrupted) => return Err(FetchError::Interrupted.into()),
            Err(ProcessError::Start { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(Failure::NoGit.into());
            }
            Err(ProcessError::TimedOut { limit, .. }) => return Err(Failure::GitTooLong { limit }.into()),
            Err(error) => error.to_string(),
        };
        Err(Failure::Git { detail: http.identity().hide(&detail, self.url) }.into())
    }
}

/// Without the user's and the system's configuration.
fn alone(mut program: Program) -> Program {
    let alone =
        [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_ATTR_NOSYSTEM", "1")];
    program.env.extend(alone.map(|(name, value)| (name.to_owned(), value.to_owned())));
    program
}

/// `submodule.NAME.path\nPATH\0submodule.NAME.url\nURL\0`: the URL of the one at `path`.
fn submodule_url(config: &str, path: &str) -> Option<String> {
    let entries = || config.split('\0').filter_map(|entry| entry.split_once('\n'));
    let name = entries().find_map(|(key, value)| key.strip_suffix(".path").filter(|_| value == path))?;
    let wanted = format!("{name}.url");
    entries().find(|(key, _)| *key == wanted).map(|(_, url)| url.to_owned())
}

/// What git said, in one line.
fn said(lines: &[String]) -> String {
    let lines =
        lines.iter().map(|line| line.trim().trim_start_matches("fatal: ").trim_start_matches("remote: "));
    let text = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    text.chars().filter(|c| !c.is_control()).take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submodule_s_url_is_read_from_its_parent_s() {
        let parent = "https://host/group/parent.git";
        let cases = [
            ("../other.git", "https://host/group/other.git"),
            ("../../wide/other.git", "https://host/wide/other.git"),
            ("./inner.git", "https://host/group/parent.git/inner.git"),
            ("https://else/x.git", "https://else/x.git"),
        ];
        for (url, whole) in cases {
            assert_eq!(from_parent(parent, url), whole);
        }
        let config = "submodule.a b.path\nsrc/lib\0submodule.a b.url\n../lib.git\0";
        assert_eq!(submodule_url(config, "src/lib").as_deref(), Some("../lib.git"));
        assert_eq!(submodule_url(config, "src"), None);
    }

    #[test]
    fn a_submodule_comes_by_what_only_transports_and_lies_below_its_parent() {
        let parent = Wanted {
            url: "ssh://git@host/group/parent.git".to_owned(),
            revision: Revision::Name("HEAD".to_owned()),
            place: Subfolder::parse("src").unwrap(),
            depth: 1,
        };
        let wanted = |path: &str, url: &str| {
            let commit = "3f03b11491ce3d6fc5601e210927eff73bf8e350".parse().unwrap();
            Submodule { path: path.to_owned(), url: url.to_owned(), commit }.wanted(&parent)
        };
        for (url, whole) in [
            ("git@host.com:team/x.git", "ssh://git@host.com/team/x.git"),
            ("../x.git", "ssh://git@host/group/x.git"),
            ("HTTPS://host/x.git", "HTTPS://host/x.git"),
        ] {
            let found = wanted("lib/x", url).unwrap();
            assert_eq!((found.url.as_str(), found.depth), (whole, 2));
            assert_eq!(found.place, Subfolder::parse("src/lib/x").unwrap());
        }
        for url in [
            "ext::sh -c id",
            "--upload-pack=id",
            "ssh://-oProxyCommand=id/x",
            "/etc",
            "file:///etc",
            "https://a\nb",
        ] {
            assert!(wanted("x", url).is_err(), "{url}");
        }
        for path in ["../x", "a/../../x", "", ".", "a//b"] {
            assert!(wanted(path, "https://host/x.git").is_err(), "{path}");
        }
        assert!(transporting("file:///srv/x.git", &["file"]).is_ok(), "the user's own lockfile may name one");
    }
}
