//! R's files of serialized objects: `.rds`, `.rda`, and the `.rdb` of lazy loading with its
//! index. Enough of them to say which object is where, and whether it holds code. Pure, and
//! bounded: such files come from elsewhere.
//!
//! Source: R Internals, "Serialization Formats" and "Lazy loading".

mod content;
mod index;
mod unpack;

pub use content::{Content, content};
pub use index::{Place, index};
pub use unpack::{UnpackError, object, unpacked};
