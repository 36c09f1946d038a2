//! Package indexes: had, kept, and done without.

use std::time::Duration;

use super::super::fetch_index;
use super::World;
use super::archives::gz;
use super::server::{Reply, Server};

const PACKAGES: &str = "Package: x1\nVersion: 1.0\n";

impl World {
    fn index(&self, url: &str) -> Option<String> {
        fetch_index(url, &self.http(), &self.store, &self.news).unwrap()
    }
}

#[test]
fn an_index_is_fetched_once_in_ten_minutes() {
    let mut world = World::new();
    let server = Server::start(|_| Reply::ok(&gz(PACKAGES.as_bytes())));
    assert_eq!(world.index(&server.url).as_deref(), Some(PACKAGES));
    assert_eq!(world.index(&format!("{}/", server.url)).as_deref(), Some(PACKAGES));
    world.options.now += Duration::from_secs(590);
    world.index(&server.url);
    assert_eq!(server.paths(), ["/src/contrib/PACKAGES.gz"]);
    world.options.now += Duration::from_secs(20);
    world.index(&server.url);
    assert_eq!(server.paths().len(), 2);
    world.options.now -= Duration::from_hours(1);
    world.index(&server.url);
    assert_eq!(server.paths().len(), 3, "a copy from the future is not trusted");
    assert_eq!(world.news(), Vec::<String>::new());
}

#[test]
fn a_repository_with_a_plain_index_only_is_read_too() {
    let server = Server::start(|asked| {
        if asked.path == "/src/contrib/PACKAGES" {
            Reply::ok(PACKAGES.as_bytes())
        } else {
            Reply::status(404)
        }
    });
    assert_eq!(World::new().index(&server.url).as_deref(), Some(PACKAGES));
    let world = World::new();
    crate::sys::fs::create_dir_all(&world.home.path().join("src/contrib")).unwrap();
    world.file("src/contrib/PACKAGES", PACKAGES.as_bytes());
    assert_eq!(world.index(&format!("file://{}", world.home.path().display())).as_deref(), Some(PACKAGES));
}

#[test]
fn an_older_copy_stands_in_where_the_network_fails() {
    let mut world = World::new();
    let server = Server::start(|asked| match asked.n_before {
        0 => Reply::ok(&gz(PACKAGES.as_bytes())),
        _ => Reply::status(500),
    });
    world.index(&server.url);
    world.options.now += Duration::from_hours(3);
    assert_eq!(world.index(&server.url).as_deref(), Some(PACKAGES));
    assert!(world.news()[0].contains("answered 500 Internal Server Error; an older copy is used"));
    world.options.offline = true;
    assert_eq!(world.index(&server.url).as_deref(), Some(PACKAGES));
    assert!(world.news()[1].starts_with("Note"), "{:?}", world.news());
}

#[test]
fn an_index_that_cannot_be_had_is_a_warning() {
    type Answer = fn() -> Reply;
    let cases: [(Answer, &str); 4] = [
        (|| Reply::status(404), "answered 404 Not Found"),
        (|| Reply::ok(b"<html>Log in</html>"), "is an HTML page"),
        (|| Reply::ok(&gz(b"<html>Log in</html>")), "is an HTML page"),
        (|| Reply::ok(&gz(PACKAGES.as_bytes())[..20]), "the connection broke"),
    ];
    for (reply, message) in cases {
        let world = World::new();
        let server = Server::start(move |_| reply());
        assert_eq!(world.index(&server.url.replace("//", "//user:secret@")), None);
        let news = world.news();
        assert!(news.len() == 1 && news[0].starts_with("Warning"), "{news:?}");
        assert!(news[0].contains(message) && news[0].contains("looked for without it"), "{news:?}");
        assert!(!news[0].contains("secret"), "{news:?}");
    }
}
