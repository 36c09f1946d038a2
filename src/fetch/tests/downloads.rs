//! Downloads that end well, whatever happens on the way.

use std::time::{Duration, Instant};

use super::archives::{x1, x1_tarball};
use super::server::{Asked, Reply, Server};
use super::{FetchError, Request, World, fetch, pin, x1_at};
use crate::report::{Event, Report};
use crate::resolve::{Candidate, ResolvedPackage};
use crate::store::{Kind, SourceRecord};
use crate::sys::hash::sha256;
use crate::sys::interrupt::Interrupt;

const ETAG: &str = "ETag: \"v1\"";

#[test]
fn a_version_that_has_moved_is_found_in_the_archive_and_then_in_the_store() {
    let world = World::new();
    let server = Server::start(|asked| {
        if asked.path.starts_with("/Archive") { Reply::ok(&x1_tarball()) } else { Reply::status(404) }
    });
    let (current, archived) = (format!("{}/x1", server.url), format!("{}/Archive/x1", server.url));
    let fetched = world.fetch_one(x1_at(&[&current, &archived])).unwrap();
    assert_eq!((fetched.url.as_str(), fetched.from_store), (archived.as_str(), false));
    assert_eq!(fetched.sha256, sha256(&x1_tarball()));
    assert_eq!(fetched.description.runtime[0].name.as_str(), "y1");
    let again = world.fetch_one(x1_at(&[&current, &archived])).unwrap();
    assert!(again.from_store);
    assert_eq!(server.paths(), ["/x1", "/Archive/x1"], "the second fetch asks nobody");
    assert_eq!(world.news().len(), 1, "{:?}", world.news());
    assert_eq!(world.partials(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_server_that_recovers_is_asked_until_it_does() {
    let world = World::new();
    let server = Server::start(|asked| match asked.n_before {
        0 => Reply::status(503),
        1 => Reply::new(429, &["Retry-After: 0"], b""),
        _ => Reply::ok(&x1_tarball()),
    });
    world.fetch_one(x1_at(&[&server.url])).unwrap();
    assert_eq!(server.paths().len(), 3);
}

#[test]
fn a_cut_off_body_is_resumed_where_it_ended() {
    let world = World::new();
    let server = Server::start(|asked| {
        let whole = x1_tarball();
        let Some(from) = from(asked) else {
            return Reply::announced(200, &[ETAG], (&whole[..50_000], whole.len()));
        };
        let range = format!("Content-Range: bytes {from}-{}/{}", whole.len() - 1, whole.len());
        Reply::new(206, &[ETAG, &range], &whole[from..])
    });
    let fetched = world.fetch_one(x1_at(&[&server.url])).unwrap();
    assert_eq!(fetched.sha256, sha256(&x1_tarball()));
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].header("range"), Some("bytes=50000-"));
    assert_eq!(asked[1].header("if-range"), Some("\"v1\""));
    assert_eq!(asked[1].header("accept-encoding"), Some("identity"), "no second compression");
    assert_eq!(world.partials(), Vec::<std::path::PathBuf>::new());
}

/// Where the request wants to go on.
fn from(asked: &Asked) -> Option<usize> {
    asked.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

#[test]
fn a_run_goes_on_with_what_an_earlier_one_left() {
    let mut world = World::new();
    world.options.attempts = 1;
    let server = Server::start(|asked| {
        let whole = x1_tarball();
        match (asked.n_before, from(asked)) {
            (0, _) => Reply::announced(200, &[ETAG], (&whole[..50_000], whole.len())),
            (_, Some(from)) => {
                let range = format!("Content-Range: bytes {from}-{}/*", whole.len() - 1);
                Reply::new(206, &[&range], &whole[from..])
            }
            (_, None) => Reply::status(500),
        }
    });
    assert!(world.failure(x1_at(&[&server.url])).contains("broke"), "killed in the middle");
    assert_eq!(world.partials().len(), 2, "the bytes and the tag");
    world.fetch_one(x1_at(&[&server.url])).unwrap();
    assert_eq!(server.paths().len(), 2);
}

#[test]
fn what_cannot_be_resumed_for_certain_is_fetched_anew() {
    type Answer = fn(&[u8]) -> Reply;
    let cases: [(&str, &str, Answer); 6] = [
        ("a changed file", ETAG, |whole| Reply::new(200, &["ETag: \"v2\""], whole)),
        ("a server without ranges", ETAG, |whole| Reply::new(200, &[ETAG], whole)),
        ("another part", ETAG, |whole| {
            Reply::new(206, &[ETAG, "Content-Range: bytes 10-19/100"], &whole[10..20])
        }),
        ("a part of another file", ETAG, |whole| {
            let range = format!("Content-Range: bytes 50000-{}/{}", whole.len() - 1, whole.len());
            Reply::new(206, &["ETag: \"v2\"", &range], &whole[50_000..])
        }),
        ("a range that is refused", ETAG, |_| Reply::status(416)),
        ("a weak tag", "ETag: W/\"v1\"", |whole| Reply::ok(whole)),
    ];
    for (case, tag, second) in cases {
        let world = World::new();
        let server = Server::start(move |asked| {
            let whole = x1_tarball();
            match asked.n_before {
                0 => Reply::announced(200, &[tag], (&whole[..50_000], whole.len())),
                1 => second(&whole),
                _ => Reply::ok(&whole),
            }
        });
        let fetched = world.fetch_one(x1_at(&[&server.url])).unwrap();
        assert_eq!(fetched.sha256, sha256(&x1_tarball()), "{case}");
        let asked = server.asked();
        assert_eq!(asked[1].header("range").is_some(), tag == ETAG, "{case}");
        if let Some(third) = asked.get(2) {
            assert_eq!(third.header("range"), None, "{case}");
        }
    }
}

#[test]
fn damage_under_way_is_tried_once_more() {
    let world = World::new();
    let server = Server::start(|asked| {
        let mut bytes = x1_tarball();
        bytes[60_000] ^= u8::from(asked.n_before == 0);
        Reply::ok(&bytes)
    });
    let mut request = x1_at(&[&server.url]);
    request.pin = Some(pin(&server.url, &x1_tarball()));
    world.fetch_one(request).unwrap();
    assert_eq!(server.paths().len(), 2);
}

#[test]
fn results_are_in_the_order_of_the_requests_and_one_failure_stops_nothing() {
    let world = World::new();
    let server = Server::start(|asked| {
        let name = asked.path.trim_start_matches('/');
        let number: u64 = name[1..].parse().unwrap();
        std::thread::sleep(Duration::from_millis(100 - number * 10));
        if number == 3 {
            return Reply::status(404);
        }
        let description = format!("Package: {name}\nVersion: 1.0\n");
        let tar = super::archives::Tar::default();
        Reply::ok(&tar.file(&format!("{name}/DESCRIPTION"), description.as_bytes()).end().gz())
    });
    let request = |number| {
        let id = super::id(&format!("p{number}"), "1.0");
        let candidates = vec![Candidate::tarball(format!("{}/{}", server.url, id.name))];
        Request { package: ResolvedPackage { id, candidates, newest: None }, pin: None, named: false }
    };
    let requests: Vec<_> = (0..10).map(request).collect();
    for (number, result) in world.fetch(&requests).into_iter().enumerate() {
        match result {
            Ok(tarball) => assert_eq!(tarball.id.name.as_str(), format!("p{number}")),
            Err(_) => assert_eq!(number, 3),
        }
    }
}

#[test]
fn a_pinned_tarball_is_found_by_its_digest_whatever_its_url_was() {
    let mut world = World::new();
    let bytes = x1_tarball();
    world.store.put_bytes(&bytes).unwrap();
    world.options.offline = true;
    let mut request = x1_at(&["https://mirror.invalid/x1"]);
    request.pin = Some(pin("https://user:secret@cran.invalid/x1", &bytes));
    let found = world.fetch_one(request).unwrap();
    assert!(found.from_store);
    let key = sha256(b"https://user:secret@cran.invalid/x1").to_hex();
    let record = world.store.record::<SourceRecord>(Kind::Source, &key).unwrap().unwrap();
    assert_eq!(record.url, "https://***@cran.invalid/x1", "no password comes to lie in the store");
}

#[test]
fn a_file_url_is_read_and_checked_also_without_the_network() {
    let mut world = World::new();
    world.options.offline = true;
    let url = world.file("x1 1.0.tar.gz", &x1().end().gz());
    let folder = url.replace("/x1 1.0.tar.gz", "");
    world.options.overrides = vec![("https://cran.invalid".to_owned(), folder)];
    let fetched = world.fetch_one(x1_at(&["https://cran.invalid/x1%201.0.tar.gz"])).unwrap();
    assert_eq!(fetched.url, "https://cran.invalid/x1%201.0.tar.gz", "as the lockfile has it");
    assert!(!fetched.from_store);
}

#[test]
fn of_two_that_want_the_same_one_fetches() {
    let world = World::new();
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(100));
        Reply::ok(&x1_tarball())
    });
    let results = world.fetch(&[x1_at(&[&server.url]), x1_at(&[&server.url])]);
    assert!(results.iter().all(Result::is_ok));
    assert_eq!((server.paths().len(), world.news().len()), (1, 1));
}

#[test]
fn an_interrupt_ends_every_wait_at_once() {
    let mut world = World::new();
    world.options.stall = Duration::from_mins(1);
    let server = Server::start(|_| Reply::announced(200, &[], (b"\x1f\x8b", 1000)).then_silence());
    let interrupt = world.interrupt.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        interrupt.trigger();
    });
    let began = Instant::now();
    let request = x1_at(&[&server.url]);
    for result in world.fetch(&[request.clone(), request]) {
        assert_eq!(result.unwrap_err().to_string(), "interrupted");
    }
    assert!(began.elapsed() < Duration::from_secs(2));
}

/// Interrupts as soon as bytes arrive.
struct Impatient(Interrupt);

impl Report for Impatient {
    fn report(&self, event: &Event<'_>) {
        if matches!(event, Event::Received { .. }) {
            self.0.trigger();
        }
    }
}

#[test]
fn an_interrupt_ends_also_what_never_waits() {
    let world = World::new();
    let url = world.file("x1.tar.gz", &x1().file("x1/noise", &x1_tarball().repeat(10)).end().gz());
    let impatient = Impatient(world.interrupt.clone());
    let result = fetch(&[x1_at(&[&url])], &world.http(), &world.store, &impatient).pop().unwrap();
    assert!(matches!(result, Err(FetchError::Interrupted)), "{result:?}");
}
