//! What holds of any JSON, whatever it says.

use proptest::prelude::*;
use serde_json::Value as Theirs;

use super::json::{Json, JsonError, Value, parse};

fn any_json() -> impl Strategy<Value = Theirs> {
    let leaf = prop_oneof![
        Just(Theirs::Null),
        any::<bool>().prop_map(Theirs::from),
        any::<i64>().prop_map(Theirs::from),
        any::<String>().prop_map(Theirs::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Theirs::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|object| Theirs::Object(object.into_iter().collect())),
        ]
    })
}

fn is_same(ours: &Json<'_>, theirs: &Theirs) -> bool {
    match (&ours.value, theirs) {
        (Value::Null, Theirs::Null) => true,
        (Value::Scalar(text), Theirs::Bool(_) | Theirs::Number(_)) => {
            serde_json::from_str::<Theirs>(text).is_ok_and(|value| value == *theirs)
        }
        (Value::String(text), Theirs::String(other)) => text == other,
        (Value::Array(ours), Theirs::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| is_same(ours, theirs))
        }
        (Value::Object(object), Theirs::Object(theirs)) => {
            object.iter().count() == theirs.len()
                && object
                    .iter()
                    .all(|(key, ours)| theirs.get(key).is_some_and(|theirs| is_same(ours, theirs)))
        }
        _ => false,
    }
}

/// Texts of which some are JSON and most nearly are.
fn nearly_json() -> impl Strategy<Value = String> {
    let words = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\"",
        "\"\\u00e9\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud800\"",
        "\"\\x\"",
        "\"\n\"",
        "\"",
        "0",
        "-1",
        "01",
        "1.5",
        "1.",
        "2e3",
        "2e",
        "+1",
        "true",
        "false",
        "null",
        "nul",
        " ",
        "\n",
        "{\"a\":1}",
        "[1,2]",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..8).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_json_is_read_as_serde_reads_it(value in any_json(), is_pretty: bool) {
        let text = if is_pretty { format!("{value:#}") } else { value.to_string() };
        let (ours, notes) = parse(&text).unwrap();
        prop_assert!(is_same(&ours, &value), "{text}");
        prop_assert!(notes.is_empty());
    }

    #[test]
    fn a_text_is_json_for_us_where_it_is_for_serde(text in nearly_json()) {
        match (parse(&text), serde_json::from_str::<Theirs>(&text)) {
            (Ok((ours, _)), Ok(theirs)) => prop_assert!(is_same(&ours, &theirs), "{text}"),
            // Keys that stand twice are fine with serde.
            (Err(_), Err(_)) | (Err(JsonError::Conflict { .. }), Ok(_)) => {}
            (ours, theirs) => prop_assert!(false, "{text:?}: {ours:?}, but {theirs:?}"),
        }
    }
}
