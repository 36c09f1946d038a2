//! The handler's name to what R has to load.

use std::path::Path;

use crate::failure::{Cause, Failure};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    /// `function` in `file`, a path below the function's code.
    InFile {
        file: String,
        function: String,
    },
    InPackage {
        package: String,
        function: String,
    },
}

/// Endings of R's files, in the order in which they are looked for.
const ENDINGS: [&str; 2] = [".R", ".r"];

impl Handler {
    /// Reads `file.function`, `folder/file.function` or `package::function`. Names of
    /// files and of functions may have dots in them, so the first dot is taken before
    /// which there is a file.
    pub fn find(name: &str, is_file: impl Fn(&Path) -> bool) -> Result<Self, Failure> {
        if let Some((package, function)) = name.split_once("::") {
            let function = function.trim_start_matches(':');
            return Ok(Self::InPackage { package: package.to_owned(), function: function.to_owned() });
        }
        let splits: Vec<(&str, &str)> =
            name.match_indices('.').map(|(at, _)| (&name[..at], &name[at + 1..])).collect();
        let splits = splits.into_iter().filter(|(file, function)| {
            !file.is_empty() && !file.ends_with('/') && !function.is_empty() && !function.contains('/')
        });
        let mut tried = Vec::new();
        for (file, function) in splits {
            for ending in ENDINGS {
                let file = format!("{file}{ending}");
                if is_file(Path::new(&file)) {
                    return Ok(Self::InFile { file, function: function.to_owned() });
                }
                tried.push(file);
            }
        }
        Err(Failure::new(Cause::NoSuchHandler, missing(name, &tried)))
    }
}

fn missing(name: &str, tried: &[String]) -> String {
    match (name, tried) {
        ("", _) => "the function has no handler: set it to file.function or package::function".to_owned(),
        (_, []) => format!("handler `{name}` is not of the form file.function or package::function"),
        (_, tried) => format!(
            "handler `{name}`: the function's code has no file {}; the handler is set in the function's configuration",
            tried.join(", nor ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(name: &str) -> Result<Handler, String> {
        let files = ["score.R", "lower.r", "api/score.v2.R", "api/score.R"];
        Handler::find(name, |path| files.iter().any(|file| path == Path::new(file)))
            .map_err(|failure| failure.message)
    }

    #[test]
    fn a_handler_is_a_function_in_a_file_or_a_package() {
        let in_file = |file: &str, function: &str| {
            Ok(Handler::InFile { file: file.to_owned(), function: function.to_owned() })
        };
        let cases = [
            ("score.handler", in_file("score.R", "handler")),
            ("lower.handler", in_file("lower.r", "handler")),
            ("score.predict.risk", in_file("score.R", "predict.risk")),
            ("api/score.handler", in_file("api/score.R", "handler")),
            // A shorter file that exists wins: its function would be `v2.handler`.
            ("api/score.v2.handler", in_file("api/score.R", "v2.handler")),
            (
                "mypkg::score",
                Ok(Handler::InPackage { package: "mypkg".to_owned(), function: "score".to_owned() }),
            ),
        ];
        for (name, handler) in cases {
            assert_eq!(find(name), handler, "{name}");
        }
    }

    #[test]
    fn a_handler_that_is_not_there_is_named_with_the_files_looked_for() {
        assert!(find("").unwrap_err().contains("no handler"));
        assert!(find("score").unwrap_err().contains("`score` is not of the form"));
        assert!(find("other.f").unwrap_err().contains("no file other.R, nor other.r"));
        assert!(find("../.f").unwrap_err().contains("not of the form"));
    }
}
