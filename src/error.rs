//! The stages' errors as one, with exit codes and hints.

use std::io;

use crate::audit::AuditError;
use crate::base::{BaseError, InvalidRecipe};
use crate::build::BuildError;
use crate::config::ConfigError;
use crate::emit::EmitError;
use crate::engine::EngineError;
use crate::fetch::FetchError;
use crate::finish::FinishError;
use crate::hashes::HashMismatch;
use crate::image::ImageError;
use crate::inventory::InventoryError;
use crate::layr_lock::LayrLockError;
use crate::loading::LoadError;
use crate::lockfile::LockfileError;
use crate::manifest::ManifestError;
use crate::model::InvalidPackageName;
use crate::pack::PackError;
use crate::plan::PlanError;
use crate::publish::PublishError;
use crate::remote::RemoteError;
use crate::resolve::{GraphError, ResolveError, VendorError};
use crate::runtime::RuntimeError;
use crate::runtime::local::LocalError;
use crate::store::StoreError;
use crate::sys::fs::PathError;
use crate::target::TargetError;

/// Everything that can end a run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Recipe(#[from] InvalidRecipe),
    #[error(transparent)]
    Keep(#[from] InvalidPackageName),
    #[error("failed to read the lockfile `{path}`")]
    Lockfile {
        path: String,
        #[source]
        source: LockfileError,
    },
    #[error("failed to read the lockfile")]
    ReadLockfile {
        #[source]
        source: PathError,
    },
    #[error(transparent)]
    LayrLock(#[from] LayrLockError),
    #[error("`{folder}` was not made by `layr vendor`")]
    Vendor {
        folder: String,
        #[source]
        source: VendorError,
    },
    #[error("{}", list("cannot be resolved", .0))]
    Resolve(Vec<ResolveError>),
    #[error("{}", list("do not fit together", .0))]
    Graph(Vec<GraphError>),
    #[error("{}", list("cannot be fetched", .0))]
    Fetch(Vec<FetchError>),
    #[error("{}", list("are not as they were when the lockfile was written", .0))]
    Hashes(Vec<HashMismatch>),
    #[error(transparent)]
    Base(#[from] BaseError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Finish(#[from] FinishError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Local(#[from] LocalError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Emit(#[from] EmitError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("{n_corrupt} blobs of the store held other bytes and were set aside")]
    StoreDamaged { n_corrupt: usize },
    #[error("failed to write the output")]
    Output(#[source] io::Error),
    #[error("failed to prepare for interrupts")]
    Signals(#[source] io::Error),
    #[error("interrupted")]
    Interrupted,
}

/// What a program that called us can go by. docs/exit-codes.md is made of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// All went well.
    Success = 0,
    /// A bug, or an output that could not be written.
    Bug = 1,
    /// The command line or layr.toml is wrong.
    Usage = 2,
    /// The lockfile is missing or cannot be understood.
    Lockfile = 10,
    /// Packages cannot be resolved, or do not fit together.
    Resolve = 11,
    /// Source tarballs cannot be had, or are not what they should be.
    Fetch = 12,
    /// Packages do not build.
    Build = 13,
    /// The layers do not fit Lambda's limits, or cannot be written.
    Pack = 14,
    /// Layers cannot be published, or what was published cannot be read or used.
    Publish = 15,
    /// There is no base, or not the right one.
    Base = 16,
    /// There is nothing to build with.
    Engine = 17,
    /// The store cannot be used.
    Store = 18,
    /// layr.lock cannot be read, or --locked forbids what would change it.
    LayrLock = 19,
    /// An audit found what layr.toml denies.
    Findings = 20,
    /// Packages would not load on the target, or it cannot be described.
    Target = 21,
    /// The function that was invoked failed.
    Function = 22,
    /// What was built again is not the same.
    Differs = 23,
    /// There are no advisories to audit with, or nothing to audit.
    Audit = 24,
    /// The remote cache that the command is about cannot be used.
    Remote = 25,
    /// Ctrl-C, or a request to terminate.
    Interrupted = 130,
}

/// The code of an error of the local Lambda.
fn of_local(error: &LocalError) -> ExitCode {
    match error {
        LocalError::NoBootstrap => ExitCode::Function,
        LocalError::EventTooLarge { .. } | LocalError::EventNotJson(_) => ExitCode::Usage,
        LocalError::Interrupted => ExitCode::Interrupted,
        LocalError::Engine(_) => ExitCode::Engine,
        LocalError::Store(_) => ExitCode::Store,
        LocalError::Serve(_) | LocalError::Path(_) => ExitCode::Bug,
    }
}

/// The code of an error of a cache that a command is about.
fn of_remote(error: &RemoteError) -> ExitCode {
    match error {
        RemoteError::Address(_)
        | RemoteError::Key { .. }
        | RemoteError::Trusted(_)
        | RemoteError::Header(_)
        | RemoteError::NoAddress
        | RemoteError::Settings(_) => ExitCode::Usage,
        RemoteError::Store(_) => ExitCode::Store,
        RemoteError::Interrupted => ExitCode::Interrupted,
        RemoteError::At { .. }
        | RemoteError::Unreachable { .. }
        | RemoteError::Silent { .. }
        | RemoteError::Overdue { .. }
        | RemoteError::TimedOut
        | RemoteError::Broken { .. }
        | RemoteError::Refused { .. }
        | RemoteError::Unfit { .. }
        | RemoteError::WrongBytes { .. }
        | RemoteError::TooLarge { .. }
        | RemoteError::Tree { .. }
        | RemoteError::GivenUp
        | RemoteError::Runtime(_) => ExitCode::Remote,
    }
}

/// One error as it is; several under a head that counts them.
fn list<E: std::error::Error>(what: &str, errors: &[E]) -> String {
    match errors {
        [error] => chain(error),
        errors => {
            let mut text = format!("{} packages {what}:", errors.len());
            for error in errors {
                text.push_str(&format!("\n  {}", chain(error).replace('\n', "\n  ")));
            }
            text
        }
    }
}

/// An error with what caused it, on lines of their own.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("\n  caused by: {error}"));
        cause = error.source();
    }
    text
}

impl Error {
    /// The error with its causes, without a head or a hint.
    pub fn message(&self) -> String {
        chain(self)
    }

    /// Total, so that a new error asks for its code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_)
            | Self::Config(_)
            | Self::Recipe(_)
            | Self::Keep(_)
            | Self::Finish(FinishError::Profile(_))
            | Self::Audit(AuditError::Policy(_) | AuditError::UnknownSource { .. })
            | Self::Publish(PublishError::NoRegion | PublishError::NotA { .. }) => ExitCode::Usage,
            Self::LayrLock(_) | Self::Inventory(InventoryError::LayrLock(_)) => ExitCode::LayrLock,
            Self::Resolve(_) | Self::Graph(_) | Self::Vendor { .. } => ExitCode::Resolve,
            Self::Fetch(errors) if errors.iter().any(|error| matches!(error, FetchError::Interrupted)) => {
                ExitCode::Interrupted
            }
            Self::Fetch(_) | Self::Hashes(_) => ExitCode::Fetch,
            Self::Base(BaseError::Interrupted)
            | Self::Build(BuildError::Interrupted)
            | Self::Store(StoreError::Interrupted)
            | Self::Remote(RemoteError::Interrupted | RemoteError::Store(StoreError::Interrupted))
            | Self::Interrupted => ExitCode::Interrupted,
            Self::Publish(error) if error.is_interrupted() => ExitCode::Interrupted,
            Self::Manifest(_)
            | Self::Publish(_)
            | Self::Emit(_)
            | Self::Image(_)
            | Self::Inventory(InventoryError::NoLayer { .. } | InventoryError::OtherBytes { .. }) => {
                ExitCode::Publish
            }
            Self::Lockfile { .. } | Self::ReadLockfile { .. } | Self::Inventory(_) => ExitCode::Lockfile,
            Self::Base(BaseError::Engine(_)) | Self::Engine(_) => ExitCode::Engine,
            Self::Local(error) => of_local(error),
            Self::Base(BaseError::Store(_) | BaseError::Path(_))
            | Self::Build(BuildError::Store(_) | BuildError::Path(_))
            | Self::Pack(PackError::Store(_))
            | Self::Target(TargetError::Store(_))
            | Self::Finish(FinishError::Store(_) | FinishError::Target(TargetError::Store(_)))
            | Self::Audit(AuditError::Store(_))
            | Self::StoreDamaged { .. }
            | Self::Store(_) => ExitCode::Store,
            Self::Audit(_) => ExitCode::Audit,
            Self::Remote(error) => of_remote(error),
            Self::Base(_)
            | Self::Build(
                BuildError::Base(_) | BuildError::FarmNeedsFolder { .. } | BuildError::OtherBase { .. },
            ) => ExitCode::Base,
            Self::Build(BuildError::Farm(_) | BuildError::Job { .. } | BuildError::Submit(_)) => {
                ExitCode::Remote
            }
            Self::Build(_) => ExitCode::Build,
            Self::Plan(_) | Self::Pack(_) => ExitCode::Pack,
            Self::Target(_) | Self::Finish(_) | Self::Load(_) | Self::Runtime(_) => ExitCode::Target,
            Self::Path(_) | Self::Output(_) | Self::Signals(_) => ExitCode::Bug,
        }
    }

    /// What the user can do next, as an imperative; `None` where we know of nothing.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(_) => Some("`layr help` tells what there is".to_owned()),
            Self::Keep(_) => Some("--keep takes the names of packages".to_owned()),
            Self::Config(error) => error.hint(),
            Self::Recipe(error) => Some(error.hint()),
            Self::Lockfile { source, .. } => source.hint(),
            Self::ReadLockfile { .. } => {
                Some("give the path of a `renv.lock` or a `packrat.lock`".to_owned())
            }
            Self::LayrLock(error) => error.hint(),
            Self::Vendor { .. } => Some("make it anew, with `layr vendor DIR`".to_owned()),
            Self::Resolve(errors) => errors.first()?.hint(),
            Self::Graph(errors) => errors.first()?.hint(),
            Self::Fetch(errors) => errors.first()?.hint(),
            Self::Hashes(_) => Some(
                "if the sources are right, lock again; --verify-hashes=warn goes on all the same".to_owned(),
            ),
            Self::Base(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Build(error) => error.hint(),
            Self::Plan(error) => error.hint(),
            Self::Pack(error) => error.hint(),
            Self::Target(error) => error.hint(),
            Self::Finish(error) => error.hint(),
            Self::Load(error) => error.hint(),
            Self::Runtime(error) => error.hint(),
            Self::Local(error) => error.hint(),
            Self::Manifest(error) => Some(error.hint()),
            Self::Publish(error) => error.hint(),
            Self::Image(error) => error.hint(),
            Self::Inventory(error) => error.hint(),
            Self::Emit(error) => Some(error.hint()),
            Self::Audit(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Remote(error) => error.hint(),
            Self::Path(error) => error.hint(),
            Self::StoreDamaged { .. } => {
                Some("run the build again: what was set aside is made anew".to_owned())
            }
            Self::Output(_) | Self::Signals(_) | Self::Interrupted => None,
        }
    }

    /// Whether the store turned out to hold wrong bytes, which are set aside by now, so
    /// that doing the work again mends it.
    pub fn is_mended_by_repeating(&self) -> bool {
        let damaged = |error: &StoreError| {
            matches!(
                error,
                StoreError::Corrupt { .. } | StoreError::Missing { .. } | StoreError::NotCanonical { .. }
            )
        };
        matches!(
            self,
            Self::Store(error)
                | Self::Build(BuildError::Store(error))
                | Self::Pack(PackError::Store(error))
                | Self::Target(TargetError::Store(error))
                | Self::Finish(FinishError::Store(error) | FinishError::Target(TargetError::Store(error)))
                if damaged(error)
        )
    }

    /// `error: …`, its causes, and a hint, ready to print.
    pub fn render(&self) -> String {
        let mut text = format!("error: {}\n", chain(self));
        if let Some(hint) = self.hint() {
            text.push_str(&format!("\nhint: {hint}\n"));
        }
        text
    }
}
