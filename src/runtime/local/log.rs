//! What a function prints and what Lambda says about it, to one log.

use std::sync::{Mutex, PoisonError};

/// How much of the end of an invocation's log a caller can ask for: "Invoke", `LogType`.
const TAIL_BYTES: usize = 4096;

/// Where the log goes to.
pub type Write = Box<dyn Fn(&[u8]) + Send + Sync>;

/// The log of a function, over all its sandboxes.
pub struct Log {
    write: Write,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tail: Vec<u8>,
    /// Whether the function left a line open.
    is_mid_line: bool,
}

impl Log {
    pub fn new(write: Write) -> Self {
        Self { write, state: Mutex::default() }
    }

    /// Forgets the last invocation's log.
    pub(super) fn begin(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).tail.clear();
    }

    /// The end of the log since it was begun.
    pub(super) fn tail(&self) -> Vec<u8> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).tail.clone()
    }

    /// What the function printed.
    pub(super) fn function(&self, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.put(&mut state, bytes);
    }

    /// A line of Lambda's.
    pub(super) fn platform(&self, line: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_mid_line {
            self.put(&mut state, b"\n");
        }
        self.put(&mut state, format!("{line}\n").as_bytes());
    }

    fn put(&self, state: &mut State, bytes: &[u8]) {
        (self.write)(bytes);
        state.tail.extend(bytes);
        let too_many = state.tail.len().saturating_sub(TAIL_BYTES);
        state.tail.drain(..too_many);
        state.is_mid_line = !bytes.ends_with(b"\n");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn lambda_s_lines_begin_a_line_and_only_the_end_is_kept() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let sink = written.clone();
        let log = Log::new(Box::new(move |bytes| sink.lock().unwrap().extend_from_slice(bytes)));
        log.function(b"no newline");
        log.platform("END");
        assert_eq!(*written.lock().unwrap(), b"no newline\nEND\n");
        log.function(&[b'x'; 5000]);
        assert_eq!(log.tail().len(), TAIL_BYTES);
        log.begin();
        assert_eq!(log.tail(), b"");
    }
}
