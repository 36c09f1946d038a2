//! What is JSON and what is not, after the published descriptions of `JSONTestSuite`
//! (Nicolas Seriot, "Parsing JSON is a Minefield"), in whose names `y_` is accepted, `n_`
//! refused, and `i_` left to the reader.

use bootstrap::json::{Arrays, from_r, parse, to_r};
use bootstrap::r::{Object, read, write};

use crate::chance::Chance;

/// `y_`: text, and how it comes back from R.
const ACCEPTED: &[(&str, &[u8], &str)] = &[
    ("array_arraysWithSpaces", b"[[]   ]", "[[]]"),
    ("array_empty-string", b"[\"\"]", r#""""#),
    ("array_false", b"[false]", "false"),
    ("array_heterogeneous", b"[null, 1, \"1\", {}]", r#"[null,1,"1",{}]"#),
    ("array_with_1_and_newline", b"[1\n]", "1"),
    ("array_with_leading_space", b" [1]", "1"),
    ("array_with_several_null", b"[1,null,null,null,2]", "[1,null,null,null,2]"),
    ("array_with_trailing_space", b"[2] ", "2"),
    ("number_0e+1", b"[0e+1]", "0"),
    ("number_0e1", b"[0e1]", "0"),
    ("number_after_space", b"[ 4]", "4"),
    (
        "number_double_close_to_zero",
        b"[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]",
        "-1e-78",
    ),
    ("number_int_with_exp", b"[20e1]", "200"),
    ("number_minus_zero", b"[-0]", "-0"),
    ("number_negative_int", b"[-123]", "-123"),
    ("number_real_capital_e_neg_exp", b"[1E-2]", "0.01"),
    ("number_real_exponent", b"[123e45]", "1.23e+47"),
    ("number_real_fraction_exponent", b"[123.456e78]", "1.23456e+80"),
    ("object_basic", b"{\"asd\":\"sdf\"}", r#"{"asd":"sdf"}"#),
    ("object_duplicated_key", b"{\"a\":\"b\",\"a\":\"c\"}", r#"{"a":"b","a.1":"c"}"#),
    ("object_empty", b"{}", "{}"),
    ("object_empty_key", b"{\"\":0}", r#"{"1":0}"#),
    ("object_extreme_numbers", b"{\"min\": -1.0e+28, \"max\": 1.0e+28 }", r#"{"min":-1e+28,"max":1e+28}"#),
    (
        "object_string_unicode",
        r#"{"title":"\u041f\u043e\u043b\u0442\u043e\u0440\u0430" }"#.as_bytes(),
        r#"{"title":"Полтора"}"#,
    ),
    ("string_1_2_3_bytes_UTF-8_sequences", r#"["\u0060\u012a\u12AB"]"#.as_bytes(), r#""`Īካ""#),
    ("string_accepted_surrogate_pair", r#"["\uD801\udc37"]"#.as_bytes(), "\"\u{10437}\""),
    ("string_allowed_escapes", r#"["\"\\\/\b\f\n\r\t"]"#.as_bytes(), r#""\"\\/\b\f\n\r\t""#),
    ("string_backslash_and_u_escaped_zero", r#"["\\u0000"]"#.as_bytes(), r#""\\u0000""#),
    ("string_comments", b"[\"a/*b*/c/*d//e\"]", r#""a/*b*/c/*d//e""#),
    ("string_in_array_with_leading_space", b"[ \"asd\"]", r#""asd""#),
    ("string_nonCharacterInUTF-8_U+FFFF", "[\"\u{ffff}\"]".as_bytes(), "\"\u{ffff}\""),
    ("string_u+2028_line_sep", "[\"\u{2028}\"]".as_bytes(), "\"\u{2028}\""),
    ("string_unicode_U+FDD0_nonchar", r#"["\uFDD0"]"#.as_bytes(), "\"\u{fdd0}\""),
    ("string_with_del_character", b"[\"a\x7fa\"]", "\"a\u{7f}a\""),
    ("structure_lonely_false", b"false", "false"),
    ("structure_lonely_int", b"42", "42"),
    ("structure_lonely_negative_real", b"-0.1", "-0.1"),
    ("structure_lonely_null", b"null", "null"),
    ("structure_lonely_string", b"\"asd\"", r#""asd""#),
    ("structure_string_empty", b"\"\"", r#""""#),
    ("structure_whitespace_array", b" [] ", "[]"),
    // Left to the reader, and read here.
    ("number_double_huge_neg_exp", b"[123.456e-789]", "0"),
    ("number_too_big_pos_int", b"[100000000000000000000]", "1e+20"),
    (
        "number_very_big_negative_int",
        b"[-237462374673276894279832749832423479823246327846]",
        "-2.374623746732769e+47",
    ),
];

/// `n_`, and those of `i_` that are refused here.
const REFUSED: &[(&str, &[u8])] = &[
    ("array_1_true_without_comma", b"[1 true]"),
    ("array_a_invalid_utf8", b"[a\xe5]"),
    ("array_colon_instead_of_comma", b"[\"\": 1]"),
    ("array_comma_after_close", b"[\"\"],"),
    ("array_double_comma", b"[1,,2]"),
    ("array_extra_close", b"[\"x\"]]"),
    ("array_extra_comma", b"[\"\",]"),
    ("array_incomplete", b"[\"x\""),
    ("array_just_comma", b"[,]"),
    ("array_just_minus", b"[-]"),
    ("array_number_and_comma", b"[1,]"),
    ("array_star_inside", b"[*]"),
    ("array_unclosed", b"[\"\""),
    ("array_unclosed_with_object_inside", b"[{}"),
    ("incomplete_false", b"[fals]"),
    ("incomplete_null", b"[nul]"),
    ("incomplete_true", b"[tru]"),
    ("multidigit_number_then_00", b"123\0"),
    ("number_++", b"[++1234]"),
    ("number_+1", b"[+1]"),
    ("number_-01", b"[-01]"),
    ("number_-1.0.", b"[-1.0.]"),
    ("number_-2.", b"[-2.]"),
    ("number_-NaN", b"[-NaN]"),
    ("number_.2e-3", b"[.2e-3]"),
    ("number_0.3e+", b"[0.3e+]"),
    ("number_1_000", b"[1 000.0]"),
    ("number_1eE2", b"[1eE2]"),
    ("number_2.e3", b"[2.e3]"),
    ("number_Inf", b"[Inf]"),
    ("number_NaN", b"[NaN]"),
    ("number_expression", b"[1+2]"),
    ("number_hex_1_digit", b"[0x1]"),
    ("number_infinity", b"[Infinity]"),
    ("number_invalid+-", b"[0e+-1]"),
    ("number_neg_int_starting_with_zero", b"[-012]"),
    ("number_with_leading_zero", b"[012]"),
    ("number_U+FF11_fullwidth_digit_one", "[１]".as_bytes()),
    ("object_bad_value", b"[\"x\", truth]"),
    ("object_comma_instead_of_colon", b"{\"x\", null}"),
    ("object_double_colon", b"{\"x\"::\"b\"}"),
    ("object_key_with_single_quotes", b"{key: 'value'}"),
    ("object_missing_colon", b"{\"a\" b}"),
    ("object_missing_value", b"{\"a\":"),
    ("object_no-colon", b"{\"a\""),
    ("object_non_string_key", b"{1:1}"),
    ("object_single_quote", b"{'a':0}"),
    ("object_trailing_comma", b"{\"id\":0,}"),
    ("object_trailing_comment", b"{\"a\":\"b\"}/**/"),
    ("object_two_commas_in_a_row", b"{\"a\":\"b\",,\"c\":\"d\"}"),
    ("object_unquoted_key", b"{a: \"b\"}"),
    ("single_space", b" "),
    ("string_1_surrogate_then_escape_u", br#"["\uD800\u"]"#),
    ("string_accentuated_char_no_quotes", "[é]".as_bytes()),
    ("string_backslash_00", b"[\"\\\0\"]"),
    ("string_escape_x", br#"["\x00"]"#),
    ("string_escaped_ctrl_char_tab", b"[\"\\\t\"]"),
    ("string_incomplete_escape", br#"["\"]"#),
    ("string_incomplete_escaped_character", br#"["\u00A"]"#),
    ("string_invalid_backslash_esc", br#"["\a"]"#),
    ("string_invalid_utf8_after_escape", b"[\"\\\xe5\"]"),
    ("string_single_quote", b"['single quote']"),
    ("string_unescaped_newline", b"[\"new\nline\"]"),
    ("string_unescaped_tab", b"[\"\t\"]"),
    ("structure_angle_bracket_.", b"<.>"),
    ("structure_array_trailing_garbage", b"[1]x"),
    ("structure_ascii-unicode-identifier", b"a\xc3\xa5"),
    ("structure_close_unopened_array", b"1]"),
    ("structure_double_array", b"[][]"),
    ("structure_no_data", b""),
    ("structure_null-byte-outside-string", b"[\0]"),
    ("structure_open_array_object", b"[{\"\":[{\"\":"),
    ("structure_single_star", b"*"),
    ("structure_U+2060_word_joined", "[\u{2060}]".as_bytes()),
    ("structure_UTF8_BOM_no_data", b"\xef\xbb\xbf"),
    ("structure_whitespace_formfeed", b"[\x0c]"),
    // Left to the reader.
    (
        "number_huge_exp",
        b"[0.4e00669999999999999999999999999999999999999999999999999999999999999969999999006]",
    ),
    ("string_1st_surrogate_but_2nd_missing", br#"["\uDADA"]"#),
    ("string_inverted_surrogates_U+1D11E", br#"["\uDd1e\uD834"]"#),
    ("string_invalid_utf-8", b"[\"\xff\"]"),
    ("string_lone_second_surrogate", br#"["\uDFAA"]"#),
    ("string_overlong_sequence_2_bytes", b"[\"\xc0\xaf\"]"),
    ("string_truncated-utf-8", b"[\"\xe0\xff\"]"),
    ("string_UTF-16LE_with_BOM", b"\xff\xfe[\x00\"\x00\xe9\x00\"\x00]\x00"),
    ("structure_UTF-8_BOM_empty_object", b"\xef\xbb\xbf{}"),
];

/// There and back, through the bytes that R itself would see.
fn through_r(text: &[u8], arrays: Arrays) -> String {
    let object = to_r(&parse(text).unwrap(), arrays).unwrap();
    let bytes = write(&object);
    let back = read(&bytes).unwrap();
    assert_eq!(write(&back), bytes, "compared as bytes, since NA is not equal to itself");
    from_r(&back).unwrap()
}

#[test]
fn what_is_json_is_accepted_and_comes_back() {
    for (name, text, expected) in ACCEPTED {
        assert_eq!(through_r(text, Arrays::Simplified), *expected, "{name}");
    }
}

#[test]
fn what_is_not_json_is_refused() {
    for (name, text) in REFUSED {
        assert!(parse(text).is_err(), "{name}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |n: usize| ["[".repeat(n), "]".repeat(n)].concat();
    assert_eq!(through_r(nested(127).as_bytes(), Arrays::Lists), nested(127));
    // n_structure_100000_opening_arrays and i_structure_500_nested_arrays
    for text in [nested(128), nested(500), "[".repeat(100_000)] {
        assert!(parse(text.as_bytes()).is_err());
    }
}

#[test]
fn text_that_r_cannot_hold_is_refused_with_its_place() {
    // y_string_null_escape and y_object_escaped_null_in_key
    for (text, place) in [(r#"{"a": [1, {"b": "\u0000"}]}"#, "$a[2]$b"), (r#"{"foo\u0000bar": 42}"#, "")] {
        let error = to_r(&parse(text.as_bytes()).unwrap(), Arrays::Lists).unwrap_err();
        assert_eq!(error.path, place);
    }
}

#[test]
fn values_by_chance_come_back_through_r_s_format() {
    let mut chance = Chance(7);
    for _ in 0..10_000 {
        let text = chance.json();
        through_r(text.as_bytes(), Arrays::Simplified);
        // Lists keep the structure, so what comes back gives the same again.
        let back = through_r(text.as_bytes(), Arrays::Lists);
        assert_eq!(through_r(back.as_bytes(), Arrays::Lists), back, "{text}");
    }
}

#[test]
fn numbers_lose_no_digit() {
    let mut chance = Chance(7);
    let numbers =
        std::iter::repeat_with(|| f64::from_bits(chance.bits())).filter(|number| number.is_finite());
    for number in numbers.take(100_000) {
        let json = from_r(&Object::double(number)).unwrap();
        let back: f64 = json.parse().unwrap();
        assert_eq!(back.to_bits(), number.to_bits(), "{json}");
        let read = to_r(&parse(json.as_bytes()).unwrap(), Arrays::Simplified).unwrap();
        assert_eq!(from_r(&read).unwrap(), json);
    }
}
