//! Ctrl-C, as something that can be waited for together with a child process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// Set once, by Ctrl-C or a request to terminate, and then for good. Clones share it.
#[derive(Debug, Clone)]
pub struct Interrupt {
    own: Arc<OwnedFd>,
    /// Readable as soon as it is set: `own`, or what waits for it and for its parent.
    waited_for: Arc<OwnedFd>,
}

impl Interrupt {
    pub fn new() -> io::Result<Self> {
        let own = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        Ok(Self { waited_for: own.clone(), own })
    }

    /// One more, for a part of the work: set with this one, or by itself alone.
    pub fn part(&self) -> io::Result<Self> {
        let own = Self::new()?.own;
        let either = epoll::create(CreateFlags::CLOEXEC)?;
        for fd in [&own, &self.waited_for] {
            epoll::add(&either, fd, EventData::new_u64(0), EventFlags::IN)?;
        }
        Ok(Self { own, waited_for: Arc::new(either) })
    }

    /// Sets it; everything that waits wakes up.
    pub fn trigger(&self) {
        _ = rustix::io::write(&*self.own, &1_u64.to_ne_bytes());
    }

    pub fn is_set(&self) -> bool {
        self.is_set_within(Duration::ZERO)
    }

    /// Waits for it, at most as long as given.
    pub fn is_set_within(&self, limit: Duration) -> bool {
        let mut fds = [PollFd::new(&*self.waited_for, PollFlags::IN)];
        let limit = Timespec::try_from(limit).ok();
        poll(&mut fds, limit.as_ref()).is_ok_and(|n| n > 0)
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waited_for.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_set_with_the_whole_but_not_the_whole_with_a_part() {
        let whole = Interrupt::new().unwrap();
        let (one, other) = (whole.part().unwrap(), whole.part().unwrap());
        one.trigger();
        assert_eq!((whole.is_set(), one.is_set(), other.is_set()), (false, true, false));
        whole.trigger();
        assert!(other.is_set() && other.part().unwrap().is_set());
    }
}
