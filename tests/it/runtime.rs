//! The runtime layer, made from a real base and started where there is nothing of R's.

use std::path::{Path, PathBuf};

use crate::world::{Ran, World, base, from_environment, repository, zips};

fn copy(world: &World, from: &str, to: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(from);
    world.write(to, std::fs::read(path).unwrap());
}

fn invoke(world: &World, args: &[&str]) -> Option<Ran> {
    let (base, root): (PathBuf, PathBuf) = (base()?, from_environment("LAYR_TEST_ROOT")?);
    let mut all = vec!["invoke", "--base", base.to_str().unwrap(), "--engine", "bwrap"];
    all.extend(["--root", root.to_str().unwrap()]);
    all.extend(args);
    Some(world.layr(&all))
}

const SCRIPT: &str = r#"
handler <- function(event) {
  process <- system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote("cat(R.home())")), stdout = TRUE)
  list(
    home = c(R.home(), process),
    libraries = .libPaths(),
    zone = format(as.POSIXct(0, tz = "Europe/Berlin"), "%H"),
    solved = solve(matrix(c(2, 0, 0, 4), 2)),
    smooth = round(unname(predict(stats::lm(dist ~ speed, cars), data.frame(speed = 10))), 3),
    encoded = identical(iconv("\u00e9", "UTF-8", "latin1", toRaw = TRUE)[[1]], as.raw(0xe9)),
    pattern = grepl("^\\p{Lu}", "\u00c9t\u00e9", perl = TRUE),
    drawn = { pdf("/tmp/x.pdf"); plot(1); dev.off(); file.size("/tmp/x.pdf") > 1000 },
    packages = all(vapply(c("parallel", "splines", "stats4", "grid", "tools", "compiler"), requireNamespace, NA)),
    links = capabilities(c("libcurl", "ICU"))
  )
}
"#;

#[test]
fn the_runtime_layer_is_the_same_each_time_and_runs_r_where_there_is_none() {
    let Some(base) = base() else { return };
    let (one, other) = (World::new(), World::new());
    let build = |world: &World| {
        world.lock(&[]);
        world.layr(&["runtime", "build", "--base", base.to_str().unwrap(), "--json"])
    };
    let described = build(&one).succeeded().json();
    assert_eq!(build(&other).succeeded().json(), described);
    assert_eq!(zips(&one.path("project/dist")), zips(&other.path("project/dist")));
    let unzipped = described["layer"]["unzipped_bytes"].as_u64().unwrap();
    assert!(unzipped < 100_000_000, "{unzipped} bytes");

    one.write(
        "project/layr.toml",
        "[functions.f]\nlockfile = \"renv.lock\"\ncode = \"code\"\nhandler = \"f.handler\"\n",
    );
    one.write("project/code/f.R", SCRIPT);
    let Some(ran) = invoke(&one, &[]) else { return };
    let answer = ran.succeeded().json();
    let expected = serde_json::json!({
        "home": ["/opt/R", "/opt/R"],
        "libraries": "/opt/R/library",
        "zone": "01",
        "solved": [[0.5, 0], [0, 0.25]],
        "smooth": 21.745,
        "encoded": true,
        "pattern": true,
        "drawn": true,
        "packages": true,
        "links": { "libcurl": true, "ICU": true },
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&answer[name], value, "{name} of {answer}");
    }
}

/// One R for each event, started by a shell that asks with curl: how runtimes for R were
/// made before, as in the talk "Serverless Computing with AWS for Data Science".
const BOOTSTRAP: &str = r#"#!/bin/sh
while true; do
  HEADERS="$(mktemp)"
  EVENT_DATA=$(curl -sS -LD "$HEADERS" "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/next")
  REQUEST_ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)
  /opt/R/bin/Rscript /var/task/runtime.R "$EVENT_DATA" "$REQUEST_ID"
done
"#;

const RUNTIME: &str = r#"
library(jsonlite)
args <- commandArgs(trailingOnly = TRUE)
handler <- strsplit(Sys.getenv("_HANDLER"), ".", fixed = TRUE)[[1]]
source(paste0(handler[1], ".R"))
result <- do.call(handler[2], fromJSON(args[1]))
url <- paste0("http://", Sys.getenv("AWS_LAMBDA_RUNTIME_API"), "/2018-06-01/runtime/invocation/", args[2], "/response")
system2("curl", c("-sS", "--data-binary", "@-", url), input = toJSON(list(result = result), auto_unbox = TRUE), stdout = TRUE)
"#;

#[test]
fn package_layers_also_serve_a_bootstrap_of_shell_and_rscript() {
    let Some(repository) = repository() else { return };
    let world = World::with_repository(&repository);
    copy(&world, "lockfiles/tiny.lock", "project/renv.lock");
    world.write(
        "project/layr.toml",
        "[functions.f]\nlockfile = \"renv.lock\"\ncode = \"code\"\nhandler = \"f.add\"\n",
    );
    world.write("project/code/bootstrap", BOOTSTRAP);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(world.path("project/code/bootstrap"), mode).unwrap();
    world.write("project/code/runtime.R", RUNTIME);
    world.write("project/code/f.R", "add <- function(x, y) mime::guess_type(paste0(x, \".\", y))\n");
    let Some(ran) = invoke(&world, &["--event", r#"{"x":"a","y":"csv"}"#]) else { return };
    assert_eq!(ran.succeeded().stdout.trim(), r#"{"result":"text/csv"}"#, "{}", ran.stderr);
}

#[test]
fn each_sample_reaches_a_handler_as_what_it_is() {
    let world = World::new();
    world.lock(&[]);
    world.write(
        "project/layr.toml",
        "[functions.f]\nlockfile = \"renv.lock\"\ncode = \"code\"\nhandler = \"f.handler\"\n",
    );
    world.write(
        "project/code/f.R",
        "handler <- function(request = NULL, records = NULL, detail = NULL)\n\
         \x20 paste(request$method, length(records), is.null(detail))\n",
    );
    let http = ["function-url", "http-api", "rest-api", "alb"];
    let batches = ["sqs", "sns", "s3", "kinesis", "dynamodb"];
    let samples = http.into_iter().chain(batches).chain(["eventbridge"]);
    let args: Vec<&str> = samples.flat_map(|sample| ["--sample", sample]).collect();
    let Some(ran) = invoke(&world, &args) else { return };
    let answers: Vec<serde_json::Value> =
        ran.succeeded().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (sample, answer) in http.iter().zip(&answers[..4]) {
        let body = answer["body"].as_str().unwrap();
        assert!(body.ends_with("GET 0 TRUE\"") || body.ends_with("POST 0 TRUE\""), "{sample}: {answer}");
        assert_eq!(answer["statusCode"], 200, "{sample}");
    }
    for (sample, answer) in batches.iter().zip(&answers[4..9]) {
        assert_eq!(answer, " 1 TRUE", "{sample}");
    }
    assert_eq!(answers[9..], [" 0 FALSE"]);
}

#[test]
fn the_examples_answer() {
    let Some(repository) = repository() else { return };
    let world = World::with_repository(&repository);
    for file in [
        "layr.toml",
        "score/renv.lock",
        "score/score.R",
        "score/model.rds",
        "checksum/renv.lock",
        "checksum/checksum.R",
    ] {
        copy(&world, &format!("examples/{file}"), &format!("project/{file}"));
    }
    copy(&world, "examples/checksum/event.json", "project/hello.json");
    let event = r#"{"pupils":[{"Eth":"A","Sex":"F","Age":"F0","Lrn":"SL"}]}"#;
    let Some(scored) = invoke(&world, &["score", "--event", event]) else { return };
    let days = scored.succeeded().json()[0]["Days"].as_f64().unwrap();
    assert!((days - 24.208).abs() < 0.001, "{days}");
    let summed = invoke(&world, &["checksum", "--event", "hello.json", "--sample", "rest-api"]).unwrap();
    let answers: Vec<serde_json::Value> =
        summed.succeeded().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(answers[0]["body"].as_str().unwrap().contains("2cf24dba5fb0a30e26e83b2ac5b9e29e"), "{answers:?}");
    assert_eq!(answers[1]["statusCode"], 404, "{answers:?}");
}
