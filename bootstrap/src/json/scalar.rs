//! Single elements of R's vectors, and names, as JSON.

use std::collections::BTreeSet;

use crate::r::{Data, Object, number_as_text};
use crate::time;

/// Integral numbers below this are written without exponent and fraction.
const MAX_PLAIN: f64 = 1e15;

/// The element at `at`, by the class of the whole.
pub(super) fn scalar(json: &mut String, object: &Object, at: usize) {
    match &object.data {
        Data::Logical(values) => match values[at] {
            Some(truth) => json.push_str(if truth { "true" } else { "false" }),
            None => json.push_str("null"),
        },
        Data::Integer(values) => match values[at] {
            Some(code) if object.inherits("factor") => level(json, object, code),
            Some(number) if object.inherits("Date") => date(json, f64::from(number)),
            Some(number) if object.inherits("POSIXct") => time_of_day(json, f64::from(number)),
            Some(number) => json.push_str(&number.to_string()),
            None => json.push_str("null"),
        },
        Data::Double(values) if object.inherits("integer64") => integer64(json, values[at]),
        Data::Double(values) if !values[at].is_finite() => json.push_str("null"),
        Data::Double(values) if object.inherits("Date") => date(json, values[at]),
        Data::Double(values) if object.inherits("POSIXct") => time_of_day(json, values[at]),
        Data::Double(values) => double(json, values[at]),
        Data::Complex(values) => complex(json, values[at]),
        Data::Text(values) => match &values[at] {
            Some(text) => string(json, text),
            None => json.push_str("null"),
        },
        Data::Null | Data::Raw(_) | Data::List(_) | Data::Other(_) => json.push_str("null"),
    }
}

pub(super) fn string(json: &mut String, text: &str) {
    // A string is always JSON, so this cannot fail; and if it did, `null` is.
    json.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "null".to_owned()));
}

/// The keys of an object: names, and numbers for what has none. What occurs twice gets a
/// number, as `make.unique()` gives it, for R allows it and JSON's readers lose one.
pub(super) fn keys(object: &Object) -> Option<Vec<String>> {
    let names = object.names()?;
    let filled = names.iter().enumerate().map(|(at, name)| match *name {
        "" => (at + 1).to_string(),
        name => name.to_owned(),
    });
    let names: Vec<String> = filled.collect();
    let distinct: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    if distinct.len() == names.len() {
        return Some(names);
    }
    let mut taken: BTreeSet<String> = names.iter().cloned().collect();
    let mut seen = BTreeSet::new();
    let unique = names.into_iter().map(|name| {
        if seen.insert(name.clone()) {
            return name;
        }
        let numbered = (1..).map(|n| format!("{name}.{n}"));
        let free = numbered.into_iter().find(|candidate| !taken.contains(candidate)).unwrap_or_default();
        taken.insert(free.clone());
        free
    });
    Some(unique.collect())
}

/// The shortest digits that read back to the same number.
fn double(json: &mut String, number: f64) {
    if number.fract() == 0.0 && number.abs() < MAX_PLAIN {
        json.push_str(&format!("{number:.0}"));
    } else {
        json.push_str(&serde_json::to_string(&number).unwrap_or_else(|_| "null".to_owned()));
    }
}

fn complex(json: &mut String, (re, im): (f64, f64)) {
    if re.is_nan() || im.is_nan() {
        return json.push_str("null");
    }
    let sign = if im < 0.0 { "" } else { "+" };
    string(json, &format!("{}{sign}{}i", number_as_text(re), number_as_text(im)));
}

/// Package bit64 keeps 64-bit integers in the bits of doubles; the least is its NA.
fn integer64(json: &mut String, bits: f64) {
    let number = i64::from_le_bytes(bits.to_le_bytes());
    json.push_str(&if number == i64::MIN { "null".to_owned() } else { number.to_string() });
}

fn level(json: &mut String, factor: &Object, code: i32) {
    let at = usize::try_from(code).ok().and_then(|code| code.checked_sub(1));
    match (factor.attribute("levels").map(|levels| &levels.data), at) {
        (Some(Data::Text(levels)), Some(at)) => match levels.get(at) {
            Some(Some(level)) => string(json, level),
            _ => json.push_str("null"),
        },
        _ => json.push_str(&code.to_string()),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "floats are cut to the range of days")]
fn date(json: &mut String, days: f64) {
    string(json, &time::date(days.floor() as i64));
}

/// R's times are doubles; a microsecond is what they resolve in this century.
#[expect(clippy::cast_possible_truncation, reason = "floats are cut to the range of microseconds")]
fn time_of_day(json: &mut String, seconds: f64) {
    string(json, &time::iso8601((seconds * 1e6).round() as i64));
}
