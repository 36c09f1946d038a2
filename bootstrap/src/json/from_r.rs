//! R's values to JSON: a vector of one element is a scalar unless wrapped in `I()`, names
//! make objects, and no digit is lost.

use std::fmt;

use base64::Engine as _;

use super::scalar::{keys, scalar, string};
use crate::r::{Data, Object};

/// What JSON cannot express, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteError {
    /// E.g. `$fit$terms`; empty at the top.
    pub path: String,
    pub what: String,
}

impl fmt::Display for WriteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the result{} is {}, which JSON cannot express", self.path, self.what)
    }
}

/// The JSON text of `object`.
pub fn from_r(object: &Object) -> Result<String, WriteError> {
    let mut json = String::new();
    value(&mut json, object)?;
    Ok(json)
}

fn value(json: &mut String, object: &Object) -> Result<(), WriteError> {
    if object.inherits("json") {
        return verbatim(json, object);
    }
    if object.inherits("data.frame") {
        return rows(json, object);
    }
    if object.inherits("POSIXlt") {
        return Err(refuse("a POSIXlt (convert it with as.POSIXct())"));
    }
    match &object.data {
        Data::Null => json.push_str("null"),
        Data::Other(what) => return Err(refuse(&with_article(what))),
        Data::Raw(bytes) => string(json, &base64::engine::general_purpose::STANDARD.encode(bytes)),
        Data::List(elements) => list(json, object, elements)?,
        Data::Logical(_) | Data::Integer(_) | Data::Double(_) | Data::Complex(_) | Data::Text(_) => {
            vector(json, object);
        }
    }
    Ok(())
}

fn list(json: &mut String, object: &Object, elements: &[Object]) -> Result<(), WriteError> {
    if let Some(dim) = object.dim() {
        let mut cells = Vec::with_capacity(elements.len());
        for element in elements {
            cells.push(from_r(element)?);
        }
        nested(json, &dim, 1, &|json, at| json.push_str(&cells[at]));
        return Ok(());
    }
    let Some(names) = keys(object) else {
        return array(json, elements);
    };
    json.push('{');
    for (at, (name, element)) in names.iter().zip(elements).enumerate() {
        if at > 0 {
            json.push(',');
        }
        string(json, name);
        json.push(':');
        value(json, element).map_err(|error| error.below(&format!("${name}")))?;
    }
    json.push('}');
    Ok(())
}

fn array(json: &mut String, elements: &[Object]) -> Result<(), WriteError> {
    json.push('[');
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        value(json, element).map_err(|error| error.below(&format!("[[{}]]", at + 1)))?;
    }
    json.push(']');
    Ok(())
}

fn vector(json: &mut String, object: &Object) {
    let element = |json: &mut String, at: usize| scalar(json, object, at);
    if let Some(dim) = object.dim() {
        nested(json, &dim, 1, &element);
    } else if let Some(names) = keys(object).filter(|names| !only_count(names)) {
        json.push('{');
        for (at, name) in names.iter().enumerate() {
            if at > 0 {
                json.push(',');
            }
            string(json, name);
            json.push(':');
            element(json, at);
        }
        json.push('}');
    } else if object.len() == 1 && !object.inherits("AsIs") {
        element(json, 0);
    } else {
        nested(json, &[object.len()], 1, &element);
    }
}

/// Whether names say no more than positions do, as those that `predict()` gives.
fn only_count(names: &[String]) -> bool {
    names.iter().enumerate().all(|(at, name)| *name == (at + 1).to_string())
}

/// An array of arrays, the first dimension outermost. R keeps the first dimension densest:
/// its elements lie `stride` apart.
fn nested(json: &mut String, dim: &[usize], stride: usize, element: &dyn Fn(&mut String, usize)) {
    let Some((extent, inner)) = dim.split_first() else { return element(json, 0) };
    json.push('[');
    for n in 0..*extent {
        if n > 0 {
            json.push(',');
        }
        nested(json, inner, stride * extent, &|json, at| element(json, n * stride + at));
    }
    json.push(']');
}

/// A data frame: an array with an object for each row.
fn rows(json: &mut String, frame: &Object) -> Result<(), WriteError> {
    let names = keys(frame).unwrap_or_default();
    let n_rows = frame_rows(frame);
    let mut columns = Vec::with_capacity(names.len());
    for (name, column) in names.iter().zip(frame.elements()) {
        let cells = cells(column, n_rows).map_err(|error| error.below(&format!("${name}")))?;
        columns.push((name, cells));
    }
    json.push('[');
    for row in 0..n_rows {
        json.push_str(if row > 0 { ",{" } else { "{" });
        for (at, (name, cells)) in columns.iter().enumerate() {
            if at > 0 {
                json.push(',');
            }
            string(json, name);
            json.push(':');
            json.push_str(cells.get(row).map_or("null", String::as_str));
        }
        json.push('}');
    }
    json.push(']');
    Ok(())
}

/// The JSON of each row of a column.
fn cells(column: &Object, n_rows: usize) -> Result<Vec<String>, WriteError> {
    if column.inherits("data.frame") {
        // A data frame within: its rows are objects, split again.
        let names = keys(column).unwrap_or_default();
        let mut inner = Vec::new();
        for (name, part) in names.iter().zip(column.elements()) {
            inner.push((name, cells(part, n_rows).map_err(|error| error.below(&format!("${name}")))?));
        }
        return Ok((0..n_rows).map(|row| object_of(&inner, row)).collect());
    }
    if let Data::List(elements) = &column.data
        && column.dim().is_none()
    {
        return elements.iter().map(from_r).collect();
    }
    let dim = column.dim().unwrap_or_else(|| vec![column.len()]);
    let inner = dim.get(1..).unwrap_or_default();
    let cell = |row: usize| {
        let mut json = String::new();
        nested(&mut json, inner, n_rows, &|json, at| scalar(json, column, row + at));
        json
    };
    Ok((0..n_rows).map(cell).collect())
}

fn object_of(columns: &[(&String, Vec<String>)], row: usize) -> String {
    let mut json = String::from("{");
    for (at, (name, cells)) in columns.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        string(&mut json, name);
        json.push(':');
        json.push_str(cells.get(row).map_or("null", String::as_str));
    }
    json.push('}');
    json
}

fn frame_rows(frame: &Object) -> usize {
    match frame.attribute("row.names").map(|names| &names.data) {
        // The short form: NA, and the number of rows with either sign.
        Some(Data::Integer(words)) if words.len() == 2 && words[0].is_none() => {
            words[1].map_or(0, |n| usize::try_from(n.unsigned_abs()).unwrap_or_default())
        }
        Some(_) => frame.attribute("row.names").map_or(0, Object::len),
        None => frame.elements().first().map_or(0, Object::len),
    }
}

/// Text of class `json` is JSON already.
fn verbatim(json: &mut String, object: &Object) -> Result<(), WriteError> {
    let text = object.as_strs().concat();
    if let Err(error) = super::parse(text.as_bytes()) {
        return Err(refuse(&format!("of class `json` but no JSON ({error})")));
    }
    json.push_str(&text);
    Ok(())
}

fn refuse(what: &str) -> WriteError {
    WriteError { path: String::new(), what: what.to_owned() }
}

fn with_article(what: &str) -> String {
    let article = if what.starts_with(['a', 'e', 'i', 'o', 'u', 'S']) { "an" } else { "a" };
    format!("{article} {what}")
}

impl WriteError {
    fn below(self, step: &str) -> Self {
        Self { path: format!("{step}{}", self.path), ..self }
    }
}
