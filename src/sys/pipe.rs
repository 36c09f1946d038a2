//! A pipe that can be seen to be empty, so that nothing written before a moment is missed.

use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};

/// The reading end. What is read is handed on under a lock, so that whoever sees the pipe
/// empty under the same lock knows that all has been handed on.
#[derive(Debug)]
pub struct Outlet {
    reader: PipeReader,
    busy: Mutex<()>,
}

/// A pipe: what to write to, as a file for a program's output, and where that comes out.
pub fn pipe() -> io::Result<(File, Outlet)> {
    let (reader, writer) = io::pipe()?;
    Ok((File::from(OwnedFd::from(writer)), Outlet { reader, busy: Mutex::new(()) }))
}

impl Outlet {
    /// Hands on all that arrives, until nobody can write any more.
    pub fn each(&self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match poll(&mut [PollFd::new(&self.reader, PollFlags::IN)], None) {
                Err(rustix::io::Errno::INTR) => continue,
                result => result?,
            };
            let _busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            match (&self.reader).read(&mut buffer)? {
                0 => return Ok(()),
                n => take(&buffer[..n]),
            }
        }
    }

    /// Whether all that has been written so far was handed on.
    pub fn is_drained(&self) -> bool {
        let _busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        rustix::io::ioctl_fionread(&self.reader).is_ok_and(|n| n == 0)
    }
}
