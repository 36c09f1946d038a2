//! R's values, as R itself writes and reads them between processes (`serialize()`,
//! version 2, little-endian binary; described in the R Internals manual, "Serialization
//! Formats").

mod read;
mod text;
mod write;

pub use read::{ReadError, read};
pub use text::number_as_text;
pub use write::write;

/// One value of R with its attributes.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    pub data: Data,
    /// In R's order; names are not repeated.
    pub attributes: Vec<(String, Object)>,
}

/// The kinds of data that have a meaning in JSON. `None` is NA.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    Null,
    Logical(Vec<Option<bool>>),
    Integer(Vec<Option<i32>>),
    /// NA is [`na_real`]; any other NaN is NaN.
    Double(Vec<f64>),
    Complex(Vec<(f64, f64)>),
    Text(Vec<Option<String>>),
    Raw(Vec<u8>),
    List(Vec<Object>),
    /// A value that JSON cannot express: R's word for what it is, e.g. `function`.
    Other(&'static str),
}

/// R's NA among doubles: a NaN with this payload.
pub fn na_real() -> f64 {
    f64::from_bits(0x7FF0_0000_0000_07A2)
}

impl From<Data> for Object {
    fn from(data: Data) -> Self {
        Self { data, attributes: Vec::new() }
    }
}

impl Object {
    pub fn null() -> Self {
        Data::Null.into()
    }

    pub fn text(text: impl Into<String>) -> Self {
        Data::Text(vec![Some(text.into())]).into()
    }

    pub fn double(number: f64) -> Self {
        Data::Double(vec![number]).into()
    }

    pub fn logical(truth: bool) -> Self {
        Data::Logical(vec![Some(truth)]).into()
    }

    pub fn list(elements: Vec<Self>) -> Self {
        Data::List(elements).into()
    }

    /// A list with a name for each element.
    pub fn named(elements: Vec<(String, Self)>) -> Self {
        let (names, values): (Vec<String>, Vec<Self>) = elements.into_iter().unzip();
        Self::list(values).with("names", texts(names))
    }

    #[must_use]
    pub fn with(mut self, attribute: &str, value: Self) -> Self {
        self.attributes.push((attribute.to_owned(), value));
        self
    }

    pub fn attribute(&self, name: &str) -> Option<&Self> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// The names of a list or vector; NA and absent ones are empty.
    pub fn names(&self) -> Option<Vec<&str>> {
        let Data::Text(names) = &self.attribute("names")?.data else { return None };
        Some(names.iter().map(|name| name.as_deref().unwrap_or_default()).collect())
    }

    pub fn dim(&self) -> Option<Vec<usize>> {
        let Data::Integer(dim) = &self.attribute("dim")?.data else { return None };
        dim.iter().map(|extent| usize::try_from((*extent)?).ok()).collect()
    }

    pub fn inherits(&self, class: &str) -> bool {
        self.attribute("class").is_some_and(|classes| classes.as_strs().contains(&class))
    }

    /// The number of elements, as `length()` has it for vectors and lists.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Null => 0,
            Data::Logical(values) => values.len(),
            Data::Integer(values) => values.len(),
            Data::Double(values) => values.len(),
            Data::Complex(values) => values.len(),
            Data::Text(values) => values.len(),
            Data::Raw(bytes) => bytes.len(),
            Data::List(elements) => elements.len(),
            Data::Other(_) => 1,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first string, where it is a character vector.
    pub fn as_str(&self) -> Option<&str> {
        if let Data::Text(texts) = &self.data { texts.first()?.as_deref() } else { None }
    }

    pub fn is_true(&self) -> bool {
        self.data == Data::Logical(vec![Some(true)])
    }

    /// The first number, where it is an integer vector.
    pub fn as_integer(&self) -> Option<i32> {
        if let Data::Integer(values) = &self.data { values.first().copied()? } else { None }
    }

    /// All strings that are not NA, where it is a character vector.
    pub fn as_strs(&self) -> Vec<&str> {
        let Data::Text(texts) = &self.data else { return Vec::new() };
        texts.iter().flatten().map(String::as_str).collect()
    }

    pub fn elements(&self) -> &[Self] {
        if let Data::List(elements) = &self.data { elements } else { &[] }
    }
}

/// A character vector.
pub fn texts(texts: impl IntoIterator<Item = impl Into<String>>) -> Object {
    Data::Text(texts.into_iter().map(|text| Some(text.into())).collect()).into()
}
