//! Lists to vectors, matrices, arrays and data frames where all their elements allow it:
//! the rules of `jsonlite::fromJSON()`, which R users know. docs/json.md says where we
//! differ on purpose.

use crate::r::{Data, Object, na_real, number_as_text, texts};

/// Whether a list of equally long vectors becomes a matrix.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Matrices {
    Made,
    /// Not here, but further below: a data frame's column has one element for each row.
    MadeBelow,
}

pub(super) fn simplify(object: Object) -> Object {
    simplify_as(object, Matrices::Made)
}

fn simplify_as(object: Object, matrices: Matrices) -> Object {
    let Data::List(elements) = &object.data else { return object };
    if elements.is_empty() {
        return object;
    }
    let named = is_named(&object);
    if !named && is_records(elements) {
        return data_frame(elements);
    }
    if !named && elements.iter().all(is_scalar) {
        return vector(elements);
    }
    let is_row = |element: &Object| matches!(&element.data, Data::List(inner) if inner.iter().all(is_scalar));
    let rows_of_scalars = elements.iter().all(is_row);
    let Object { data: Data::List(elements), attributes } = object else { return object };
    let mut elements: Vec<Object> =
        elements.into_iter().map(|element| simplify_as(element, Matrices::Made)).collect();
    if !named {
        if matrices == Matrices::Made {
            if rows_of_scalars && let Some(matrix) = matrix(&elements) {
                return matrix;
            }
            if let Some(array) = array(&elements) {
                return array;
            }
        }
        fill_empty(&mut elements);
    }
    Object { data: Data::List(elements), attributes }
}

fn is_named(object: &Object) -> bool {
    matches!(object.data, Data::List(_)) && object.attribute("names").is_some()
}

/// Objects, with nulls among them.
fn is_records(elements: &[Object]) -> bool {
    let fits = |element: &Object| is_named(element) || element.data == Data::Null;
    elements.iter().all(fits) && elements.iter().any(is_named)
}

fn is_scalar(object: &Object) -> bool {
    match object.data {
        Data::Null | Data::Logical(_) | Data::Integer(_) | Data::Double(_) | Data::Text(_) => {
            object.len() < 2
        }
        Data::Complex(_) | Data::Raw(_) | Data::List(_) | Data::Other(_) => false,
    }
}

fn is_atomic(object: &Object) -> bool {
    matches!(object.data, Data::Logical(_) | Data::Integer(_) | Data::Double(_) | Data::Text(_))
}

/// Vectors and nulls to one vector of the widest type among them; null is NA.
fn vector(parts: &[Object]) -> Object {
    let rank = parts.iter().map(rank).max().unwrap_or_default();
    match rank {
        0 => Data::Logical(parts.iter().flat_map(logicals).collect()),
        1 => Data::Integer(parts.iter().flat_map(integers).collect()),
        2 => Data::Double(parts.iter().flat_map(doubles).collect()),
        _ => Data::Text(parts.iter().flat_map(strings).collect()),
    }
    .into()
}

fn rank(object: &Object) -> u8 {
    match object.data {
        Data::Integer(_) => 1,
        Data::Double(_) => 2,
        Data::Text(_) => 3,
        Data::Null | Data::Logical(_) | Data::Complex(_) | Data::Raw(_) | Data::List(_) | Data::Other(_) => 0,
    }
}

fn logicals(object: &Object) -> Vec<Option<bool>> {
    if let Data::Logical(values) = &object.data { values.clone() } else { vec![None] }
}

fn integers(object: &Object) -> Vec<Option<i32>> {
    if let Data::Integer(values) = &object.data {
        return values.clone();
    }
    logicals(object).into_iter().map(|value| value.map(i32::from)).collect()
}

fn doubles(object: &Object) -> Vec<f64> {
    if let Data::Double(values) = &object.data {
        return values.clone();
    }
    integers(object).into_iter().map(|value| value.map_or_else(na_real, f64::from)).collect()
}

fn strings(object: &Object) -> Vec<Option<String>> {
    let truth = |truth: &bool| if *truth { "TRUE" } else { "FALSE" }.to_owned();
    match &object.data {
        Data::Text(values) => values.clone(),
        Data::Double(values) => {
            let na = na_real().to_bits();
            values.iter().map(|value| (value.to_bits() != na).then(|| number_as_text(*value))).collect()
        }
        Data::Integer(values) => values.iter().map(|value| value.map(|value| value.to_string())).collect(),
        Data::Null | Data::Logical(_) | Data::Complex(_) | Data::Raw(_) | Data::List(_) | Data::Other(_) => {
            logicals(object).iter().map(|value| value.as_ref().map(truth)).collect()
        }
    }
}

/// Vectors of one length to the rows of a matrix.
fn matrix(rows: &[Object]) -> Option<Object> {
    let width = rows.first()?.len();
    if !rows.iter().all(|row| is_atomic(row) && row.len() == width) {
        return None;
    }
    Some(bind(rows, &[width]))
}

/// Arrays of the same extents to one array with a dimension more, the first.
fn array(parts: &[Object]) -> Option<Object> {
    let dim = parts.first()?.dim()?;
    if !parts.iter().all(|part| is_atomic(part) && part.dim().as_ref() == Some(&dim)) {
        return None;
    }
    Some(bind(parts, &dim))
}

/// Puts parts of the same extents below each other. R keeps the first dimension densest.
fn bind(parts: &[Object], dim: &[usize]) -> Object {
    let n = parts.len();
    let width: usize = dim.iter().product();
    let bound = match vector(parts).data {
        Data::Integer(values) => Data::Integer(transposed(&values, width)),
        Data::Double(values) => Data::Double(transposed(&values, width)),
        Data::Text(values) => Data::Text(transposed(&values, width)),
        Data::Logical(values) => Data::Logical(transposed(&values, width)),
        // `vector` gives one of the four.
        other @ (Data::Null | Data::Complex(_) | Data::Raw(_) | Data::List(_) | Data::Other(_)) => other,
    };
    let extents = std::iter::once(n).chain(dim.iter().copied());
    Object::from(bound).with("dim", Data::Integer(extents.map(extent).collect()).into())
}

fn transposed<T: Clone>(values: &[T], width: usize) -> Vec<T> {
    (0..width).flat_map(|column| values.iter().skip(column).step_by(width.max(1)).cloned()).collect()
}

fn extent(n: usize) -> Option<i32> {
    i32::try_from(n).ok()
}

/// `[]` says nothing of its type: beside vectors it is an empty vector, beside data
/// frames an empty data frame.
fn fill_empty(elements: &mut [Object]) {
    let is_empty =
        |element: &Object| matches!(element.data, Data::List(_)) && *element == Object::list(Vec::new());
    let others: Vec<&Object> = elements.iter().filter(|element| !is_empty(element)).collect();
    let Some(first) = others.first() else { return };
    let filler = if others.iter().all(|other| other.inherits("data.frame")) {
        frame(Vec::new(), 0)
    } else if others.iter().all(|other| is_atomic(other) && other.attributes.is_empty()) {
        emptied(&first.data).into()
    } else {
        return;
    };
    elements.iter_mut().filter(|element| is_empty(element)).for_each(|element| *element = filler.clone());
}

/// No elements, of the same type.
fn emptied(vector: &Data) -> Data {
    match vector {
        Data::Integer(_) => Data::Integer(Vec::new()),
        Data::Double(_) => Data::Double(Vec::new()),
        Data::Text(_) => Data::Text(Vec::new()),
        Data::Null | Data::Logical(_) | Data::Complex(_) | Data::Raw(_) | Data::List(_) | Data::Other(_) => {
            Data::Logical(Vec::new())
        }
    }
}

/// Records to the rows of a data frame with all their keys, in order of appearance.
fn data_frame(records: &[Object]) -> Object {
    let mut columns: Vec<&str> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for name in records.iter().filter_map(Object::names).flatten() {
        if seen.insert(name) {
            columns.push(name);
        }
    }
    let mut cells: std::collections::BTreeMap<&str, Vec<Object>> =
        columns.iter().map(|column| (*column, vec![Object::null(); records.len()])).collect();
    for (row, record) in records.iter().enumerate() {
        let names = record.names().unwrap_or_default();
        // Backwards, so that of a key that occurs twice the first stays.
        for (name, value) in names.into_iter().zip(record.elements()).rev() {
            if let Some(cell) = cells.get_mut(name).and_then(|cells| cells.get_mut(row)) {
                *cell = value.clone();
            }
        }
    }
    let columns = columns.into_iter().map(|column| {
        let cells = cells.remove(column).unwrap_or_default();
        (column.to_owned(), simplify_as(Object::list(cells), Matrices::MadeBelow))
    });
    frame(columns.collect(), records.len())
}

fn frame(columns: Vec<(String, Object)>, n_rows: usize) -> Object {
    // R's short form of the row names 1 to n.
    let row_names = if n_rows == 0 { Vec::new() } else { vec![None, extent(n_rows).map(|n| -n)] };
    let (names, columns): (Vec<String>, Vec<Object>) = columns.into_iter().unzip();
    Object::list(columns)
        .with("names", texts(names))
        .with("class", Object::text("data.frame"))
        .with("row.names", Data::Integer(row_names).into())
}
