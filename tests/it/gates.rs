//! Servers that let in only whom they know: by certificates on both sides, by a token, by a
//! header, by the name of an instance. nginx asks, before buildbox-casd and before files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::caches::{Behind, Cache, Certificates, Gate};

use crate::cloud::Cloud;
use crate::farming::{self, farm};
use crate::sharing::{Place, WRITE, buildbox, counts, layr, machine, s3};
use crate::world::{SourcePackage, World, noise, ran, zips};

/// A company's authority, and what it has signed: a server's certificate and a client's.
struct Company {
    folder: tempfile::TempDir,
}

impl Company {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |args: &str| {
            let done = Command::new("openssl").args(args.split(' ')).current_dir(&folder).output().unwrap();
            assert!(done.status.success(), "{done:?}");
        };
        for name in ["ca", "other"] {
            openssl(&format!(
                "req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"
            ));
        }
        let san = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n";
        fs::write(folder.path().join("san"), san).unwrap();
        for (name, authority) in [("server", "ca"), ("client", "ca"), ("stranger", "other")] {
            openssl(&format!(
                "req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
            ));
            openssl(&format!(
                "x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial \
                 -days 2 -out {name}.pem -extfile san"
            ));
        }
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn gate(&self) -> Gate {
        Gate {
            tls: Some(Certificates {
                own: self.file("server.pem"),
                own_key: self.file("server.key"),
                of_clients: Some(self.file("ca.pem")),
            }),
            authorization: Some("Bearer secret-1".to_owned()),
            header: Some(("X-Team".to_owned(), "blue".to_owned())),
            ..Gate::default()
        }
    }

    /// layr.toml of somebody who is called `client`.
    fn config(&self, client: &str) -> String {
        let line = |name: &str, file: &str| format!("{name} = \"{}\"\n", self.file(file).display());
        ["[cache]\n".to_owned(), line("ca", "ca.pem")].concat()
            + &line("certificate", &format!("{client}.pem"))
            + &line("certificate-key", &format!("{client}.key"))
    }
}

fn known(url: &str) -> Place {
    Place::at(url.to_owned())
        .with("LAYR_REMOTE_CACHE_TOKEN", "secret-1")
        .with("LAYR_REMOTE_CACHE_HEADERS", "X-Team: blue")
}

fn stats(world: &World, place: &Place, config: &str) -> crate::world::Ran {
    world.write("project/layr.toml", config);
    layr(world, &["cache", "stats", "--remote"], place).unwrap()
}

/// Whoever lacks one of the things it asks for is not let in; whoever has all of them is.
#[track_caller]
fn only_who_is_known_is_let_in(url: &str, company: &Company) {
    let (first, second) = (machine(), machine());
    let place = known(url);
    first.write("project/layr.toml", company.config("client"));
    second.write("project/layr.toml", company.config("client"));
    let Some(built) = layr(&first, &["build", "--json", WRITE, "renv.lock"], &place) else { return };
    assert_eq!((counts(&built), built.stderr.contains("warning")), ([3, 0, 0], false), "{}", built.stderr);
    let shared = layr(&second, &["build", "--json", "renv.lock"], &place).unwrap();
    assert_eq!(counts(&shared), [0, 0, 3], "{}", shared.stderr);
    assert_eq!(zips(&first.path("project/dist")), zips(&second.path("project/dist")));

    let world = World::new();
    let config = company.config("client");
    stats(&world, &place, &config).succeeded();
    let expired = Place::at(url.to_owned())
        .with("LAYR_REMOTE_CACHE_TOKEN", "secret-0")
        .with("LAYR_REMOTE_CACHE_HEADERS", "X-Team: blue");
    let told = stats(&world, &expired, &config);
    told.failed(25, &["failed to use", "LAYR_REMOTE_CACHE_TOKEN"]);
    assert!(!told.stderr.contains("secret-0"), "{}", told.stderr);
    let no_header = Place::at(url.to_owned()).with("LAYR_REMOTE_CACHE_TOKEN", "secret-1");
    stats(&world, &no_header, &config).ended(25, "failed to use");
    stats(&world, &place, &company.config("stranger")).ended(25, "failed to use");
    let without = config.lines().take(2).fold(String::new(), |text, line| format!("{text}{line}\n"));
    stats(&world, &place, &without).ended(25, "failed to use");
    // Whose authority we do not know is not told our token.
    stats(&world, &place, "").ended(25, "certificate");
}

fn is_nginx_lacking() -> bool {
    let is_lacking = Path::new("/usr/sbin/nginx").exists().then_some(()).is_none();
    if is_lacking {
        eprintln!("SKIPPED: there is no nginx");
    }
    is_lacking
}

#[test]
fn only_who_is_known_is_let_in_by_reapi() {
    let Some(programs) = buildbox().filter(|_| !is_nginx_lacking()) else { return };
    let (company, cache) = (Company::new(), Cache::reapi(&programs).unwrap());
    let server = Cache::behind(&company.gate(), Behind::Reapi(cache.address)).unwrap().unwrap();
    only_who_is_known_is_let_in(&format!("grpcs://localhost:{}", server.address.port()), &company);
}

#[test]
fn a_farm_builds_for_whom_it_knows_and_for_nobody_else() {
    let Some((farm, _)) = farm().filter(|_| !is_nginx_lacking()) else { return };
    let company = Company::new();
    let server = Cache::behind(&company.gate(), Behind::Reapi(farm.address)).unwrap().unwrap();
    let url = format!("grpcs://localhost:{}", server.address.port());
    let build = |world: &World, token: &str, config: &str| {
        let place = Place::at("none".to_owned()).with("LAYR_FARM", &url);
        let place = place.with("LAYR_REMOTE_CACHE_TOKEN", token);
        let place = place.with("LAYR_REMOTE_CACHE_HEADERS", "X-Team: blue");
        ran(&mut farming::command(world, &place, config))
    };
    let (here, there) = (machine(), machine());
    assert_eq!(counts(&here.build(&["--json"]).unwrap()), [3, 0, 0]);
    let known = company.config("client");
    let refused = build(&there, "secret-0", &known);
    refused.failed(25, &["the farm does not build", &url, "LAYR_REMOTE_CACHE_TOKEN"]);
    assert!(!refused.stderr.contains("secret-0"), "{}", refused.stderr);
    build(&there, "secret-1", &company.config("stranger")).failed(25, &["the farm does not build", &url]);
    build(&there, "secret-1", "").failed(25, &["the farm does not build", &url, "certificate"]);
    assert_eq!(counts(&build(&there, "secret-1", &known)), [3, 0, 0]);
    assert_eq!(zips(&here.path("project/dist")), zips(&there.path("project/dist")));
}

#[test]
fn only_who_is_known_is_let_in_by_http() {
    if is_nginx_lacking() {
        return;
    }
    let company = Company::new();
    let server = Cache::behind(&company.gate(), Behind::Files).unwrap().unwrap();
    only_who_is_known_is_let_in(&format!("https://localhost:{}/layr", server.address.port()), &company);
}

#[test]
fn a_server_of_several_caches_is_asked_by_the_name_of_one() {
    let Some(programs) = buildbox() else { return };
    let cache = Cache::instance(&programs, "team/main").unwrap();
    let place = |instance: &str| Place::at(format!("grpc://{}{instance}", cache.address));
    let (first, second) = (machine(), machine());
    let Some(built) = layr(&first, &["build", "--json", WRITE], &place("/team/main")) else { return };
    assert_eq!((counts(&built), built.stderr.contains("warning")), ([3, 0, 0], false), "{}", built.stderr);
    let shared = layr(&second, &["build", "--json"], &place("/team/main")).unwrap();
    assert_eq!(counts(&shared), [0, 0, 3], "{}", shared.stderr);
    for other in ["", "/team"] {
        stats(&World::new(), &place(other), "").ended(25, "it answers invalid argument");
    }
}

/// Files beyond what one upload takes: S3 gets them in parts.
#[test]
fn a_large_file_goes_to_s3_in_parts_and_comes_back_whole() {
    let Some((cloud, place)) = s3("large") else { return };
    let large = || {
        let world = World::new();
        world.publish(&SourcePackage::new("large1", &[]).file("inst/large.bin", noise(40 << 20)));
        world.lock(&["large1"]);
        world
    };
    let (first, second) = (large(), large());
    let Some(built) = layr(&first, &["build", "--json", WRITE], &place) else { return };
    assert_eq!((counts(&built), built.stderr.contains("warning")), ([1, 0, 0], false), "{}", built.stderr);
    assert!(n_in_parts(&cloud) >= 2, "the file, and the source tarball");
    let shared = layr(&second, &["build", "--json"], &place).unwrap();
    assert_eq!(counts(&shared), [0, 0, 1], "{}", shared.stderr);
    assert_eq!(zips(&first.path("project/dist")), zips(&second.path("project/dist")));
    second.layr(&["cache", "verify"]).succeeded();
}

/// Objects that came in parts: their `ETag` ends in the number of parts.
fn n_in_parts(cloud: &Cloud) -> usize {
    let listed =
        cloud.aws("us-east-1", &["s3api", "list-objects-v2", "--bucket", "shared", "--prefix", "large/cas/"]);
    let objects = listed["Contents"].as_array().unwrap();
    let in_parts = |object: &&serde_json::Value| object["ETag"].as_str().unwrap().contains('-');
    objects.iter().filter(in_parts).count()
}
