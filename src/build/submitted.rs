//! One package as a job of a scheduler. What it is built of is written into the store, which
//! the job's machine has too; `layr build-one` runs there, and leaves what came of it in the
//! store.
//!
//! The asker holds the key's lock until the job has ended, and the job ends when it is free:
//! nobody waits any more.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::{JobFault, Reason};
use super::one::{Installed, Job, Purpose};
use super::{BuildError, Source};
use crate::model::{BuildKey, PackageId, TreeDigest};
use crate::report::Event;
use crate::store::{JobOutcome, JobRecord, Kind};
use crate::sys::fs;
use crate::sys::process::{ProcessError, Program};

/// What hands jobs to a scheduler, and waits for their end.
#[derive(Debug, Clone)]
pub struct Scheduler {
    /// A line for the shell.
    template: String,
    /// This program, as the machines that run jobs find it.
    program: PathBuf,
    /// For a job, in the queue and on a machine together.
    patience: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`farm.submit` of layr.toml is `{0}`, which has neither {{command}} nor {{key}} in it")]
pub struct InvalidTemplate(String);

/// On a file system of many machines, what one has written is seen by another after a while.
const SETTLES_WITHIN: Duration = Duration::from_secs(5);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// Of what the submit command said, for an error.
const N_LAST_LINES: usize = 10;

impl Scheduler {
    /// # Errors
    ///
    /// Where the jobs would not know what to build.
    pub fn new(template: String, program: PathBuf, patience: Duration) -> Result<Self, InvalidTemplate> {
        if !template.contains("{command}") && !template.contains("{key}") {
            return Err(InvalidTemplate(template));
        }
        Ok(Self { template, program, patience })
    }

    /// The line that has a package built: `{command}` stands for the command as one word,
    /// `{key}` and `{package}` for what is in it.
    fn line(&self, key: BuildKey, id: &PackageId, store: &Path) -> String {
        let word = |path: &Path| quoted(&path.display().to_string());
        let command = format!("{} --cache-dir {} build-one {key}", word(&self.program), word(store));
        let with_key = self.template.replace("{key}", &key.to_hex());
        with_key.replace("{package}", id.name.as_str()).replace("{command}", &quoted(&command))
    }
}

/// A text as one word of the shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

impl Job<'_> {
    pub(super) fn by_scheduler(
        &self,
        scheduler: &Scheduler,
        purpose: Purpose,
    ) -> Result<Result<Installed, Reason>, BuildError> {
        let (store, key) = (self.site.store, self.key.to_hex());
        self.site.report.report(&Event::Building { package: &self.source.id });
        store.put_record(Kind::Job, &key, &self.record(purpose))?;
        let said = store.temp_file()?;
        let line = scheduler.line(self.key, &self.source.id, store.root());
        let shell = Program::new("sh").args(["-c", line.as_str()]);
        let status = match shell.run_logged(said.as_file(), scheduler.patience, self.site.interrupt) {
            Ok(status) => status,
            Err(ProcessError::Interrupted) => return Err(BuildError::Interrupted),
            Err(ProcessError::TimedOut { limit, .. }) => return Err(self.fault(JobFault::Overdue(limit))),
            Err(source) => return Err(BuildError::Submit(source)),
        };
        match self.outcome()? {
            Some(JobOutcome::Built { tree, build_ms }) => match tree.parse::<TreeDigest>() {
                Ok(tree) if store.has_tree(tree.0) => {
                    Ok(Ok(Installed { tree, elapsed: Duration::from_millis(build_ms), on_farm: None }))
                }
                Ok(_) | Err(_) => Err(self.fault(JobFault::NoTree)),
            },
            Some(JobOutcome::Failed { reason }) => Ok(Err(Reason::OfJob(reason))),
            Some(JobOutcome::Stopped { error }) => Err(self.fault(JobFault::Stopped(error))),
            None => {
                let said = fs::last_lines(said.path(), N_LAST_LINES);
                Err(self.fault(JobFault::NoResult { status, said }))
            }
        }
    }

    /// What the job has left, which may be seen a little later.
    fn outcome(&self) -> Result<Option<JobOutcome>, BuildError> {
        let until = Instant::now() + SETTLES_WITHIN;
        loop {
            let record = self.site.store.record::<JobRecord>(Kind::Job, &self.key.to_hex())?;
            let outcome = record.and_then(|record| record.outcome);
            let is_all_there = match &outcome {
                Some(JobOutcome::Built { tree, .. }) => {
                    tree.parse().is_ok_and(|tree| self.site.store.has_tree(tree))
                }
                Some(JobOutcome::Failed { .. } | JobOutcome::Stopped { .. }) => true,
                None => false,
            };
            if is_all_there || Instant::now() >= until {
                return Ok(outcome);
            }
            if self.site.interrupt.is_set_within(BETWEEN_LOOKS) {
                return Err(BuildError::Interrupted);
            }
        }
    }

    fn fault(&self, fault: JobFault) -> BuildError {
        BuildError::Job { package: self.source.id.clone(), fault }
    }

    fn record(&self, purpose: Purpose) -> JobRecord {
        let Source { id, sha256, n_bytes, needs_compilation } = &self.source;
        let base = self.site.base;
        JobRecord {
            package: id.name.to_string(),
            version: id.version.to_string(),
            tarball: sha256.to_hex(),
            tarball_bytes: *n_bytes,
            needs_compilation: *needs_compilation,
            base: base.digest.to_hex(),
            base_folder: base.folder.clone(),
            library: self.library.iter().map(|(name, tree)| (name.to_string(), tree.to_hex())).collect(),
            memory_bytes: self.limits.memory_bytes,
            n_processes: self.limits.n_processes,
            seconds: self.limits.time.as_secs(),
            is_recorded: purpose == Purpose::Keep,
            outcome: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sha256Digest;

    #[test]
    fn a_template_has_the_command_as_one_word() {
        let scheduler = |template: &str| {
            Scheduler::new(template.to_owned(), PathBuf::from("/opt/my layr"), Duration::from_secs(9))
        };
        let key = BuildKey(Sha256Digest([0xab; 32]));
        let id = PackageId { name: "cli".parse().unwrap(), version: "3.6.0".parse().unwrap() };
        let line = |template| scheduler(template).unwrap().line(key, &id, Path::new("/store"));
        let hex = key.to_hex();
        assert_eq!(
            line("sbatch --job-name {package} --wrap {command}"),
            format!(
                r"sbatch --job-name cli --wrap ''\''/opt/my layr'\'' --cache-dir /store build-one {hex}'"
            ),
        );
        assert_eq!(line("./run '{\"key\": \"{key}\"}'"), format!("./run '{{\"key\": \"{hex}\"}}'"));
        assert!(scheduler("sbatch").is_err());
    }
}
