//! Functions run by the local Lambda, with runtimes of a few lines of shell, so that each
//! story shows all that the runtime does.

use std::path::PathBuf;

use crate::processes::{is_running, wait_until};
use crate::world::{Ran, World, base, from_environment};

/// Asks for events and answers them with what `answer` prints; `$event` and `$id` are there.
const LOOP: &str = r#"
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while curl -sSf -D /tmp/headers -o /tmp/event "$api/invocation/next"; do
  event=$(cat /tmp/event)
  id=$(grep -i ^lambda-runtime-aws-request-id: /tmp/headers | tr -d '[:space:]' | cut -d: -f2)
  answer | curl -sS -X POST --data-binary @- "$api/invocation/$id/response" > /tmp/accepted
done
"#;

/// A root file system without R that has curl.
fn root() -> Option<PathBuf> {
    from_environment("LAYR_TEST_ROOT")
}

/// A function whose `bootstrap` runs `script`.
fn world(script: &str) -> World {
    let world = World::new();
    world.lock(&[]);
    world.write("project/layr.toml", "[functions.f]\nlockfile = \"renv.lock\"\ncode = \"code\"\nhandler = \"a.b\"\nmemory = 128\ntimeout = 2\nenvironment = { COLOUR = \"red\" }\n");
    world.write("project/code/bootstrap", format!("#!/bin/bash\n{script}"));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(world.path("project/code/bootstrap"), mode).unwrap();
    world
}

fn invoke(world: &World, args: &[&str]) -> Option<Ran> {
    let (base, root) = (base()?, root()?);
    let mut all = vec![
        "invoke",
        "--no-runtime",
        "--base",
        base.to_str().unwrap(),
        "--engine",
        "bwrap",
        "--root",
        root.to_str().unwrap(),
    ];
    all.extend(args);
    Some(world.layr(&all))
}

#[test]
fn events_are_answered_by_one_runtime_that_stays() {
    let world = world(&format!(
        "n=0; echo started; answer() {{ echo \"{{\\\"event\\\":$event,\\\"n\\\":$n}}\"; echo called >&2; }}\n{}",
        LOOP.replace("event=$(cat", "n=$((n + 1)); event=$(cat")
    ));
    let Some(ran) = invoke(&world, &["--event", r#"{"x":1}"#, "--event", "[2]"]) else { return };
    assert_eq!(ran.succeeded().stdout, "{\"event\":{\"x\":1},\"n\":1}\n\n{\"event\":[2],\"n\":2}\n\n");
    assert_eq!((ran.stderr.matches("started").count(), ran.stderr.matches("called").count()), (1, 2));
    let reports: Vec<_> = ran.stderr.lines().filter(|line| line.starts_with("REPORT RequestId: ")).collect();
    assert_eq!(reports.len(), 2, "{}", ran.stderr);
    assert!(reports[0].contains("\tInit Duration: ") && !reports[1].contains("Init"), "{reports:?}");
    assert!(reports[0].contains("\tMemory Size: 128 MB\tMax Memory Used: "), "{reports:?}");
}

#[test]
fn a_function_finds_what_it_finds_on_lambda() {
    let world = world(&format!(
        "answer() {{ printf '%s ' \"$(id -u)\" \"$_HANDLER\" \"$COLOUR\" \"$PWD\" \"$AWS_LAMBDA_FUNCTION_NAME\" \
         \"$AWS_LAMBDA_FUNCTION_MEMORY_SIZE\" \"${{HOME-none}}\"; touch /tmp/x /var/task/x /opt/x 2>&1 | wc -l; \
         cut -d: -f1 /tmp/headers | grep -ci lambda-runtime; }}\n{LOOP}"
    ));
    let Some(ran) = invoke(&world, &["--env", "COLOUR=blue", "--memory", "256"]) else { return };
    // Two of three places cannot be written to; four headers go with an event.
    assert_eq!(ran.succeeded().stdout, "65534 a.b blue /var/task f 256 none 2\n4\n\n");
}

#[test]
fn what_takes_too_long_is_ended_and_the_next_call_finds_a_new_runtime_and_the_same_tmp() {
    let world = world(&format!(
        "answer() {{ [ -e /tmp/been ] && echo again; touch /tmp/been; [ \"$event\" = 1 ] && sleep 60; }}\n{LOOP}"
    ));
    let Some(ran) = invoke(&world, &["--timeout", "1", "--event", "1", "--event", "2"]) else { return };
    assert!(ran.stdout.contains(r#""errorType":"Sandbox.Timedout""#), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("again\n\n"), "{}", ran.stdout);
    assert!(ran.stderr.contains("Task timed out after 1.00 seconds"), "{}", ran.stderr);
    assert!(ran.stderr.contains("\tStatus: timeout"), "{}", ran.stderr);
}

#[test]
fn more_memory_than_there_may_be_ends_the_runtime() {
    let world = world(&format!("answer() {{ tail -c 400000000 /dev/zero | tail; }}\n{LOOP}"));
    let Some(ran) = invoke(&world, &["--timeout", "20"]) else { return };
    assert_eq!(ran.code, 22, "{ran:?}");
    assert!(ran.stdout.contains("Runtime exited with error: signal: killed"), "{}", ran.stdout);
    assert!(ran.stderr.contains("the memory of 128 MB was exceeded"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Error Type: Runtime.OutOfMemory"), "{}", ran.stderr);
}

#[test]
fn a_runtime_that_ends_or_fails_is_told_as_lambda_tells_it() {
    let cases = [
        ("exit 3", "Runtime exited with error: exit status 3"),
        ("exit 0", "Runtime exited without providing a reason"),
        ("kill -SEGV $$", "Runtime exited with error: signal: segmentation fault"),
        (
            "curl -sS -H 'Lambda-Runtime-Function-Error-Type: Runtime.NoSuchHandler' --data \
             '{\"errorMessage\":\"no handler\",\"errorType\":\"x\"}' \
             http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/init/error; exit 1",
            r#"{"errorMessage":"no handler","errorType":"x"}"#,
        ),
    ];
    for (script, said) in cases {
        let Some(ran) = invoke(&world(script), &[]) else { return };
        assert_eq!(ran.code, 22, "{script}: {ran:?}");
        assert!(ran.stdout.contains(said), "{script}: {}", ran.stdout);
        assert!(ran.stderr.contains("\tStatus: error\tError Type: Runtime."), "{script}: {}", ran.stderr);
    }
}

#[test]
fn an_answer_may_have_six_megabytes_or_be_streamed() {
    let world = world(&format!("answer() {{ head -c $event /dev/zero | tr '\\0' 7; }}\n{LOOP}"));
    let Some(ran) = invoke(&world, &["--event", "6291556"]) else { return };
    assert_eq!(ran.succeeded().stdout.len(), 6_291_557);
    let ran = invoke(&world, &["--event", "6291557"]).unwrap();
    assert_eq!(ran.code, 22);
    assert!(ran.stdout.contains("Function.ResponseSizeTooLarge"), "{}", ran.stdout);
    world.write(
        "project/code/bootstrap",
        world
            .read("project/code/bootstrap")
            .replace("--data-binary @-", "-H 'Lambda-Runtime-Function-Response-Mode: streaming' -T -"),
    );
    let ran = invoke(&world, &["--event", "6291557"]).unwrap();
    assert_eq!(ran.succeeded().stdout.len(), 6_291_558);
}

#[test]
fn what_cannot_be_run_is_said_before_anything_runs() {
    let world = world("exit 1");
    if invoke(&world, &[]).is_none() {
        return;
    }
    let failed = |args: &[&str], code, parts: &[&str]| invoke(&world, args).unwrap().failed(code, parts);
    failed(&["g"], 2, &["there is no function `g`", "f"]);
    failed(&["--event", "{no"], 2, &["the event is no JSON"]);
    failed(&["--event", "nowhere.json"], 2, &["nowhere.json"]);
    world.write("project/large.json", format!("\"{}\"", "x".repeat(6_291_556)));
    failed(&["--event", "large.json"], 2, &["6291558 bytes", "6291556"]);
    world.write("project/code/bootstrap", "");
    std::fs::remove_file(world.path("project/code/bootstrap")).unwrap();
    let ran = invoke(&world, &[]).unwrap();
    assert!(ran.stdout.contains("Couldn't find valid bootstrap(s)"), "{ran:?}");
}

#[test]
fn nothing_of_a_function_is_left_when_layr_is_interrupted_or_killed() {
    let (Some(base), Some(root)) = (base(), root()) else { return };
    for (signal, code) in [("INT", Some(130)), ("KILL", None)] {
        let mark = format!("9{:07}", std::process::id());
        let world = world(&format!("answer() {{ sleep {mark}; }}\n{LOOP}"));
        let mut command = world.command(&["invoke", "--no-runtime", "--timeout", "900", "--engine", "bwrap"]);
        let mut child = command.arg("--base").arg(&base).arg("--root").arg(&root).spawn().unwrap();
        wait_until("the function starts", || is_running(&mark));
        let kill = ["-s", signal, &child.id().to_string()];
        assert!(std::process::Command::new("kill").args(kill).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), code, "{signal}");
        wait_until(&format!("the function is gone after {signal}"), || !is_running(&mark));
    }
}

#[test]
fn a_container_shows_the_memory_it_takes_and_ends_with_layr() {
    let Some(base) = base() else { return };
    if std::env::var_os("DOCKER_HOST").is_none() {
        eprintln!("SKIPPED: docker, since DOCKER_HOST is not set; `cargo xtask test` sets it");
        return;
    }
    let world = world("");
    std::fs::remove_file(world.path("project/code/bootstrap")).unwrap();
    world.write("project/code/a.R", "b <- function(wait) { if (wait > 0) system2(\"sleep\", wait); wait }\n");
    let mark = format!("8{:07}", std::process::id());
    let event = |wait: &str| format!(r#"{{"wait":{wait}}}"#);
    let (answered, waiting) = (event("0"), event(&mark));
    let args = ["invoke", "--base", base.to_str().unwrap(), "--engine", "docker", "--memory", "512"];
    let args = |event| [&args[..], &["--timeout", "900", "--event", event]].concat();
    let ran = world.layr(&args(&answered));
    assert_eq!(ran.succeeded().stdout, "0\n");
    let used = ran.stderr.split("Max Memory Used: ").nth(1).and_then(|text| text.split_once(" MB"));
    let used_mb: u32 = used.expect("the report has no memory").0.parse().unwrap();
    assert!((10..512).contains(&used_mb), "{}", ran.stderr);

    let mut child = world.command(&args(&waiting)).spawn().unwrap();
    wait_until("the function starts", || is_running(&mark));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the function is gone", || !is_running(&mark));
}
