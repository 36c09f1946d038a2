//! Events as R gets them, beside what jsonlite makes of the same text.
//!
//! Values are made by chance from a fixed seed. bootstrap's bytes and the texts are put
//! into one file each, and R compares value by value with `identical()`.

use std::fs;
use std::process::Stdio;

use bootstrap::json::{Arrays, parse, to_r};
use bootstrap::r::{Object, write};
use xtask::sandbox::{self, Network};

use crate::chance::Chance;
use crate::sandbox::from_environment;

const N_VALUES: usize = 4_000;

/// Prints each text whose values differ.
const COMPARE: &str = r#"
texts <- readLines("/cases/texts", encoding = "UTF-8")
ours <- unserialize(file("/cases/values", "rb"))
stopifnot(length(texts) == length(ours))
for (at in seq_along(texts)) {
  theirs <- jsonlite::parse_json(texts[at], simplifyVector = TRUE)
  if (!identical(ours[[at]], theirs)) {
    cat(texts[at], "\n")
    cat("  ours: ", deparse(ours[[at]]), "\n  theirs: ", deparse(theirs), "\n")
  }
}
cat("compared", length(texts), "\n")
"#;

#[test]
fn events_are_simplified_as_jsonlite_does_it() {
    let (Some(base), Some(library)) =
        (from_environment("LAYR_TEST_BASE"), from_environment("LAYR_TEST_LIBRARY"))
    else {
        return;
    };
    let mut chance = Chance(20_240_229);
    let mut texts = FIXED.map(str::to_owned).to_vec();
    texts.extend((0..N_VALUES).map(|_| chance.json()));
    let values = texts.iter().map(|text| to_r(&parse(text.as_bytes()).unwrap(), Arrays::Simplified).unwrap());
    let values = Object::list(values.collect());
    let cases = tempfile::tempdir().unwrap();
    fs::write(cases.path().join("texts"), texts.join("\n") + "\n").unwrap();
    fs::write(cases.path().join("values"), write(&values)).unwrap();

    let mut r = sandbox::command(&base.join("rootfs"), Network::None).unwrap();
    r.arg("--ro-bind").arg(cases.path()).arg("/cases").arg("--ro-bind").arg(library).arg("/opt");
    sandbox::set(&mut r, "R_LIBS", "/opt/R/library");
    let output = r.args(["Rscript", "--vanilla", "-e", COMPARE]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim(), format!("compared {}", texts.len()));
}

/// What chance might not find.
const FIXED: [&str; 14] = [
    "[[], []]",
    "[{}, {}]",
    "[{}, null]",
    "[null, null]",
    "[[1, 2], []]",
    "[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]",
    "[[[1, 2], [3, 4]], [[5, 6], [7, \"8\"]]]",
    "[{\"a\": [1, 2]}, {\"a\": [3, 4]}]",
    "[{\"a\": [[1, 2], [3, 4]]}, {\"a\": [[3, 4], [5, 6]]}]",
    "[{\"a\": {\"b\": 1}}, {\"a\": null}, {}]",
    "[[{\"a\": 1}], []]",
    "[1, 0.1, 100000, 123456, 1e-5, 1e15, 0.30000000000000004, \"a\"]",
    "[2147483647, -2147483647, -2147483648, 9223372036854775807]",
    "[true, 1, 2.5, null]",
];
