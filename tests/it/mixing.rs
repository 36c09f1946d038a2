//! Builds on a farm, and those beside them that this machine does itself.

use crate::farming::{command, farm};
use crate::sharing::{Place, counts, machine};
use crate::world::{SourcePackage, World, ran, zips};

/// The packages that the farm built.
fn on_farm(world: &World, place: &Place) -> Vec<String> {
    let built = ran(command(world, place, "light = 60\n").arg("-v"));
    assert_eq!(counts(&built), [2, 0, 0]);
    let lines = built.stderr.lines().filter_map(|line| line.strip_prefix("on the farm, "));
    lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn this_machine_builds_what_is_light_and_the_farm_what_is_not() {
    let Some((_farm, place)) = farm() else { return };
    let slow = SourcePackage::new("slow1", &["two2"]);
    let (here, there) = (machine(), machine());
    for world in [&here, &there] {
        world.publish(&slow);
        world.lock(&["two2", "slow1"]);
    }
    assert_eq!(counts(&here.build(&["--json"]).unwrap()), [2, 0, 0]);
    assert_eq!(on_farm(&there, &place), Vec::<String>::new(), "all short tarballs seem light");
    assert_eq!(zips(&here.path("project/dist")), zips(&there.path("project/dist")));
    // Both are to be built once more, after one of them took long.
    let timing = there.read("store/records/timing/slow1.json");
    let mut timing: serde_json::Value = serde_json::from_str(&timing).unwrap();
    timing["build_ms"] = 61_000.into();
    there.write("store/records/timing/slow1.json", timing.to_string());
    std::fs::remove_dir_all(there.path("store/records/build")).unwrap();
    std::fs::remove_dir_all(there.path("project/dist")).unwrap();
    assert_eq!(on_farm(&there, &place), ["slow1"]);
    assert_eq!(zips(&here.path("project/dist")), zips(&there.path("project/dist")));
}
