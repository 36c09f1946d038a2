//! Where packages go that are nobody else's.

/// Where the packages go that one function alone needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remainder {
    Layer,
    /// Into the zip of its code, which leaves one layer more for what is shared.
    Code,
}
