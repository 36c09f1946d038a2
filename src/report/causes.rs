//! An error with its causes to text. Pure.

use std::error::Error;

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// An error and all its causes.
pub fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for next in chain(error).map(ToString::to_string) {
        if text.is_empty() {
            text = next;
        } else if !text.ends_with(&next) {
            // Wrappers often repeat what they wrap.
            text = format!("{text}: {next}");
        }
    }
    text
}

/// What the wrappers wrap: "Connection refused", not "error sending request".
pub fn root(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}
