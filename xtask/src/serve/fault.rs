//! What a server on the way to a repository can do wrong, for tests to ask for by path.

/// One kind of trouble. It lasts until it is cleared, or as many times as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Every answer has this status and no file.
    Status(u16),
    /// So many answers have this status, then the file comes.
    StatusTimes(u16, usize),
    /// The headers come, the body never does.
    Stall,
    /// The full length is announced, and the connection closed after so many bytes of
    /// the body.
    CutAfter(u64),
    /// The same, but only so many times.
    CutAfterTimes(u64, usize),
    /// One bit of the file's first byte is another.
    OtherBytes,
    /// Status 200 and a page of HTML, as a hotel's network answers.
    HtmlPage,
    /// `Range` is ignored: the whole file comes, with status 200.
    NoRange,
}

impl Fault {
    /// The fault once it has happened; `None` when that was the last time.
    pub(super) fn after_use(self) -> Option<Self> {
        match self {
            Self::StatusTimes(_, 0 | 1) | Self::CutAfterTimes(_, 0 | 1) => None,
            Self::StatusTimes(status, n_times) => Some(Self::StatusTimes(status, n_times - 1)),
            Self::CutAfterTimes(bytes, n_times) => Some(Self::CutAfterTimes(bytes, n_times - 1)),
            Self::Status(_)
            | Self::Stall
            | Self::CutAfter(_)
            | Self::OtherBytes
            | Self::HtmlPage
            | Self::NoRange => Some(self),
        }
    }
}
