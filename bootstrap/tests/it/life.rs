//! From init to the end of a sandbox.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::desk::{Desk, Post, started};
use crate::sandbox::Function;

/// Holds that init failed in this way, was posted, and ended the sandbox.
#[track_caller]
fn init_fails(code: &str, handler: &str, error_type: &str, part: &str) {
    let Some((desk, mut running)) = started(code, handler) else { return };
    let post = desk.post();
    assert_eq!(post.path, "runtime/init/error");
    assert_eq!(post.header("Lambda-Runtime-Function-Error-Type"), Some(error_type), "{}", post.text());
    let message = post.json()["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.contains(part), "{part:?} is not in {message:?}");
    assert_eq!(running.ended(), 1);
    assert!(running.log().contains(part), "{}", running.log());
}

#[test]
fn an_init_that_fails_is_posted_with_what_to_mend() {
    let handler_error = "Function.HandlerError";
    let no_such_handler = "Function.NoSuchHandler";
    init_fails("stop('no model')", "score.run", handler_error, "no model");
    init_fails("run <- function(x) {", "score.run", handler_error, "score.R:2:0: unexpected end of input");
    init_fails("library(nowhere)\n", "score.run", handler_error, "no package called ‘nowhere’");
    init_fails(
        "other <- 1; f <- mean",
        "score.run",
        no_such_handler,
        "no function `run` in score.R; functions there: `f`",
    );
    init_fails("", "scores.run", no_such_handler, "no file scores.R, nor scores.r");
    init_fails("", "nowhere::run", handler_error, "no package called ‘nowhere’");
    init_fails(
        "",
        "stats::nowhere",
        handler_error,
        "'nowhere' is not an exported object from 'namespace:stats'",
    );
    init_fails("", "", no_such_handler, "has no handler");
    init_fails("quit(status = 4)", "score.run", "Runtime.ExitError", "R ended with status 4");
}

#[test]
fn packages_for_another_r_are_named_where_init_fails() {
    let desk = Desk::open();
    let Some(function) = Function::new("score.R", "library(old)", "score.run") else { return };
    let description = |built: &str| format!("Package: old\nVersion: 1.0\nBuilt: {built}\n");
    // One where the function says, one where a function's own packages lie in its code.
    function.write("R/library/old/DESCRIPTION", &description("R 3.6.3; ; 2020-04-01; unix"));
    function.write(
        "library/arm/DESCRIPTION",
        &description("R 4.5.0; aarch64-unknown-linux-gnu; 2025-04-29; unix"),
    );
    let _running = desk.start(function.set("R_LIBS", "/var/task/library"));
    let message = desk.post().json()["errorMessage"].to_string();
    for part in ["`old` for R 3.6.3", "`arm` for R 4.5.0, aarch64", "build the layers again"] {
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
    assert!(!message.contains("`stats`"), "{message}");
}

#[test]
fn an_error_of_init_has_the_stack_of_the_file() {
    let Some((desk, _running)) = started("f <- function(n) stop('no ', n)\n\nf(2)\n", "score.run") else {
        return;
    };
    let stack = desk.post().json()["stackTrace"].to_string();
    assert!(stack.contains(r#"f(2)","stop(\"no \", n) at score.R:1"#), "{stack}");
}

#[test]
fn an_r_that_cannot_be_started_is_an_error_of_init() {
    let desk = Desk::open();
    let Some(function) = Function::new("score.R", "", "score.run") else { return };
    let home = function.set("R_HOME", "/var/task/R");
    home.write("R/bin/exec/R", "\u{7f}ELF of another machine");
    let _running = desk.start(home);
    assert!(desk.post().json()["errorMessage"].as_str().unwrap().contains("Permission denied"));

    let Some(function) = Function::new("score.R", "", "score.run") else { return };
    let home = function.set("R_HOME", "/var/task/R");
    home.write("R/bin/exec/R", "\u{7f}ELF of another machine");
    fs::set_permissions(home.path("R/bin/exec/R"), fs::Permissions::from_mode(0o755)).unwrap();
    let _running = desk.start(home);
    let message = desk.post().json()["errorMessage"].to_string();
    assert!(message.contains("is not for") && message.contains("function's architecture"), "{message}");

    let Some(function) = Function::new("score.R", "", "score.run") else { return };
    let _running = desk.start(function.set("R_HOME", "/nowhere"));
    let message = desk.post().json()["errorMessage"].to_string();
    assert!(message.contains("/nowhere/bin/exec/R is missing; attach the layer"), "{message}");
}

#[test]
fn handlers_lie_in_folders_and_packages_too() {
    let desk = Desk::open();
    let Some(function) = Function::new("api/v1/score.r", "run <- function(x) x * 2", "api/v1/score.run")
    else {
        return;
    };
    let _running = desk.start(function);
    assert_eq!(desk.invoke(r#"{"x": 21}"#).text(), "42");

    let Some((desk, _running)) = started("", "stats::median") else { return };
    assert_eq!(desk.invoke(r#"{"x": [3, 1, 2]}"#).text(), "2");
}

#[test]
fn a_runtime_api_that_fails_ends_the_sandbox() {
    let Some((desk, mut running)) = started("run <- function(x) x", "score.run") else { return };
    desk.refuse("/response", 500);
    desk.invoke(r#"{"x": 1}"#);
    assert_eq!(running.ended(), 1);
}

#[test]
fn the_end_is_announced_to_functions_that_define_last() {
    let code = ".Last <- function() cat('closing connections\\n')\nrun <- function(x) x\n";
    let Some((desk, mut running)) = started(code, "score.run") else { return };
    let registered = desk.post();
    assert_eq!(
        (registered.path.as_str(), registered.text().as_str()),
        ("extension/register", r#"{"events":[]}"#)
    );
    let waiting = desk.post();
    assert_eq!(waiting.path, "extension/event/next");
    assert_eq!(waiting.header("Lambda-Extension-Identifier"), Some("extension-1"));
    assert_eq!(desk.invoke(r#"{"x": 1}"#).text(), "1");
    running.terminate();
    assert_eq!(running.ended(), 0);
    assert!(running.log().contains("closing connections"), "{}", running.log());
}

#[test]
fn a_snapshot_is_taken_after_init_and_copies_have_numbers_of_their_own() {
    let code = r#"
        set.seed(1)
        state <- "init"
        .before_snapshot <- function() state <<- c(state, "before")
        .after_restore <- function() state <<- c(state, "after")
        run <- function() list(state, runif(1))
    "#;
    let copy = || -> Option<Post> {
        let desk = Desk::open();
        let function = Function::new("score.R", code, "score.run")?;
        let _running = desk.start(function.set("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start"));
        assert_eq!(desk.post().path, "runtime/restore/next");
        Some(desk.invoke("{}"))
    };
    let (Some(one), Some(two)) = (copy(), copy()) else { return };
    assert_eq!(one.json()[0], serde_json::json!(["init", "before", "after"]));
    assert_ne!(one.json()[1], two.json()[1]);
}

#[test]
fn a_hook_that_fails_is_posted_where_lambda_looks_for_it() {
    let failing = |hook: &str| -> Option<Post> {
        let desk = Desk::open();
        let code = format!("{hook} <- function() stop('no hook')\nrun <- function() 1\n");
        let function = Function::new("score.R", &code, "score.run")?;
        let mut running = desk.start(function.set("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start"));
        let mut post = desk.post();
        if post.path == "runtime/restore/next" {
            post = desk.post();
        }
        assert_eq!(running.ended(), 1);
        Some(post)
    };
    let (Some(before), Some(after)) = (failing(".before_snapshot"), failing(".after_restore")) else {
        return;
    };
    assert_eq!(before.path, "runtime/init/error");
    assert_eq!(after.path, "runtime/restore/error");
    assert_eq!(after.json()["errorMessage"], "no hook");
}

#[test]
fn ten_thousand_events_leave_no_more_memory_in_use() {
    let code = "run <- function(x, name) list(name = name, total = sum(x), rows = data.frame(x = x))";
    let Some((desk, running)) = started(code, "score.run") else { return };
    let event = format!(r#"{{"x": [{}], "name": "ü"}}"#, vec!["0.5"; 100].join(","));
    let serve = |n: usize| {
        for _ in 0..n {
            assert!(desk.invoke(&event).text().starts_with(r#"{"name":"ü","total":50"#));
        }
        running.resident_kib()
    };
    // R's heap has found its size by then.
    let (before, after) = (serve(2_000), serve(8_000));
    assert!(after < before + before / 20, "{before} KiB became {after} KiB");
}
