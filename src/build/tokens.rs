//! One pool of job tokens for all builds of a run: a named pipe with a byte for each core,
//! as GNU make's job server has it. A build holds one, and each compiler that `make`
//! starts beside the first takes another, so that a single heavy package at the end uses
//! all cores and many small ones do not use more.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};

use crate::sys::interrupt::Interrupt;

#[derive(Debug)]
pub(super) struct Tokens {
    path: PathBuf,
    pipe: File,
    n: usize,
}

/// One token, given back when dropped.
#[derive(Debug)]
pub(super) struct Token<'a>(&'a Tokens);

impl Tokens {
    /// Makes the pipe in `folder`, with `n` tokens in it. Anybody may use it: the folder is
    /// ours alone, and builds run as another user.
    pub(super) fn new(folder: &Path, n: usize) -> io::Result<Self> {
        let path = folder.join("tokens");
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o666), 0)?;
        crate::sys::fs::set_mode(&path, 0o666).map_err(io::Error::other)?; // past the umask
        let pipe = File::from(open(&path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?);
        let tokens = Self { path, pipe, n };
        tokens.refill()?;
        Ok(tokens)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for a token; `None` where the user interrupted.
    pub(super) fn acquire(&self, interrupt: &Interrupt) -> io::Result<Option<Token<'_>>> {
        loop {
            let mut fds = [PollFd::new(&self.pipe, PollFlags::IN), PollFd::new(interrupt, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) if interrupt.is_set() => return Ok(None),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            match (&self.pipe).read(&mut [0]) {
                Ok(1) => return Ok(Some(Token(self))),
                Ok(_) => {}
                // Somebody else was faster.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A token, if there is one at this moment.
    pub(super) fn at_once(&self) -> Option<Token<'_>> {
        matches!((&self.pipe).read(&mut [0]), Ok(1)).then_some(Token(self))
    }

    /// Puts back what builds that were killed took with them; only while none runs.
    pub(super) fn refill(&self) -> io::Result<()> {
        while (&self.pipe).read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
        (&self.pipe).write_all(&vec![b'+'; self.n])
    }
}

impl Drop for Token<'_> {
    fn drop(&mut self) {
        // The pipe holds thousands of bytes and there are no more than `n` tokens.
        _ = (&self.0.pipe).write_all(b"+");
    }
}

impl AsFd for Tokens {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_tokens_as_cores_and_each_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let interrupt = Interrupt::new().unwrap();
        let tokens = Tokens::new(folder.path(), 2).unwrap();
        let first = tokens.acquire(&interrupt).unwrap().unwrap();
        let second = tokens.acquire(&interrupt).unwrap().unwrap();
        assert!((&tokens.pipe).read(&mut [0]).is_err(), "the third is not there");
        drop(first);
        let third = tokens.acquire(&interrupt).unwrap();
        assert!(third.is_some());
        std::mem::forget((second, third)); // two builds were killed with theirs
        tokens.refill().unwrap();
        assert!(tokens.acquire(&interrupt).unwrap().is_some());
        interrupt.trigger();
        assert!(tokens.acquire(&interrupt).unwrap().is_none(), "waiting ends when interrupted");
    }
}
