//! What a tarball unpacks to: named while it is fetched, or later, and unpacked where a file
//! of it is lacking.

use std::collections::BTreeMap;

use super::archives::x1;
use super::{Request, World, id, x1_at};
use crate::fetch::{Tarball, sources};
use crate::store::{Blob, Parcel};
use crate::sys::hash::sha256;

const CPP: &[u8] = b"// first\n#include <Rcpp.h>\n";

fn tarball() -> Vec<u8> {
    let files = x1().file("x1/src/a.cpp", CPP).file("x1/src/deep/b.cpp", CPP).file("x1/src/c.c", CPP);
    files.file("x1/inst/d.cpp", CPP).file("x1/src/e.cc", b"int e;\n").end().gz()
}

#[test]
fn files_that_were_named_while_they_were_fetched_are_not_read_again() {
    let world = World::new();
    let url = world.file("x1_1.0.tar.gz", &tarball());
    let fetched = world.fetch_one(Request { named: true, ..x1_at(&[&url]) }).unwrap();
    let hex = fetched.sha256.to_hex();
    std::fs::remove_file(world.home.path().join("store/blobs").join(&hex[..2]).join(&hex)).unwrap();
    let named = sources(fetched.sha256, &fetched.id, &world.store).unwrap();
    let of_this = Blob { digest: sha256(CPP), n_bytes: CPP.len() as u64 };
    assert!(named.tree.files.contains(&of_this));
    assert_eq!(named.headers, BTreeMap::from([("a.cpp".to_owned(), "<Rcpp.h>".to_owned())]));
}

#[test]
fn files_that_were_not_named_are_read_once_and_unpacked_where_one_is_lacking() {
    let world = World::new();
    let url = world.file("x1_1.0.tar.gz", &tarball());
    let sha256 = world.fetch_one(x1_at(&[&url])).unwrap().sha256;
    let (store, id) = (&world.store, &id("x1", "1.0"));
    let first = sources(sha256, id, store).unwrap();
    let mut parcel = Parcel::over(store);
    parcel.add_tree(&first.tree, Tarball { sha256, id, store });
    parcel.provide(&first.tree.files[..1]).unwrap();
    for file in &first.tree.files {
        let bytes = parcel.bytes(file.digest).unwrap();
        assert_eq!((crate::sys::hash::sha256(&bytes), bytes.len() as u64), (file.digest, file.n_bytes));
        assert!(file.n_bytes == 0 || !store.has(*file), "nothing of it is kept in the store");
    }
    let hex = sha256.to_hex();
    std::fs::remove_file(world.home.path().join("store/blobs").join(&hex[..2]).join(&hex)).unwrap();
    let again = sources(sha256, id, store).unwrap();
    assert_eq!((again.tree.root, again.headers), (first.tree.root, first.headers));
    let mut parcel = Parcel::over(store);
    parcel.add_tree(&again.tree, Tarball { sha256, id, store });
    assert!(parcel.provide(&again.tree.files).is_err(), "they are nowhere");
}
