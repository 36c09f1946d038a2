//! Caches in which somebody has put what does not belong there. nginx keeps results as
//! files, so that a test can be that somebody.

use std::fs;
use std::path::{Path, PathBuf};

use xtask::caches::Cache;

use crate::sharing::{Place, WRITE, counts, http, layr, machine};
use crate::world::{Ran, World, zips};

/// A cache in which a builder has put what it built, signed, and that builder's public key.
struct Poisoned {
    cache: Cache,
    first: World,
    place: Place,
}

const N_PACKAGES: u64 = 3;

impl Poisoned {
    fn results(&self) -> Vec<PathBuf> {
        let mut files = files(&self.cache.files().join("layr/ac"));
        files.retain(|path| find(&fs::read(path).unwrap(), b"layr/build-result").is_some());
        files
    }

    fn blobs(&self) -> Vec<PathBuf> {
        files(&self.cache.files().join("layr/cas"))
    }

    /// What another machine makes of it: right, whatever it took from the cache.
    #[track_caller]
    fn build_elsewhere(&self, config: &str) -> Ran {
        let second = machine();
        second.write("project/layr.toml", config);
        let place = Place::at(self.place.url.clone());
        let built = layr(&second, &["build", "--json", "renv.lock"], &place).unwrap();
        assert_eq!(counts(&built).iter().sum::<u64>(), N_PACKAGES);
        assert_eq!(zips(&second.path("project/dist")), zips(&self.first.path("project/dist")));
        second.layr(&["cache", "verify"]).succeeded();
        built
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A new builder's key on this machine, and the line for layr.toml.
fn builder(world: &World) -> String {
    let made = world.layr(&["cache", "key", world.path("builder.pem").to_str().unwrap()]);
    format!("[cache]\ntrusted = [\"{}\"]\n", made.succeeded().stdout.trim())
}

#[test]
fn only_a_trusted_builder_s_results_are_taken_where_builders_are_named() {
    let Some((_cache, place)) = http() else { return };
    let first = machine();
    let trusted = builder(&first);
    let key = first.path("builder.pem").display().to_string();
    let signing = Place::at(place.url.clone()).with("LAYR_SIGNING_KEY", key);
    let Some(built) = layr(&first, &["build", "--json", WRITE], &signing) else { return };
    assert_eq!(counts(&built), [3, 0, 0]);
    let second = machine();
    second.write("project/layr.toml", &trusted);
    let shared = layr(&second, &["build", "--json", "renv.lock"], &place).unwrap();
    assert_eq!(counts(&shared), [0, 0, 3], "{}", shared.stderr);
    let third = machine();
    third.write("project/layr.toml", builder(&third));
    let alone = layr(&third, &["build", "--json", "renv.lock"], &place).unwrap();
    assert_eq!(counts(&alone), [3, 0, 0]);
    assert!(alone.stderr.contains("who is not among the trusted builders"), "{}", alone.stderr);
    assert_eq!(zips(&second.path("project/dist")), zips(&third.path("project/dist")));
}

#[test]
fn unsigned_and_forged_results_are_refused_reported_and_built_instead() {
    let Some((cache, place)) = http() else { return };
    let first = machine();
    let Some(built) = layr(&first, &["build", "--json", WRITE], &place) else { return };
    built.succeeded();
    let trusted = builder(&first);
    let poisoned = Poisoned { cache, first, place };
    let unsigned = poisoned.build_elsewhere(&trusted);
    assert!(unsigned.stderr.contains("is refused: it is not signed"), "{}", unsigned.stderr);
    assert_eq!(counts(&unsigned)[0], N_PACKAGES);
}

#[test]
fn a_result_under_another_build_s_key_is_refused() {
    let Some(poisoned) = prepared() else { return };
    let results = poisoned.results();
    let first = fs::read(&results[0]).unwrap();
    for (at, result) in results.iter().enumerate() {
        let other = results.get(at + 1).map_or_else(|| first.clone(), |next| fs::read(next).unwrap());
        fs::write(result, other).unwrap();
    }
    let built = poisoned.build_elsewhere("");
    assert!(built.stderr.contains("is refused: it is of another build"), "{}", built.stderr);
    assert_eq!(counts(&built)[0], N_PACKAGES);
}

#[test]
fn a_result_whose_statement_was_changed_is_refused() {
    let Some(poisoned) = prepared() else { return };
    let key = poisoned.first.read("trusted.toml");
    for result in poisoned.results() {
        let mut bytes = fs::read(&result).unwrap();
        // A letter of the payload's base64, where a digest stands.
        let at = find(&bytes, b"\"payload\":\"").unwrap() + 150;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        fs::write(&result, bytes).unwrap();
    }
    let built = poisoned.build_elsewhere(&key);
    assert!(built.stderr.contains("who did not sign it"), "{}", built.stderr);
    assert_eq!(counts(&built)[0], N_PACKAGES);
}

#[test]
fn noise_in_the_place_of_a_result_is_refused() {
    let Some(poisoned) = prepared() else { return };
    for (at, result) in poisoned.results().into_iter().enumerate() {
        let noise = [b"".to_vec(), b"<html>Sign in</html>".to_vec(), vec![0xff; 3 << 20]];
        fs::write(result, &noise[at % 3]).unwrap();
    }
    let built = poisoned.build_elsewhere("");
    assert!(built.stderr.contains("it is no result that layr writes"), "{}", built.stderr);
    assert_eq!(counts(&built)[0], N_PACKAGES);
}

#[test]
fn blobs_with_other_bytes_are_never_kept() {
    let Some(poisoned) = prepared() else { return };
    for blob in poisoned.blobs() {
        let mut bytes = fs::read(&blob).unwrap();
        bytes.push(b'x');
        fs::write(&blob, bytes).unwrap();
    }
    let built = poisoned.build_elsewhere("");
    assert!(built.stderr.contains("it gives other bytes for blob"), "{}", built.stderr);
    assert_eq!(built.stderr.matches("warning").count(), 1, "{}", built.stderr);
    assert_eq!(counts(&built)[0], N_PACKAGES);
}

#[test]
fn a_cache_that_has_lost_files_is_as_good_as_what_is_left() {
    let Some(poisoned) = prepared() else { return };
    // By name, so by chance, and the same way in every run.
    for blob in poisoned.blobs().iter().step_by(3) {
        fs::remove_file(blob).unwrap();
    }
    let built = poisoned.build_elsewhere("");
    assert!(!built.stderr.contains("warning"), "{}", built.stderr);
    assert!(counts(&built)[0] > 0);
}

/// A cache with signed results; the line that trusts their builder is in trusted.toml.
fn prepared() -> Option<Poisoned> {
    crate::world::base()?;
    let (cache, place) = http()?;
    let first = machine();
    let trusted = builder(&first);
    first.write("trusted.toml", trusted);
    let place = place.with("LAYR_SIGNING_KEY", first.path("builder.pem").display().to_string());
    layr(&first, &["build", "--json", WRITE], &place)?.succeeded();
    Some(Poisoned { cache, first, place })
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
