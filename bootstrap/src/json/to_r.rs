//! JSON to R: scalars to vectors of length one, arrays and objects to lists, and then,
//! if asked for, lists to vectors, matrices and data frames.

use std::fmt;

use super::parse::Json;
use super::simplify::simplify;
use crate::r::{Data, Object};

/// What becomes of arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrays {
    /// Vectors, matrices and data frames where they can be, as `jsonlite::fromJSON()`.
    Simplified,
    Lists,
}

/// Text that R cannot hold: it has U+0000 in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToRError {
    /// E.g. `$rows[2]$name`.
    pub path: String,
}

impl fmt::Display for ToRError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the event{} has the character U+0000, which no text in R can hold", self.path)
    }
}

pub fn to_r(json: &Json, arrays: Arrays) -> Result<Object, ToRError> {
    let plain = plain(json)?;
    Ok(match arrays {
        Arrays::Simplified => simplify(plain),
        Arrays::Lists => plain,
    })
}

fn plain(json: &Json) -> Result<Object, ToRError> {
    Ok(match json {
        Json::Null => Object::null(),
        Json::Bool(truth) => Object::logical(*truth),
        Json::Integer(number) => integer(*number),
        Json::Double(number) => Object::double(*number),
        Json::Text(text) => Object::text(checked(text)?),
        Json::Array(items) => {
            let elements = items
                .iter()
                .enumerate()
                .map(|(at, item)| plain(item).map_err(|error| error.below(&format!("[{}]", at + 1))));
            Object::list(elements.collect::<Result<_, _>>()?)
        }
        Json::Object(entries) => {
            let elements = entries.iter().map(|(key, value)| {
                let value = plain(value).map_err(|error| error.below(&format!("${key}")))?;
                Ok((checked(key)?.to_owned(), value))
            });
            Object::named(elements.collect::<Result<_, _>>()?)
        }
    })
}

/// Beyond the range of R's integers, -2147483648 being its NA, numbers are doubles.
#[expect(clippy::cast_precision_loss, reason = "R has no integers beyond 2^53 either")]
fn integer(number: i64) -> Object {
    match i32::try_from(number) {
        Ok(number) if number != i32::MIN => Data::Integer(vec![Some(number)]).into(),
        _ => Object::double(number as f64),
    }
}

fn checked(text: &str) -> Result<&str, ToRError> {
    if text.contains('\0') { Err(ToRError { path: String::new() }) } else { Ok(text) }
}

impl ToRError {
    /// The same, seen from a step further up.
    #[must_use]
    pub fn below(self, step: &str) -> Self {
        Self { path: format!("{step}{}", self.path) }
    }
}
