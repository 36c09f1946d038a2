//! A build farm. What a job reads and runs is an input root of the store, and what it
//! leaves comes back into it; the server does the rest.
//!
//! The input root is the root of the file system that the job sees, as buildbox has it and
//! Buildbarn can be told to: paths get into the bytes of packages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use prost::Message;

use super::claim::blob;
use super::grpc::{self, Grpc, MOST_LOG_BYTES, Order, Patience};
use super::server::Network;
use super::shared::{MOST_MESSAGE_BYTES, MOST_TREE_BYTES};
use super::{Address, Remote, RemoteError, Settings};
use crate::model::{Sha256Digest, TreeDigest};
use crate::store::{Blob, IncomingTree, Parcel, Store};
use crate::sys::interrupt::Interrupt;

/// A server that runs jobs, as one run uses it.
pub struct Farm {
    remote: Remote,
    grpc: Arc<Grpc>,
    platform: reapi::Platform,
    /// Digests that the server was given, or had: hundreds of jobs share most inputs. A
    /// folder's stands for all that is in it.
    sent: Mutex<BTreeSet<Sha256Digest>>,
    /// How long a job may take, in the queue and on workers together.
    patience: Duration,
}

/// One program to run.
pub struct Job<'a> {
    pub arguments: Vec<String>,
    pub environment: &'a [(String, String)],
    /// All that it finds, its own file system's root.
    pub root: TreeDigest,
    /// What it is made of.
    pub parcel: Parcel<'a>,
    /// The folder that is wanted of it, from the root, without a slash at its beginning.
    pub output: String,
    /// On a worker.
    pub limit: Duration,
    /// Whether it is run also where the farm remembers what came of it.
    pub anew: bool,
    /// Takes what it says while it runs, where the server lets that be heard. [`Ended`] has it
    /// once more.
    pub log: &'a File,
}

/// How a job ended.
#[derive(Debug)]
pub struct Ended {
    pub exit_code: i32,
    /// How long it ran, where the worker says so.
    pub on_worker: Option<Duration>,
    /// Until the farm had all of it, and from then until it had ended.
    pub sent: Duration,
    pub away: Duration,
    pub said: Said,
    /// `None` where it left no such folder.
    pub output: Option<TreeDigest>,
}

/// What a job has said.
#[derive(Debug)]
pub enum Said {
    All(Vec<u8>),
    /// More than a log may have: so many bytes.
    TooMuch(u64),
}

impl Farm {
    /// `platform` are the properties by which the server chooses a worker, `patience` is for
    /// a job in the queue and on workers together.
    ///
    /// # Errors
    ///
    /// Where the address is not one of REAPI, or the settings are of no use.
    pub fn new(
        settings: Settings,
        (platform, patience): (&BTreeMap<String, String>, Duration),
        interrupt: Interrupt,
    ) -> Result<Self, RemoteError> {
        let network = Arc::new(Network::new(interrupt, settings.stall)?);
        let Address::Grpc { is_encrypted, authority, instance } = &settings.address else {
            return Err(RemoteError::Unfit { what: "REAPI, which a farm is spoken to in" });
        };
        let place = (*is_encrypted, authority.as_str(), instance.as_str());
        let grpc = Arc::new(Grpc::new(place, &settings, network.clone())?);
        let property = |(name, value): (&String, &String)| reapi::platform::Property {
            name: name.clone(),
            value: value.clone(),
        };
        let platform = reapi::Platform { properties: platform.iter().map(property).collect() };
        let remote = Remote::of(grpc.clone(), settings, network);
        Ok(Self { remote, grpc, platform, sent: Mutex::default(), patience })
    }

    /// Runs a job to its end. What a lost worker had begun is begun anew.
    ///
    /// # Errors
    ///
    /// Where the farm does not run it; that it failed is in the outcome.
    pub fn run(&self, job: Job<'_>, store: &Store) -> Result<Ended, RemoteError> {
        let ran = self.run_here(job, store);
        ran.map_err(|error| self.remote.at(error))
    }

    /// Sends a tree before jobs need it.
    ///
    /// # Errors
    ///
    /// Where the farm does not take it.
    pub fn provide(&self, tree: TreeDigest, store: &Store) -> Result<(), RemoteError> {
        self.send(tree, &[], &mut Parcel::over(store)).map_err(|error| self.remote.at(error))
    }

    fn run_here(&self, mut job: Job<'_>, store: &Store) -> Result<Ended, RemoteError> {
        let started = Instant::now();
        let command = job.parcel.put(self.command(&job).encode_to_vec());
        let root = Blob { digest: job.root.0, n_bytes: job.parcel.bytes(job.root.0)?.len() as u64 };
        let action = reapi::Action {
            command_digest: Some(grpc::digest(&command)),
            input_root_digest: Some(grpc::digest(&root)),
            timeout: Some(bazel_remote_apis::google::protobuf::Duration {
                seconds: i64::try_from(job.limit.as_secs()).unwrap_or(i64::MAX),
                nanos: 0,
            }),
            platform: Some(self.platform.clone()),
            ..Default::default()
        };
        let action = job.parcel.put(action.encode_to_vec());
        self.send(job.root, &[command, action], &mut job.parcel)?;
        let sent = started.elapsed();
        let patience = Patience { running: job.limit, altogether: self.patience };
        let order = Order { action, anew: job.anew, patience, log: job.log };
        let run = || self.remote.asking(|| grpc::execute(&self.grpc, order));
        let result = match run() {
            Err(error) if error.is_of_lost_blobs() => {
                self.sent.lock().unwrap_or_else(PoisonError::into_inner).clear();
                self.send(job.root, &[command, action], &mut job.parcel)?;
                run()?
            }
            result => result?,
        };
        let away = started.elapsed().saturating_sub(sent);
        let said = self.said(&result)?;
        let directory = result.output_directories.iter().find(|directory| directory.path == job.output);
        let output = match directory.and_then(|directory| blob(directory.tree_digest.as_ref()?)) {
            Some(message) => Some(self.bring(message, store)?),
            None => None,
        };
        let on_worker = result.execution_metadata.as_ref().and_then(ran_for);
        Ok(Ended { exit_code: result.exit_code, on_worker, sent, away, said, output })
    }

    fn command(&self, job: &Job<'_>) -> reapi::Command {
        let variable = |(name, value): &(String, String)| reapi::command::EnvironmentVariable {
            name: name.clone(),
            value: value.clone(),
        };
        let mut environment: Vec<_> = job.environment.iter().map(variable).collect();
        environment.sort_by(|a, b| a.name.cmp(&b.name)); // as the protocol wants it
        #[expect(deprecated, reason = "servers of REAPI 2.1 and before read them")]
        reapi::Command {
            arguments: job.arguments.clone(),
            environment_variables: environment,
            output_directories: vec![job.output.clone()],
            output_paths: vec![job.output.clone()],
            platform: Some(self.platform.clone()),
            ..Default::default()
        }
    }

    /// A tree, such as an input root, and the messages that make it an action.
    fn send(&self, tree: TreeDigest, messages: &[Blob], parcel: &mut Parcel<'_>) -> Result<(), RemoteError> {
        let sent = || self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut blobs = parcel.closure_beyond(tree, |folder| sent().contains(folder))?;
        blobs.retain(|blob| !sent().contains(&blob.digest));
        blobs.extend(messages);
        let missing = self.remote.missing(&blobs)?;
        parcel.provide(&missing)?;
        self.remote.send_missing(missing, parcel)?;
        // Only now: a folder of which not all is there must not stand for it.
        sent().extend(blobs.iter().map(|blob| blob.digest));
        Ok(())
    }

    /// What comes with the result, or else lies where it says.
    fn said(&self, result: &reapi::ActionResult) -> Result<Said, RemoteError> {
        let kept = |inline: &[u8], digest: Option<&reapi::Digest>| {
            digest.and_then(blob).filter(|blob| inline.is_empty() && blob.n_bytes > 0)
        };
        let reapi::ActionResult { stdout_raw, stderr_raw, stdout_digest, stderr_digest, .. } = result;
        let parts = [(stdout_raw, stdout_digest), (stderr_raw, stderr_digest)];
        let kept = parts.map(|(inline, digest)| (inline, kept(inline, digest.as_ref())));
        let n_bytes = kept.iter().fold(0_u64, |sum, (inline, kept)| {
            sum.saturating_add(kept.map_or(inline.len() as u64, |kept| kept.n_bytes))
        });
        if n_bytes > MOST_LOG_BYTES {
            return Ok(Said::TooMuch(n_bytes));
        }
        let mut said = Vec::new();
        for (inline, kept) in kept {
            match kept {
                None => said.extend_from_slice(inline),
                Some(kept) => {
                    said.extend(self.remote.bytes_of(&[kept])?.remove(&kept.digest).unwrap_or_default());
                }
            }
        }
        Ok(Said::All(said))
    }

    fn bring(&self, message: Blob, store: &Store) -> Result<TreeDigest, RemoteError> {
        if message.n_bytes > MOST_MESSAGE_BYTES {
            return Err(RemoteError::TooLarge { digest: message.digest, limit: MOST_MESSAGE_BYTES });
        }
        let lost = || RemoteError::WrongBytes { digest: message.digest };
        let bytes = self.remote.bytes_of(&[message])?.remove(&message.digest).ok_or_else(lost)?;
        let tree = IncomingTree::read(&bytes, None).map_err(|flaw| RemoteError::Tree { flaw })?;
        if tree.unzipped_bytes > MOST_TREE_BYTES {
            return Err(RemoteError::TooLarge { digest: tree.root.0, limit: MOST_TREE_BYTES });
        }
        self.remote.bring_blobs(&tree.files, store)?;
        if let Some(lacking) = tree.files.iter().find(|blob| !store.has(**blob)) {
            return Err(RemoteError::WrongBytes { digest: lacking.digest });
        }
        store.keep_tree(&tree)?;
        // The server has the files; the folders it may know as parts of one message only.
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.extend(tree.files.iter().map(|file| file.digest));
        Ok(tree.root)
    }
}

/// The time from the command's start to its end.
fn ran_for(metadata: &reapi::ExecutedActionMetadata) -> Option<Duration> {
    let (start, end) =
        (metadata.execution_start_timestamp.as_ref()?, metadata.execution_completed_timestamp.as_ref()?);
    let nanos = |seconds: i64, nanos: i32| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let elapsed = nanos(end.seconds, end.nanos) - nanos(start.seconds, start.nanos);
    u64::try_from(elapsed).ok().filter(|elapsed| *elapsed > 0).map(Duration::from_nanos)
}
