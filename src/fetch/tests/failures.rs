//! Downloads that fail, and what is said about them.

use std::time::{Duration, Instant};

use super::archives::{Tar, x1_tarball};
use super::server::{Reply, Server};
use super::{World, pin, x1_at};
use crate::sys::hash::sha256;

#[test]
fn every_url_is_listed_with_its_answer_and_the_newest_version_is_named() {
    let world = World::new();
    let server = Server::start(|asked| Reply::status(if asked.path == "/a" { 404 } else { 410 }));
    let (a, b) = (format!("{}/a", server.url), format!("{}/b", server.url));
    assert_eq!(
        world.failure(x1_at(&[&a, &b])),
        format!(
            "failed to fetch `x1 1.0`\n  {a}: answered 404 Not Found\n  {b}: answered 410 Gone\n\
             hint: lock a version that exists: the newest of `x1` is 1.2"
        )
    );
    assert_eq!(server.paths().len(), 2, "what is not there is not asked for again");
}

#[test]
fn a_server_that_does_not_recover_is_asked_as_often_as_allowed_and_then_the_next_one() {
    let world = World::new();
    let server =
        Server::start(
            |asked| {
                if asked.path == "/good" { Reply::ok(&x1_tarball()) } else { Reply::status(500) }
            },
        );
    let (bad, good) = (format!("{}/bad", server.url), format!("{}/good", server.url));
    world.fetch_one(x1_at(&[&bad, &good])).unwrap();
    assert_eq!(server.paths(), ["/bad", "/bad", "/bad", "/good"]);
}

#[test]
fn a_password_is_used_but_never_shown() {
    let world = World::new();
    let server = Server::start(|_| Reply::status(401));
    let said = world.failure(x1_at(&[&server.url.replace("//", "//user:secret@")]));
    assert!(said.contains("http://***@127.0.0.1") && !said.contains("secret"), "{said}");
    assert!(said.contains("hint: check the name and password"), "{said}");
    assert_eq!(server.asked()[0].header("authorization"), Some("Basic dXNlcjpzZWNyZXQ="));
    assert_eq!(server.paths().len(), 2, "asked once with it, and once as anybody might");
}

#[test]
fn bytes_other_than_the_pinned_ones_are_refused_with_both_digests() {
    let world = World::new();
    let server = Server::start(|_| Reply::ok(&x1_tarball()));
    let mut request = x1_at(&[&server.url]);
    request.pin = Some(pin(&server.url, b"other"));
    let said = world.failure(request);
    let (actual, expected) = (sha256(&x1_tarball()), sha256(b"other"));
    assert!(
        said.contains(&format!(
            "has SHA-256 {actual}, where layr.lock has {expected}\nhint: the file is not"
        )),
        "{said}"
    );
    assert_eq!(server.paths().len(), 2, "asked once more, in case of damage");
    assert!(!world.store.has_blob(actual), "nothing of it is kept");
    assert_eq!(world.partials(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn what_the_store_has_of_a_url_is_held_against_the_pin_too() {
    let mut world = World::new();
    let url = world.file("x1.tar.gz", &x1_tarball());
    let mut request = x1_at(&[&url]);
    world.fetch_one(request.clone()).unwrap();
    world.options.offline = true;
    request.pin = Some(pin(&url, b"other"));
    assert!(world.failure(request).contains("where layr.lock has"));
}

#[test]
fn the_index_s_md5_is_held_against_the_bytes_where_nothing_better_is_known() {
    let world = World::new();
    let url = world.file("x1.tar.gz", &x1_tarball());
    let mut request = x1_at(&[&url]);
    request.package.candidates[0].md5 = Some("0123456789abcdef0123456789abcdef".to_owned());
    let said = world.failure(request.clone());
    assert!(said.contains(", where the package index has 0123456789abcdef"), "{said}");
    // A pin says more, wherever the bytes come from.
    request.pin = Some(pin("file:///none", &x1_tarball()));
    world.fetch_one(request).unwrap();
}

#[test]
fn what_is_no_source_tarball_of_the_package_is_named() {
    let tar = |description: &str| Tar::default().file("x1/DESCRIPTION", description.as_bytes()).end().gz();
    let cases = [
        (b"<!DOCTYPE html><title>Log in".to_vec(), "is an HTML page, no gzip archive\nhint: open that URL"),
        (b"\xfd7zXZ\0".to_vec(), "is an xz archive"),
        (Vec::new(), "is an empty file"),
        (Tar::default().file("x1/R/a.R", b"").end().gz(), "has no `x1/DESCRIPTION`"),
        (tar("Package: y1\nVersion: 1.0\n"), "holds `y1 1.0`"),
        (tar("Package: x1\nVersion: 1.1\n"), "holds `x1 1.1`"),
        (tar("Package: x1\nVersion: 1.0\nBuilt: R 4.5.0; ; ; unix\n"), "is a binary package"),
        (tar("Package: x1\n"), "DESCRIPTION has no field `Version`"),
        (tar("nonsense\n"), "line 1: `nonsense`"),
    ];
    for (bytes, message) in cases {
        let world = World::new();
        let server = Server::start(move |_| Reply::ok(&bytes));
        let said = world.failure(x1_at(&[&server.url]));
        assert!(said.contains(message), "{said}");
        assert_eq!(server.paths().len(), 1, "{message}: asking again does not help");
    }
}

#[test]
fn a_server_that_says_nothing_or_next_to_nothing_is_given_up() {
    let mut world = World::new();
    world.options.attempts = 1;
    let replies: [fn() -> Reply; 2] =
        [Reply::silence, || Reply::announced(200, &[], (b"\x1f\x8b", 1000)).then_silence()];
    for reply in replies {
        let server = Server::start(move |_| reply());
        let began = Instant::now();
        let said = world.failure(x1_at(&[&server.url]));
        assert!(said.contains("sent too little for 0.4 s"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(3));
    }
}

#[test]
fn a_body_that_is_always_short_is_an_error_and_its_beginning_is_not_kept_for_good() {
    let world = World::new();
    let server = Server::start(|_| Reply::announced(200, &[], (b"\x1f\x8b", 1000)));
    let said = world.failure(x1_at(&[&server.url]));
    assert!(said.contains("the connection broke: "), "{said}");
    assert_eq!(server.paths().len(), 3);
    assert!(!world.store.has_blob(sha256(b"\x1f\x8b")));
    assert_eq!(world.partials(), Vec::<std::path::PathBuf>::new(), "without a tag it cannot be resumed");
}

#[test]
fn redirects_are_followed_five_times_and_nowhere_else() {
    let world = World::new();
    let server = Server::start(|asked| {
        let n: usize = asked.path.trim_start_matches('/').parse().unwrap();
        let next =
            if n == 10 { "Location: file:///etc/passwd".to_owned() } else { format!("Location: /{}", n + 1) };
        if n == 5 { Reply::ok(&x1_tarball()) } else { Reply::new(302, &[&next], b"") }
    });
    world.fetch_one(x1_at(&[&format!("{}/0", server.url)])).unwrap();
    let loops = Server::start(|_| Reply::new(301, &["Location: /"], b""));
    let said = World::new().failure(x1_at(&[&loops.url]));
    assert!(said.contains("redirected wrongly: more than 5 times"), "{said}");
    assert_eq!(loops.paths().len(), 6, "and not tried again");
    let said = World::new().failure(x1_at(&[&format!("{}/10", server.url)]));
    assert!(said.contains("10: answered 302 Found"), "{said}");
}

#[test]
fn a_host_that_cannot_be_reached_is_not_waited_for_twice() {
    let mut world = World::new();
    world.options.n_parallel = 1;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (a, b) = (format!("http://127.0.0.1:{port}/a"), format!("http://127.0.0.1:{port}/b"));
    let said = world.failure(x1_at(&[&a, &b]));
    assert!(said.contains(&format!("{a}: could not be reached: Connection refused")), "{said}");
    assert!(said.contains(&format!("{b}: not tried, since `127.0.0.1:{port}`")), "{said}");
    assert!(said.contains("hint: check the network"), "{said}");
}

#[test]
fn what_is_no_secure_connection_or_no_url_is_not_tried_again() {
    let world = World::new();
    let server = Server::start(|_| Reply::status(404));
    let said = world.failure(x1_at(&[&server.url.replace("http:", "https:"), "ftp://host/x", "nonsense"]));
    assert!(said.contains("no secure connection: "), "{said}");
    assert!(said.contains("ftp://host/x: is no URL that can be asked: "), "{said}");
    assert!(said.contains("nonsense: is no URL that can be asked: "), "{said}");
}

#[test]
fn without_the_network_a_package_that_is_not_in_the_store_is_named() {
    let mut world = World::new();
    world.options.offline = true;
    assert_eq!(
        world.failure(x1_at(&["https://cran.invalid/x1"])),
        "`x1 1.0` is not in the store, and the network may not be used\n\
         hint: run once without `--offline`: the store keeps what is fetched"
    );
    let missing = world.home.path().join("none");
    let said = world.failure(x1_at(&["https://cran.invalid/x1", &format!("file://{}", missing.display())]));
    assert!(said.contains("x1: not in the store, and") && said.contains("none: no such file"), "{said}");
}
