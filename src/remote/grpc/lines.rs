//! Connections for jobs that are under way. Servers, and what stands before them, let a hundred
//! streams or so be open on one connection, and a job's are open as long as it is: on the
//! connection of short calls, these would wait until jobs have ended.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tonic::transport::{Channel, Endpoint};

use super::super::RemoteError;
use super::super::server::Network;

/// Jobs on one connection. Each has a stream of its own, and two more where it can be heard.
const MOST_JOBS: usize = 30;

/// Each ends with the last of its jobs.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<Vec<Weak<Channel>>>);

impl Lines {
    /// A connection with room for a job, made when it is first used if there is none.
    pub(super) fn take(&self, endpoint: &Endpoint, network: &Network) -> Result<Arc<Channel>, RemoteError> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|line| line.strong_count() > 0);
        let mut with_room = lines.iter().filter(|line| line.strong_count() < MOST_JOBS);
        if let Some(line) = with_room.find_map(Weak::upgrade) {
            return Ok(line);
        }
        let line = Arc::new(network.wait(async { endpoint.connect_lazy() })?);
        lines.push(Arc::downgrade(&line));
        Ok(line)
    }
}
