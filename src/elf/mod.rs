//! ELF files as the dynamic loader sees them: read, and edited. Pure: bytes in, values or
//! bytes out.
//!
//! Only what the loader goes by is looked at (program headers and the dynamic section), so
//! that a file says the same here as on Lambda, whatever its section headers claim.

mod edit;
mod read;
mod sections;
mod symbols;

use std::collections::{BTreeMap, BTreeSet};

pub use edit::{Edits, edit};
pub use read::{is_elf, read};
pub use sections::differing_sections;
pub use symbols::symbols_of_version;

use crate::model::Architecture;

/// What one file asks of the system it is loaded on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// `None` where it is for a processor that Lambda has not.
    pub architecture: Option<Architecture>,
    /// Its own name, which others need it by.
    pub soname: Option<String>,
    /// The libraries it needs, in the order they are searched for symbols.
    pub needed: Vec<String>,
    /// Folders that are searched for them first.
    pub run_path: Vec<String>,
    /// By library: the versions of its symbols that must be there.
    pub versions_needed: BTreeMap<String, BTreeSet<String>>,
    /// The versions that it offers to others.
    pub versions_defined: BTreeSet<String>,
    /// The loader that starts it, where it is a program.
    pub interpreter: Option<String>,
    /// Whether it asks for a stack that can be executed, which hardened systems refuse.
    pub executable_stack: bool,
    /// Whether its code is written to when it is loaded, which they refuse too.
    pub text_relocations: bool,
}

/// What is wrong with a file that says it is ELF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    #[error("it ends within its {0}")]
    Truncated(&'static str),
    #[error("its {0} lie outside of it")]
    Outside(&'static str),
    #[error("the name of a library or version in it is no UTF-8")]
    Name,
    #[error("its {what} are {value}, more than the {limit} that are read")]
    TooMany { what: &'static str, value: usize, limit: usize },
    #[error("it is no dynamic library or program, so it has no run path")]
    NotDynamic,
    #[error("its dynamic section has no room for another entry")]
    NoRoom,
    #[error("its segments lie too far apart, or out of order, for one behind them")]
    FarApart,
}

#[cfg(test)]
mod tests;
