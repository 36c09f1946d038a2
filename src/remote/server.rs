//! What all kinds of caches can do, as calls that block, each of which is one try.

use std::future::Future;
use std::io::{Read, Write};
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;

use super::RemoteError;
use crate::store::Blob;
use crate::sys::interrupt::Interrupt;

/// Keeps blobs by digest, and results by the digest of what they are results of.
pub(super) trait Server: Send + Sync {
    /// What it is, for people.
    fn description(&self) -> Result<String, RemoteError>;

    /// How many bytes of blobs may travel together.
    fn batch_bytes(&self) -> Result<u64, RemoteError>;

    /// Those that it lacks.
    fn missing(&self, blobs: &[Blob]) -> Result<Vec<Blob>, RemoteError>;

    /// Blobs that may travel together, those that it has, as it gives them.
    fn read(&self, blobs: &[Blob]) -> Result<Vec<(Blob, Vec<u8>)>, RemoteError>;

    fn write(&self, blobs: Vec<(Blob, Vec<u8>)>) -> Result<(), RemoteError>;

    /// A blob of any size; whether it has it.
    fn read_large(&self, blob: Blob, to: &mut (dyn Write + Send)) -> Result<bool, RemoteError>;

    fn write_large(&self, blob: Blob, from: &mut (dyn Read + Send)) -> Result<(), RemoteError>;

    /// The result of an action, as a message.
    fn result(&self, action: Blob) -> Result<Option<Vec<u8>>, RemoteError>;

    fn put_result(&self, action: Blob, message: Vec<u8>) -> Result<(), RemoteError>;
}

/// The one runtime of the adapters. It has a thread of its own, so that connections stay
/// alive while nobody waits.
#[derive(Debug)]
pub(super) struct Network {
    /// `None` only while the value is dropped.
    runtime: Option<tokio::runtime::Runtime>,
    interrupt: Interrupt,
    /// How long the other side may be silent.
    stall: Duration,
    sending: Semaphore,
    bringing: Semaphore,
}

/// Where bytes move.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    There,
    Here,
}

/// Requests that move blobs at once, of all jobs together: of more, each would have so small a
/// share of a slow line that the other side seemed silent.
const MOST_SENDING: usize = 4;
const MOST_BRINGING: usize = 16;

/// How long an interrupt may go unnoticed.
const TICK: Duration = Duration::from_millis(100);

/// Requests at once, where each is for one blob.
const N_AT_ONCE: usize = 16;

impl Network {
    pub(super) fn new(interrupt: Interrupt, stall: Duration) -> Result<Self, RemoteError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("remote")
            .enable_all()
            .build()
            .map_err(RemoteError::Runtime)?;
        let (sending, bringing) = (Semaphore::new(MOST_SENDING), Semaphore::new(MOST_BRINGING));
        Ok(Self { runtime: Some(runtime), interrupt, stall, sending, bringing })
    }

    pub(super) fn stall(&self) -> Duration {
        self.stall
    }

    pub(super) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Lets something go on while others are waited for.
    pub(super) fn spawn<F>(&self, future: F) -> Result<tokio::task::JoinHandle<F::Output>, RemoteError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let runtime = self.runtime.as_ref().ok_or(RemoteError::Interrupted)?;
        Ok(runtime.spawn(future))
    }

    /// Sends requests, several at once, and gives the outcomes as they come.
    pub(super) fn for_all<T, F>(&self, mut requests: impl Iterator<Item = F>) -> Result<Vec<T>, RemoteError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, RemoteError>> + Send + 'static,
    {
        let runtime = self.runtime.as_ref().ok_or(RemoteError::Interrupted)?;
        let (mut running, mut outcomes) = (JoinSet::new(), Vec::new());
        for request in requests.by_ref().take(N_AT_ONCE) {
            running.spawn_on(request, runtime.handle());
        }
        while let Some(outcome) = self.wait(running.join_next())? {
            let outcome = outcome.map_err(|error| RemoteError::Broken { detail: error.to_string() })?;
            outcomes.push(outcome?);
            if let Some(request) = requests.next() {
                running.spawn_on(request, runtime.handle());
            }
        }
        Ok(outcomes)
    }

    /// Waits until few others move blobs that way; the next may once the value is dropped.
    pub(super) fn turn(&self, way: Way) -> Result<SemaphorePermit<'_>, RemoteError> {
        const A_WHILE: Duration = Duration::from_hours(1);
        let turns = match way {
            Way::There => &self.sending,
            Way::Here => &self.bringing,
        };
        loop {
            match self.wait_for(A_WHILE, turns.acquire()) {
                Ok(turn) => return turn.map_err(|_closed| RemoteError::Interrupted),
                // Whoever holds one is bounded itself.
                Err(RemoteError::Silent { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for the other side's next word, as long as it may be silent and the user does
    /// not interrupt.
    pub(super) fn wait<F: Future>(&self, future: F) -> Result<F::Output, RemoteError> {
        self.wait_for(self.stall, future)
    }

    /// The same with another limit.
    pub(super) fn wait_for<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, RemoteError> {
        let Some(runtime) = &self.runtime else { return Err(RemoteError::Interrupted) };
        runtime.block_on(async {
            let until = Instant::now() + limit;
            let mut future = pin!(future);
            loop {
                let left = until.saturating_duration_since(Instant::now());
                match tokio::time::timeout(TICK.min(left), future.as_mut()).await {
                    Ok(output) => return Ok(output),
                    Err(_) if self.interrupt.is_set() => return Err(RemoteError::Interrupted),
                    Err(_) if left.is_zero() => return Err(RemoteError::Silent { limit }),
                    Err(_) => {}
                }
            }
        })
    }
}

impl Network {
    /// Waits for a farewell, for a moment, whether or not the user has interrupted.
    pub(super) fn give_a_moment<T>(&self, farewell: tokio::task::JoinHandle<T>) {
        if let Some(runtime) = &self.runtime {
            _ = runtime.block_on(async { tokio::time::timeout(TICK * 5, farewell).await });
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Dropping it would wait for name lookups under way.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
