//! An event as it is given at the terminal: JSON, the name of a file, or `-`.

use std::io::Read;
use std::path::Path;

use serde::de::IgnoredAny;

use crate::error::Error;
use crate::sys::fs;

/// The event's bytes. `flag` is for messages.
pub(super) fn read(flag: &str, text: &str) -> Result<Vec<u8>, Error> {
    if text == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map_err(fs::at("read", Path::new("-")))?;
        return Ok(bytes);
    }
    if is_json(text) {
        return Ok(text.as_bytes().to_vec());
    }
    fs::read(Path::new(text)).map_err(|error| Error::Usage(format!("{flag}: {error}: {}", error.source)))
}

/// JSON, or what was meant to be: a file named `42` or `[x` has to be called `./42`.
fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"']) || serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_can_be_is_an_event_and_all_else_the_name_of_a_file() {
        for json in ["{\"x\": 1}", " [1]", "\"x\"", "42", "-1.5e3", "true", "false", "null", "{broken"] {
            assert!(is_json(json), "{json}");
        }
        for file in ["event.json", "2026-11-24.json", "nullable.json", "./42", "-x", ""] {
            assert!(!is_json(file), "{file}");
        }
    }
}
