//! Caches and ways to them on which things go wrong, at whichever moment: the machine ends
//! with the right bytes or with none of them, its store is never wrong, and what others find
//! in the cache is right, too. `FAULT_ROUNDS` says how many there are of each kind.

use xtask::caches::{Answer, Behind, Cache, Faulty, Gate, Status, Trouble, Way};

use crate::sharing::{Place, WRITE, buildbox, counts, http, layr, machine, reapi};
use crate::world::{World, base, zips};

fn n_rounds() -> u64 {
    std::env::var("FAULT_ROUNDS").map_or(12, |text| text.parse().unwrap())
}

/// A cache with all that a machine has built, and that machine.
fn filled() -> Option<(Cache, Place, World)> {
    let (cache, place) = reapi()?;
    let first = machine();
    layr(&first, &["build", "--json", WRITE], &place)?.succeeded();
    Some((cache, place, first))
}

/// Another machine, with the first one's layr.lock.
fn second_of(first: &World) -> World {
    let second = machine();
    second.write("project/layr.lock", first.read("project/layr.lock"));
    second
}

/// Empties the store, and pulls or, every fifth time, builds. Gives how many packages came.
#[track_caller]
fn pulled_or_built((first, second): (&World, &World), place: &Place, round: u64, what: &str) -> u64 {
    _ = std::fs::remove_dir_all(second.path("store"));
    let n_brought = if round % 5 == 4 {
        let built = layr(second, &["build", "--json"], place).unwrap();
        assert_eq!(counts(&built).iter().sum::<u64>(), 3, "{what}");
        assert_eq!(zips(&first.path("project/dist")), zips(&second.path("project/dist")), "{what}");
        assert!(built.stderr.matches("warning").count() <= 1, "{what}: {}", built.stderr);
        counts(&built)[2]
    } else {
        let pulled = layr(second, &["cache", "pull"], place).unwrap();
        let said = pulled.succeeded().stdout.split(' ').next().unwrap().to_owned();
        assert!(pulled.stderr.matches("warning").count() <= 1, "{what}: {}", pulled.stderr);
        said.parse().unwrap()
    };
    second.layr(&["cache", "verify"]).succeeded();
    n_brought
}

/// A byte of a conversation, in the beginning more than at the end.
fn moment(round: u64, n_bytes: u64) -> u64 {
    let n_rounds = n_rounds();
    n_bytes * (round + 1) * (round + 1) / (n_rounds * n_rounds) * 9 / 10 + round
}

#[test]
fn a_way_on_which_things_go_wrong_never_makes_a_store_wrong() {
    let Some((cache, _, first)) = filled() else { return };
    let second = second_of(&first);
    let faulty = Faulty::start(cache.address).unwrap();
    let place = Place::at(format!("grpc://{}", faulty.address));
    assert_eq!(pulled_or_built((&first, &second), &place, 0, "no trouble"), 3);
    let all_bytes = faulty.n_bytes();
    for round in 0..n_rounds() {
        let at = moment(round, all_bytes);
        let trouble = match round % 4 {
            0 => Trouble::CutAt(at),
            1 | 3 => Trouble::FlippedAt(at),
            _ if round % 8 == 2 => Trouble::SilentAt(at),
            _ => Trouble::Refused,
        };
        faulty.set(trouble);
        pulled_or_built((&first, &second), &place, round, &format!("{trouble:?}"));
    }
    faulty.set(Trouble::None);
    assert_eq!(pulled_or_built((&first, &second), &place, 0, "no trouble"), 3);
    assert_eq!(counts(&second.build(&["--json", "--offline"]).unwrap()), [0, 3, 0]);
    assert_eq!(zips(&first.path("project/dist")), zips(&second.path("project/dist")));
}

/// An empty cache, by REAPI or by files.
fn empty(round: u64) -> Option<(Cache, Place, &'static str)> {
    if round.is_multiple_of(2) {
        reapi().map(|(cache, place)| (cache, place, "grpc"))
    } else {
        http().map(|(cache, place)| (cache, place, "http"))
    }
}

/// What arrives in part, or with other bytes, is nothing that others could find.
#[test]
fn an_upload_that_goes_wrong_is_no_harm_to_those_who_read() {
    let first = machine();
    let Some(built) = first.build(&["--json"]) else { return };
    built.succeeded();
    let second = second_of(&first);
    let mut n_sent = 0;
    for round in 0..n_rounds() {
        let Some((cache, clean, scheme)) = empty(round) else { return };
        let faulty = Faulty::start(cache.address).unwrap();
        let place = Place::at(clean.url.replace(&cache.address.to_string(), &faulty.address.to_string()));
        // Sources and packages, more than 10 MB.
        let at = moment(round, 10 << 20);
        let trouble = match round % 6 {
            0 | 1 => Trouble::CutAt(at),
            2 | 3 => Trouble::FlippedAt(at),
            _ if round % 12 < 6 => Trouble::SilentAt(at),
            _ => Trouble::CutAt(at / 2),
        };
        faulty.set_on(Way::ToServer, trouble);
        let what = format!("{scheme} {trouble:?}");
        let pushed = layr(&first, &["cache", "push", WRITE], &place).unwrap();
        match pushed.code {
            0 => n_sent += 1,
            25 => assert!(pushed.stderr.contains("failed to use"), "{what}: {}", pushed.stderr),
            _ => panic!("{what}: {pushed:?}"),
        }
        pulled_or_built((&first, &second), &clean, round, &what);
        // Another try mends what was left half done; but files of another kind of server are
        // not held against their names by it, and stay as they came.
        layr(&first, &["cache", "push", WRITE], &clean).unwrap().succeeded();
        let n_brought = pulled_or_built((&first, &second), &clean, 0, &what);
        let may_be_wrong = scheme == "http" && matches!(trouble, Trouble::FlippedAt(_));
        assert!(n_brought == 3 || may_be_wrong, "{what}: {n_brought}");
    }
    eprintln!("{n_sent} of {} uploads went well at last", n_rounds());
}

/// Once, a passing refusal is asked again; for good, it is one warning.
#[test]
fn a_server_that_says_no_at_any_request_costs_a_warning_at_most() {
    let Some((cache, _, first)) = filled() else { return };
    let second = second_of(&first);
    let statuses = [
        // RESOURCE_EXHAUSTED, UNAVAILABLE, and UNAUTHENTICATED: a token that has expired.
        (Status::Grpc(8), true),
        (Status::Grpc(14), true),
        (Status::Grpc(16), false),
        (Status::Http(429), true),
        (Status::Http(503), true),
        (Status::Http(401), false),
    ];
    for round in 0..n_rounds() {
        let (status, is_passing) = statuses[usize::try_from(round).unwrap() % statuses.len()];
        // A conversation has some ten requests: capabilities, results, trees, files. The first
        // belongs to the connection: another try is another connection.
        let from = u32::try_from(1 + round * 7 % 10).unwrap();
        let n = (is_passing && from > 1 && round / 6 % 2 == 0).then_some(1);
        let gate = Gate { answer: Some(Answer { status, from, n }), ..Gate::default() };
        let Some(server) = Cache::behind(&gate, Behind::Reapi(cache.address)).unwrap() else { return };
        let place = Place::at(format!("grpc://{}", server.address));
        let what = format!("{:?}", gate.answer);
        let n_brought = pulled_or_built((&first, &second), &place, round, &what);
        if n.is_some() {
            assert_eq!(n_brought, 3, "{what}");
        }
    }
}

/// The same of files: a quota that is used up, and a token that expires while it is used.
#[test]
fn a_server_that_says_no_to_an_upload_leaves_the_build_as_it_is() {
    if base().is_none() || buildbox().is_none() {
        return;
    }
    for (status, from) in [(429, 4), (401, 8), (507, 12), (503, 2)] {
        let answer = Answer { status: Status::Http(status), from, n: None };
        let gate = Gate { answer: Some(answer), ..Gate::default() };
        let Some(server) = Cache::behind(&gate, Behind::Files).unwrap() else { return };
        let place = Place::at(format!("http://{}", server.address));
        let world = machine();
        let built = layr(&world, &["build", "--json", WRITE], &place).unwrap();
        assert_eq!(counts(&built), [3, 0, 0], "{answer:?}");
        assert!(built.stderr.matches("warning").count() <= 1, "{answer:?}: {}", built.stderr);
    }
}
