//! Three programs that answer events with R.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Result;

/// The function: a model that is fitted at init, and a prediction for each event.
pub(super) const FUNCTION: &str = r#"
model <- glm(am ~ wt + hp, binomial, mtcars)
run <- function(wt, hp) {
  list(risk = predict(model, data.frame(wt = wt, hp = hp), type = "response")[[1]])
}
"#;

/// The median of its time inside R, in seconds, once R has compiled it.
pub(super) const INSIDE: &str = r#"
source("/var/task/score.R")
once <- function(n) {
  start <- as.numeric(Sys.time())
  run(2.5, 110)
  as.numeric(Sys.time()) - start
}
for (n in 1:200) once(n)
cat(median(vapply(1:1000, once, 0)))
"#;

/// A loop in a shell that starts R for each event: the shape of AWS's own tutorial and of
/// many talks.
const PER_EVENT: &str = r#"#!/bin/sh
while true; do
  HEADERS=$(mktemp)
  EVENT=$(curl -sS -D "$HEADERS" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")
  ID=$(grep -i Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)
  /usr/lib/R/bin/Rscript /opt/ways/per-event.R "$EVENT" "$ID"
done
"#;

const PER_EVENT_R: &str = r#"
library(httr)
library(jsonlite)
words <- commandArgs(trailingOnly = TRUE)
handler <- strsplit(Sys.getenv("_HANDLER"), ".", fixed = TRUE)[[1]]
source(paste0(handler[1], ".R"))
result <- do.call(handler[2], fromJSON(words[1]))
api <- paste0("http://", Sys.getenv("AWS_LAMBDA_RUNTIME_API"), "/2018-06-01/runtime/invocation/")
POST(paste0(api, words[2], "/response"), body = toJSON(result, auto_unbox = TRUE, digits = NA), encode = "raw")
"#;

/// One R that asks for events itself, with httr and jsonlite: what the packages and layers
/// for R on Lambda do.
const LOOP: &str = "#!/bin/sh\nexec /usr/lib/R/bin/Rscript /opt/ways/loop.R\n";

const LOOP_R: &str = r#"
library(httr)
library(jsonlite)
handler <- strsplit(Sys.getenv("_HANDLER"), ".", fixed = TRUE)[[1]]
source(paste0(handler[1], ".R"))
api <- paste0("http://", Sys.getenv("AWS_LAMBDA_RUNTIME_API"), "/2018-06-01/runtime/invocation/")
repeat {
  event <- GET(paste0(api, "next"))
  arguments <- fromJSON(content(event, "text", encoding = "UTF-8"))
  result <- do.call(handler[2], arguments)
  id <- headers(event)[["lambda-runtime-aws-request-id"]]
  POST(paste0(api, id, "/response"), body = toJSON(result, auto_unbox = TRUE, digits = NA), encode = "raw")
}
"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Layr,
    LoopInR,
    ProcessPerEvent,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Layr, Self::LoopInR, Self::ProcessPerEvent];

    /// Its file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Layr => "layr",
            Self::LoopInR => "loop",
            Self::ProcessPerEvent => "per-event",
        }
    }

    /// Puts its `bootstrap` into `folder`, and the R that it needs.
    pub(super) fn write(self, folder: &Path, bootstrap: &Path) -> Result<()> {
        let program = folder.join(self.name());
        match self {
            Self::Layr => drop(fs::copy(bootstrap, &program)?),
            Self::LoopInR => {
                fs::write(&program, LOOP)?;
                fs::write(folder.join("loop.R"), LOOP_R)?;
            }
            Self::ProcessPerEvent => {
                fs::write(&program, PER_EVENT)?;
                fs::write(folder.join("per-event.R"), PER_EVENT_R)?;
            }
        }
        fs::set_permissions(&program, Permissions::from_mode(0o755))?;
        Ok(())
    }
}
