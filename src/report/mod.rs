//! News of a run, from the stages to whoever listens.

pub mod causes;
mod terminal;

use std::time::Duration;

pub use terminal::{Terminal, Verbosity};

use crate::model::PackageId;

/// All the news that a run can bring. Closed: a new kind of news is a new variant, and
/// the compiler then asks every reporter what it does with it.
#[derive(Debug)]
pub enum Event<'a> {
    /// A stage begins with so many things to do.
    Started { stage: Stage, n_items: usize },
    /// A stage is over; its bar can go.
    Finished { stage: Stage },
    /// Bytes of a source tarball arrived.
    Received { n_bytes: u64 },
    /// A source tarball is verified and in the store.
    Fetched { package: &'a PackageId, n_bytes: u64 },
    /// A package's tree was in the store already.
    FoundInStore { package: &'a PackageId },
    /// A package's tree came from a cache that machines share.
    FoundElsewhere { package: &'a PackageId },
    /// Another machine is building a package: it is looked for again.
    Awaited { package: &'a PackageId },
    /// A package is being built from here on.
    Building { package: &'a PackageId },
    /// A farm has built a package: how long each part of that took.
    OnFarm { package: &'a PackageId, parts: FarmParts },
    /// A package's tree is in the store.
    Built { package: &'a PackageId, elapsed: Duration },
    /// A package did not build; the others go on.
    BuildFailed { package: &'a PackageId },
    /// Bytes of a layer were written.
    Packed { n_bytes: u64 },
    /// A layer version is there with the right bytes, and noted in layers.json.
    Published { arn: &'a str, is_new: bool },
    /// Something the user should know that stops nothing.
    Warning { text: &'a str },
    /// What is going on, for those who asked with `-v` or wait for long.
    Note { text: &'a str },
}

/// What a farm's job took, one part after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FarmParts {
    /// Its inputs were unpacked, named and put together.
    pub prepared: Duration,
    /// What the farm lacked of them was sent.
    pub sent: Duration,
    /// It waited in the queue, and the worker made it ready and kept what came of it.
    pub waited: Duration,
    /// It ran.
    pub ran: Duration,
    /// What came of it was brought, and kept.
    pub brought: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Fetch,
    Build,
    Pack,
}

/// Where stages send their news: a terminal, a log, a test.
pub trait Report: Sync {
    fn report(&self, event: &Event<'_>);
}

/// Nobody listens.
pub struct Silent;

impl Report for Silent {
    fn report(&self, _event: &Event<'_>) {}
}
