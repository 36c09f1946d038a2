//! What a function of R may do, and what then must come back, whatever runs it: the tests'
//! own Runtime API, AWS's emulator, and `layr invoke` (the last in layr's own tests).

use Expected::{Fails, Gives};

/// A call of `function(x, context)` with `x` from the event.
pub(crate) struct Case {
    name: &'static str,
    /// The body of the function.
    r: &'static str,
    /// JSON.
    x: &'static str,
    expected: Expected,
}

#[derive(Debug, Clone, Copy)]
enum Expected {
    /// This very text.
    Gives(&'static str),
    /// A class, and a part of the message.
    Fails(&'static str, &'static str),
}

const fn case(name: &'static str, r: &'static str, x: &'static str, expected: Expected) -> Case {
    Case { name, r, x, expected }
}

/// The event that calls a case.
pub(crate) fn event(case: &Case) -> String {
    format!(r#"{{"case": "{}", "x": {}}}"#, case.name, case.x)
}

/// What is wrong with a case's answer: its result, or a JSON object with `errorType` and
/// `errorMessage`.
pub(crate) fn fault(case: &Case, answer: &str) -> Option<String> {
    let holds = match case.expected {
        Expected::Gives(json) => answer == json,
        Expected::Fails(class, message) => {
            let error: serde_json::Value = serde_json::from_str(answer).unwrap_or_default();
            let text = error["errorMessage"].as_str().unwrap_or_default();
            error["errorType"] == class && text.contains(message)
        }
    };
    let shown: String = answer.chars().take(500).collect();
    (!holds).then(|| format!("{}: {:?}, not {shown}", case.name, case.expected))
}

/// R's file with all cases.
pub(crate) fn code() -> String {
    let cases = CASES.iter().map(|case| format!("  {} = function(x, context) {{\n{}\n}}", case.name, case.r));
    let cases: Vec<String> = cases.collect();
    format!(
        "cases <- list(\n{}\n)\nrun <- function(case, x, context) cases[[case]](x, context)\n",
        cases.join(",\n")
    )
}

/// Quit, crash and timeout end R, which is then started again for the next case.
pub(crate) const CASES: &[Case] = &[
    // Values in and out.
    case("null", "x", "null", Gives("null")),
    case("true", "x", "true", Gives("true")),
    case("integer", "c(is.integer(x), x == 7L)", "7", Gives("[true,true]")),
    case("double", "is.double(x)", "7.0", Gives("true")),
    case("tenth", "x", "0.1", Gives("0.1")),
    case("all_digits", "x", "0.12345678901234568", Gives("0.12345678901234568")),
    case("tiny", "x", "5e-324", Gives("5e-324")),
    case("huge", "x", "1.7976931348623157e308", Gives("1.7976931348623157e+308")),
    case("beyond_integers", "x", "2147483648", Gives("2147483648")),
    case("big_integer", "x", "9007199254740993", Gives("9007199254740992.0")),
    case("text", "nchar(x)", r#""grün""#, Gives("4")),
    case("unicode", "paste0(x, '\\u00df')", r#""\u00e4 😀""#, Gives(r#""ä 😀ß""#)),
    case("escapes", "x", r#""\"\\\n\t\u0001""#, Gives(r#""\"\\\n\t\u0001""#)),
    case("latin1", "iconv(x, 'UTF-8', 'latin1')", r#""é""#, Gives(r#""é""#)),
    case("empty_text", "x", r#""""#, Gives(r#""""#)),
    case("vector", "list(typeof(x), sum(x))", "[1, 2, 3]", Gives(r#"["integer",6]"#)),
    case("mixed_numbers", "list(typeof(x), x)", "[1, 2.5]", Gives(r#"["double",[1,2.5]]"#)),
    case("with_null", "is.na(x)", "[1, null]", Gives("[false,true]")),
    case("texts_and_numbers", "x", r#"["a", 1, 0.1, true]"#, Gives(r#"["a","1","0.1","TRUE"]"#)),
    case("matrix", "dim(x)", "[[1, 2, 3], [4, 5, 6]]", Gives("[2,3]")),
    case("matrix_back", "x", "[[1, 2, 3], [4, 5, 6]]", Gives("[[1,2,3],[4,5,6]]")),
    case("array", "list(dim(x), x)", "[[[1, 2]], [[3, 4]]]", Gives("[[2,1,2],[[[1,2]],[[3,4]]]]")),
    case("ragged", "class(x)", "[[1, 2], [3]]", Gives(r#""list""#)),
    case(
        "data_frame",
        "c(class(x), names(x))",
        r#"[{"a": 1, "b": "x"}, {"a": 2}]"#,
        Gives(r#"["data.frame","a","b"]"#),
    ),
    case(
        "data_frame_back",
        "x",
        r#"[{"a": 1, "b": "x"}, {"a": 2}]"#,
        Gives(r#"[{"a":1,"b":"x"},{"a":2,"b":null}]"#),
    ),
    case(
        "nested_data_frame",
        "x",
        r#"[{"a": {"b": 1}}, {"a": {"b": 2}}]"#,
        Gives(r#"[{"a":{"b":1}},{"a":{"b":2}}]"#),
    ),
    case("object", "x$a$b", r#"{"a": {"b": [1, 2]}}"#, Gives("[1,2]")),
    case("empty_array", "x", "[]", Gives("[]")),
    case("empty_object", "x", "{}", Gives("{}")),
    case("null_in_object", "names(x)", r#"{"a": null, "b": 1}"#, Gives(r#"["a","b"]"#)),
    case("key_of_any_kind", "x", r#"{"a b": 1, "$": 2, "ü": 3}"#, Gives(r#"{"a b":1,"$":2,"ü":3}"#)),
    case("deep", "x", DEEP, Gives(DEEP)),
    case("long_text", "nchar(strrep('x', x))", "1000000", Gives("1000000")),
    case("echo", "x", "7", Gives("7")),
    // What R has and JSON has not.
    case("na", "list(NA, NA_integer_, NA_real_, NA_character_)", "0", Gives("[null,null,null,null]")),
    case("not_finite", "c(NaN, Inf, -Inf, 1)", "0", Gives("[null,null,null,1]")),
    case("scalar_array", "list(1, I(1), c(a = 1), list(1))", "0", Gives(r#"[1,[1],{"a":1},[1]]"#)),
    case("names_twice", "c(a = 1, a = 2)", "0", Gives(r#"{"a":1,"a.1":2}"#)),
    case(
        "names_that_count",
        "list(c('1' = 0.5), c('1' = 1, '2' = 2), c('2' = 1))",
        "0",
        Gives(r#"[0.5,[1,2],{"2":1}]"#),
    ),
    case(
        "prediction",
        "predict(lm(dist ~ speed, cars), data.frame(speed = x)) > 0",
        "[10, 20]",
        Gives("[true,true]"),
    ),
    case("no_names", "list(a = 1, 2)", "0", Gives(r#"{"a":1,"2":2}"#)),
    case("empty_vectors", "list(character(), NULL, list())", "0", Gives("[[],null,[]]")),
    case("factor", "factor(c('u', NA, 'v'))", "0", Gives(r#"["u",null,"v"]"#)),
    case("dates", "as.Date(c('2024-02-29', NA))", "0", Gives(r#"["2024-02-29",null]"#)),
    case(
        "time",
        "as.POSIXct('2024-02-29 12:30:00.5', tz = 'UTC')",
        "0",
        Gives(r#""2024-02-29T12:30:00.5Z""#),
    ),
    case("difference", "as.difftime(90, units = 'mins')", "0", Gives("90")),
    case("complex", "complex(real = 1.5, imaginary = -2)", "0", Gives(r#""1.5-2i""#)),
    case("raw", "as.raw(c(0, 255))", "0", Gives(r#""AP8=""#)),
    case("json", "structure('{\"a\": [1]}', class = 'json')", "0", Gives(r#"{"a": [1]}"#)),
    case("million", "x * 10", "100000", Gives("1000000")),
    case("negative_zero", "-0.0", "0", Gives("-0")),
    case("sequence", "1:5", "0", Gives("[1,2,3,4,5]")),
    case("invisible", "invisible(7)", "0", Gives("7")),
    // Failures.
    case("stop", "stop('no ', x)", "7", Fails("simpleError", "no 7")),
    case(
        "condition",
        "stop(structure(class = c('my_error', 'error', 'condition'), list(message = 'mine', call = NULL)))",
        "0",
        Fails("my_error", "mine"),
    ),
    case("not_numeric", "x + 1", r#""a""#, Fails("simpleError", "non-numeric argument")),
    case("no_object", "nowhere", "0", Fails("simpleError", "object 'nowhere' not found")),
    case(
        "recursion",
        "f <- function(n) f(n + 1); f(1)",
        "0",
        Fails("expressionStackOverflowError", "infinite recursion"),
    ),
    case("caught", "tryCatch(stop('no'), error = function(e) conditionMessage(e))", "0", Gives(r#""no""#)),
    case(
        "warnings_are_errors",
        "op <- options(warn = 2); on.exit(options(op)); as.integer('a')",
        "0",
        Fails("simpleError", "NAs introduced"),
    ),
    case(
        "result_function",
        "list(1, function(x) x)",
        "0",
        Fails("Function.InvalidResult", "[[2]] is or holds a function"),
    ),
    case(
        "result_environment",
        "list(a = globalenv(), b = new.env())",
        "0",
        Fails("Function.InvalidResult", "$a is an environment"),
    ),
    case("result_call", "list(f = y ~ z)", "0", Fails("Function.InvalidResult", "$f is a call")),
    case("result_s4", "methods::getClass('numeric')", "0", Fails("Function.InvalidResult", "S4 object")),
    case(
        "too_large",
        "strrep('x', x)",
        "7000000",
        Fails("Function.ResponseSizeTooLarge", "7000002 bytes, and Lambda takes 6291556"),
    ),
    // Output.
    case("prints", "print('printed by the handler'); cat('no line end'); 1", "0", Gives("1")),
    case("says", "message('said by the handler'); 1", "0", Gives("1")),
    case("warns", "warning('careful'); 1", "0", Gives("1")),
    case("many_lines", "for (i in 1:20000) cat('a line among many\\n', file = stderr()); 1", "0", Gives("1")),
    case("sinks", "sink(tempfile()); print('gone'); 1", "0", Gives("1")),
    case("still_sunk", "sink(); 1", "0", Gives("1")),
    // The process.
    case(
        "context",
        "c(is.character(context$request_id), context$memory_mb, context$remaining_ms() > 1000)",
        "0",
        Gives("[1,512,1]"),
    ),
    case("context_deadline", "context$deadline > Sys.time()", "0", Gives("true")),
    case("working_folder", "getwd()", "0", Gives(r#""/var/task""#)),
    case("keeps_state", "n <<- 1; n", "0", Gives("1")),
    case("kept_state", "n <<- n + 1; n", "0", Gives("2")),
    case("writes_tmp", "f <- tempfile(); writeLines('a', f); readLines(f)", "0", Gives(r#""a""#)),
    case("starts_programs", "system2('echo', 'out', stdout = TRUE)", "0", Gives(r#""out""#)),
    case("reads_no_stdin", "length(readLines(file('stdin')))", "0", Gives("0")),
    case("quits", "quit(status = 3)", "0", Fails("Runtime.ExitError", "R ended with status 3")),
    case("after_quit", "exists('n')", "0", Gives("false")),
    case("quits_well", "quit()", "0", Fails("Runtime.ExitError", "called quit()")),
    case(
        "crashes",
        "cat('last words\\n', file = stderr()); tools::pskill(Sys.getpid(), 11); Sys.sleep(5)",
        "0",
        Fails("Runtime.ExitError", "last words"),
    ),
    case(
        "is_killed",
        "tools::pskill(Sys.getpid(), 9); Sys.sleep(5)",
        "0",
        Fails("Runtime.ExitError", "memory"),
    ),
    case("after_crash", "x", "1", Gives("1")),
];

const DEEP: &str = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]";
