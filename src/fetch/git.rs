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
use super::{Context, Failure, FetchError};
use crate::model::{CommitId, is_reference};
use crate::resolve::Checkout;
use crate::sys::fs;
use crate::sys::process::{ProcessError, Program};

/// No package's repository takes longer, and git does not notice every dead line itself.
const LONGEST: Duration = Duration::from_mins(30);
/// Submodules of submodules of …
const DEEPEST: usize = 8;

/// A repository's files at a commit.
pub(super) struct Fetched {
    pub(super) listing: Listing,
    /// All of its digits.
    pub(super) commit: CommitId,
}

/// Gets a commit, by its digest or by a name, with all submodules.
pub(super) fn fetch(url: &str, checkout: &Checkout, context: Context<'_>) -> Result<Fetched, Fault> {
    let mut listing = Listing::new(context.store)?;
    let revision = match (&checkout.commit, &checkout.reference) {
        (Some(commit), _) => Revision::Commit(commit.clone()),
        (None, Some(name)) => Revision::Name(name.clone()),
        (None, None) => Revision::Name("HEAD".to_owned()),
    };
    let commit = add(&mut listing, &Wanted { url, revision, place: "", depth: 0 }, context)?;
    Ok(Fetched { listing, commit })
}

enum Revision {
    Commit(CommitId),
    Name(String),
}

/// What to get, and where in the listing it comes to lie.
struct Wanted<'a> {
    url: &'a str,
    revision: Revision,
    place: &'a str,
    depth: usize,
}

fn add(listing: &mut Listing, wanted: &Wanted<'_>, context: Context<'_>) -> Result<CommitId, Fault> {
    let Wanted { url, revision, place, depth } = wanted;
    let (url, place, depth) = (*url, *place, *depth);
    if !is_url(url, depth > 0) {
        let detail = format!("`{}` is no URL of git's", url.escape_debug());
        return Err(Failure::BadUrl { detail }.into());
    }
    let folder = context.store.temp_dir("git-")?;
    let git = Git { folder: folder.path().join("repository"), url, context };
    git.init()?;
    let commit = git.fetch(revision)?;
    let archive = git.archive(&commit, folder.path())?;
    listing.add_archive(archive.path(), place)?;
    for submodule in git.submodules(&commit)? {
        if depth >= DEEPEST {
            let detail = format!("its submodules are nested deeper than {DEEPEST}");
            return Err(Failure::Git { detail }.into());
        }
        let place = if place.is_empty() { submodule.path } else { format!("{place}/{}", submodule.path) };
        let wanted = Wanted {
            url: &from_parent(url, &submodule.url),
            revision: Revision::Commit(submodule.commit),
            place: &place,
            depth: depth + 1,
        };
        add(listing, &wanted, context)?;
    }
    Ok(commit)
}

/// The transports that only transport: `ext::` runs programs, and a submodule has no
/// business with this machine's files.
fn is_url(url: &str, is_submodule: bool) -> bool {
    let schemes: &[&str] = if is_submodule {
        &["https://", "http://", "ssh://", "git://"]
    } else {
        &["https://", "http://", "ssh://", "git://", "file://"]
    };
    schemes.iter().any(|scheme| url.starts_with(scheme)) && !url.contains(char::is_control)
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
        let shallow = |name: &str| {
            let wanted = format!("+{name}:refs/layr/commit");
            self.fetch_with(&["--depth=1", "--no-tags", "--", self.url, &wanted])?;
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
                Err(Fault::There(_)) => {}
                result => return result,
            }
        }
        let all = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
        self.fetch_with(&["--no-tags", "--", self.url, all[0], all[1]])?;
        self.commit(commit.as_str())
    }

    fn fetch_with(&self, args: &[&str]) -> Result<(), Fault> {
        let limits = ["-c", "http.lowSpeedLimit=1024", "-c", "http.lowSpeedTime=30"];
        let mut program =
            self.git().args(limits).args(["fetch", "--quiet", "--no-recurse-submodules"]).args(args);
        program.env.extend([
            ("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned()),
            ("GIT_SSH_COMMAND".to_owned(), "ssh -o BatchMode=yes".to_owned()),
            ("GIT_ALLOW_PROTOCOL".to_owned(), "https:http:ssh:git:file".to_owned()),
        ]);
        let Some(credential) = self.context.http.identity().credential(self.url) else {
            return self.run(&program);
        };
        let plain = program.clone();
        // In the environment, where other users cannot see it, unlike arguments.
        program.env.extend([
            ("GIT_CONFIG_COUNT".to_owned(), "1".to_owned()),
            ("GIT_CONFIG_KEY_0".to_owned(), format!("http.{}.extraHeader", super::url::origin(self.url))),
            ("GIT_CONFIG_VALUE_0".to_owned(), format!("Authorization: {}", credential.for_git())),
        ]);
        // A token that has expired keeps one from what everybody may read.
        self.run(&program).or_else(|_| self.run(&plain))
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
            Err(error) => error.to_string(),
        };
        Err(Failure::Git { detail: http.identity().hide(&detail) }.into())
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
    fn only_urls_that_transport_are_given_to_git() {
        for url in ["ext::sh -c id", "--upload-pack=id", "/etc", "file:///etc", "https://a\nb"] {
            assert!(!is_url(url, true), "{url}");
        }
        assert!(is_url("file:///srv/x.git", false), "the user's own lockfile may name one");
    }
}
