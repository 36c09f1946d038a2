//! bootstrap's own cases, under the local Lambda with the runtime layer.

use crate::cases::{CASES, code, event, fault};
use crate::world::{World, base};

#[test]
fn the_suite_of_the_runtime_holds_under_layr_invoke() {
    let Some(base) = base() else { return };
    let world = World::new();
    world.lock(&[]);
    let config = "[functions.f]\nlockfile = \"renv.lock\"\ncode = \"code\"\nhandler = \"suite.run\"\nmemory = 512\ntimeout = 60\n";
    world.write("project/layr.toml", config);
    world.write("project/code/suite.R", code());
    let events: Vec<String> = CASES.iter().map(event).collect();
    let mut words = vec!["invoke", "--base", base.to_str().unwrap(), "--engine", "bwrap"];
    words.extend(events.iter().flat_map(|event| ["--event", event]));
    let ran = world.layr(&words);
    let answers: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(answers.len(), CASES.len(), "{}", ran.stderr);
    let faults: Vec<String> =
        CASES.iter().zip(answers).filter_map(|(case, answer)| fault(case, answer)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
