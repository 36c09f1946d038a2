//! The server, asked over a plain connection.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Fault, Server};

const TEN: &str = "0123456789";

/// A server of one file, `/ten`.
fn server() -> (Server, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    fs::write(dir.path().join("ten"), TEN).unwrap();
    (Server::start(dir.path().to_path_buf()).unwrap(), dir)
}

/// Status line with headers, and body.
fn ask(server: &Server, request: &str, header: &str) -> (String, String) {
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    write!(stream, "{request} HTTP/1.1\r\n{header}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn get_ten(server: &Server, header: &str) -> (String, String) {
    ask(server, "GET /ten", header)
}

fn header(head: &str, name: &str) -> String {
    let found = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    found.unwrap_or_else(|| panic!("no {name} in {head}")).to_owned()
}

#[test]
fn a_file_comes_whole_and_its_requests_are_counted() {
    let (server, _dir) = server();
    let (head, body) = get_ten(&server, "");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body, TEN);
    let (head, body) = ask(&server, "HEAD /ten", "");
    assert_eq!((header(&head, "Content-Length").as_str(), body.as_str()), ("10", ""));
    assert_eq!(server.requests(), ["GET /ten", "HEAD /ten"]);
    assert_eq!((server.count("/ten"), server.count("/other")), (2, 0));
}

#[test]
fn what_is_no_file_below_the_root_is_not_found() {
    let (server, _dir) = server();
    for path in ["/other", "/folder", "/", "/folder/../../etc/passwd", "/%2e%2e/etc/passwd", "//etc/passwd"] {
        let (head, _) = ask(&server, &format!("GET {path}"), "");
        assert!(head.starts_with("HTTP/1.1 404 "), "{path}: {head}");
    }
    assert!(ask(&server, "POST /ten", "").0.starts_with("HTTP/1.1 405 "));
}

#[test]
fn an_interrupted_download_can_be_resumed_while_the_file_is_the_same() {
    let (server, dir) = server();
    let etag = header(&get_ten(&server, "").0, "ETag");
    let resume = format!("Range: bytes=4-\r\nIf-Range: {etag}\r\n");
    let (head, body) = get_ten(&server, &resume);
    assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
    assert_eq!((header(&head, "Content-Range").as_str(), body.as_str()), ("bytes 4-9/10", "456789"));
    assert!(get_ten(&server, "Range: bytes=10-\r\n").0.starts_with("HTTP/1.1 416 "));

    fs::write(dir.path().join("ten"), "another file").unwrap();
    let (head, body) = get_ten(&server, &resume);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body, "another file");
}

#[test]
fn a_fault_is_of_one_path_and_can_wear_off() {
    let (server, _dir) = server();
    server.fault("/ten", Fault::StatusTimes(503, 2));
    let status = || get_ten(&server, "").0[9..12].to_owned();
    assert_eq!([status(), status(), status()], ["503", "503", "200"]);
    server.fault("/ten", Fault::Status(500));
    assert_eq!([status(), status()], ["500", "500"]);
    server.clear_faults();
    assert_eq!(status(), "200");
}

#[test]
fn a_cut_answer_announces_more_than_it_sends() {
    let (server, _dir) = server();
    server.fault("/ten", Fault::CutAfterTimes(3, 1));
    let (head, body) = get_ten(&server, "");
    assert_eq!((header(&head, "Content-Length").as_str(), body.as_str()), ("10", "012"));
    assert_eq!(get_ten(&server, "").1, TEN);
    server.fault("/ten", Fault::CutAfter(2));
    assert_eq!(get_ten(&server, "Range: bytes=5-\r\n").1, "56");
}

#[test]
fn other_bytes_are_as_many_but_not_the_same() {
    let (server, _dir) = server();
    server.fault("/ten", Fault::OtherBytes);
    assert_eq!(get_ten(&server, "").1, "1123456789");
}

#[test]
fn a_captive_portal_answers_200_with_a_page() {
    let (server, _dir) = server();
    server.fault("/ten", Fault::HtmlPage);
    let (head, body) = get_ten(&server, "");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(body.starts_with("<!DOCTYPE html>"), "{body}");
}

#[test]
fn without_ranges_the_whole_file_comes() {
    let (server, _dir) = server();
    server.fault("/ten", Fault::NoRange);
    let (head, body) = get_ten(&server, "Range: bytes=4-\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body, TEN);
}

#[test]
fn a_stalled_answer_is_silent_after_its_head_until_the_server_stops() {
    let (server, _dir) = server();
    server.fault("/ten", Fault::Stall);
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    stream.write_all(b"GET /ten HTTP/1.1\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut answer = Vec::new();
    assert!(stream.read_to_end(&mut answer).is_err(), "the connection was closed");
    assert!(answer.ends_with(b"\r\n\r\n"), "{answer:?}");

    let start = Instant::now();
    drop(server);
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.read_to_end(&mut answer).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
}
