//! What does not fit the target, and why nothing can be said about it.

use std::fmt;
use std::path::PathBuf;

use super::PolicyError;
use crate::elf::ElfError;
use crate::model::Architecture;
use crate::store::StoreError;
use crate::sys::fs::PathError;

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("`{}` is no folder with a root file system", path.display())]
    NoRootFs { path: PathBuf },
    #[error("`{}` has no dynamic loader of x86_64 or arm64", path.display())]
    NoLoader { path: PathBuf },
    #[error("the links at `{path}` of the base lead in a circle")]
    LinkCircle { path: String },
    #[error("library `{path}` of the base cannot be read: {source}")]
    BaseLibrary { path: String, source: ElfError },
    #[error("`{file}` cannot be made to find its libraries: {source}")]
    Edit { file: String, source: ElfError },
    #[error("target `{target}` cannot be read: {source}")]
    Policy { target: String, source: PolicyError },
    #[error("target `{path}` is for {target}, but the base is for {base}")]
    OtherArchitecture { path: String, target: Architecture, base: Architecture },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Path(#[from] PathError),
}

impl TargetError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoRootFs { .. } | Self::NoLoader { .. } => {
                "give the folder that holds `usr`, `etc` and so on"
            }
            Self::LinkCircle { .. } | Self::BaseLibrary { .. } => {
                "make the base anew, with `layr base build`"
            }
            Self::Edit { .. } => "report it with the file: layr's edit does not know this kind of library",
            Self::OtherArchitecture { .. } => "choose the target of the base's architecture",
            Self::Policy { .. } => {
                "write one with `layr target inspect ROOTFS`; docs/targets.md has the form"
            }
            Self::Store(error) => return error.hint(),
            Self::Path(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}

/// A file that would not load on the target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Its path under `/opt`; for a library that came along, with what brought it.
    pub file: String,
    pub kind: ProblemKind,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// It is for another processor.
    WrongArchitecture { wanted: Architecture },
    /// It says it is ELF and is damaged.
    Unreadable { reason: String },
    /// Neither the target nor the base has the library.
    Missing { library: String },
    /// The target's library is too old, and cannot come along.
    TooNew { library: String, version: String, symbols: Vec<String>, highest: Option<String>, target: String },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        match &self.kind {
            ProblemKind::WrongArchitecture { wanted } => write!(f, "`{file}` is not for {wanted}"),
            ProblemKind::Unreadable { reason } => write!(f, "`{file}` is a damaged library: {reason}"),
            ProblemKind::Missing { library } => {
                write!(f, "`{file}` needs `{library}`, which neither the target nor the base has")
            }
            ProblemKind::TooNew { library, version, symbols, highest, target } => {
                let symbols: Vec<_> = symbols.iter().map(|symbol| format!("`{symbol}`")).collect();
                let what = if symbols.is_empty() { "symbols".to_owned() } else { symbols.join(", ") };
                write!(f, "`{file}` needs {what} of version {version} of `{library}`, but target {target} ")?;
                match highest {
                    Some(highest) => write!(f, "has it up to {highest}"),
                    None => f.write_str("does not have that version"),
                }
            }
        }
    }
}
