//! Secrets: they open what they are for, go nowhere else, and are found nowhere after.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::host::{Asked, Host, Reply, Repository, git_http};
use crate::sources::{commit, forge, free_port, lock, record, wait_for};
use crate::world::{Ran, SourcePackage, World, ran, renv_lock};

/// Serves the world's repository to whoever sends this header.
fn guarded_repository(world: &World, authorization: &'static str) -> Host {
    let root = world.path("repository");
    Host::start(move |asked| {
        let path = root.join(asked.target.trim_start_matches('/'));
        match fs::read(path) {
            _ if asked.authorization() != authorization => Reply::status("401 Unauthorized"),
            Ok(bytes) => Reply::ok(&bytes),
            Err(_) => Reply::status("404 Not Found"),
        }
    })
}

/// `layr check` with the repository at another URL.
fn check(world: &World, url: &str, environment: &[(&str, &str)]) -> Ran {
    let mut command = world.command(&["check"]);
    command.args(["--repository", &format!("Own={url}")]);
    command.envs(environment.iter().copied());
    ran(&mut command)
}

/// A world with one package in a repository of the lockfile's own at `url`.
fn world_with_one(url: impl Fn(&World) -> String) -> World {
    let world = World::new();
    world.publish(&SourcePackage::new("one1", &[]));
    let lock = renv_lock("4.5.0", &["one1"]).replace("https://cloud.r-project.org", &url(&world));
    world.write("project/renv.lock", lock.replace("\"Name\": \"CRAN\"", "\"Name\": \"Own\""));
    world
}

#[test]
fn a_private_repository_is_opened_by_netrc_or_by_its_url() {
    let world = world_with_one(|_| "http://HOST".to_owned());
    // me:p@ss
    let host = guarded_repository(&world, "Basic bWU6cEBzcw==");
    let lock = world.read("project/renv.lock").replace("HOST", host.address());
    world.write("project/renv.lock", &lock);
    world.layr(&["check"]).problem(12, &["answered 401 Unauthorized"]);
    world.write(".netrc", "machine 127.0.0.1 login me password p@ss\n");
    world.layr(&["check"]).succeeded();
    fs::remove_file(world.path(".netrc")).unwrap();
    fs::remove_dir_all(world.path("store")).unwrap();
    let with_password = lock.replace("http://", "http://me:p%40ss@");
    world.write("project/renv.lock", with_password);
    world.layr(&["check"]).succeeded();
}

#[test]
fn a_token_that_is_refused_is_said_and_what_is_public_is_had_without() {
    let world = World::new();
    let repository = world.path("git/team/hub1.git");
    let sha = commit(&Repository(&repository), "", "hub1");
    let archive = Repository(&repository).archive(&sha, "team-hub1");
    let host = Host::start(move |asked| match asked.authorization() {
        "" => Reply::ok(&archive),
        _ => Reply::status("401 Unauthorized"),
    });
    world.write("project/renv.lock", lock(&[forge("hub1", "GitHub", &format!("{}/api/v3", host.url), &sha)]));
    let mut command = world.command(&["check"]);
    let ran = ran(command.env("GITHUB_PAT_127_0_0_1", "stale-1"));
    assert!(ran.succeeded().stderr.contains("refuses GITHUB_PAT_127_0_0_1"), "{ran:?}");
    assert!(!ran.stderr.contains("stale-1"), "{ran:?}");
    // The token of GitHub itself is for nobody else.
    fs::remove_dir_all(world.path("store")).unwrap();
    let mut command = world.command(&["check"]);
    assert_eq!(crate::world::ran(command.env("GITHUB_PAT", "public-1")).succeeded().stderr, "");
    assert!(host.asked().iter().all(|asked| !asked.authorization().contains("public-1")));
}

#[test]
fn git_itself_is_given_the_token_and_goes_on_without_where_it_is_refused() {
    let world = World::new();
    let root = world.path("git");
    let sha = commit(&Repository(&root.join("team/own1.git")), "", "own1");
    // x-access-token:token-1
    let known = "Basic eC1hY2Nlc3MtdG9rZW46dG9rZW4tMQ==";
    let answer = move |asked: &Asked| match asked.authorization() {
        "" => Reply::with("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"x\"".to_owned()], b""),
        authorization if authorization == known => git_http(&root, asked),
        _ => Reply::status("403 Forbidden"),
    };
    let host = Host::start(answer);
    let url = format!("{}/team/own1.git/.git", host.url);
    let git =
        record("own1", &[("Source", "git"), ("RemoteType", "git"), ("RemoteUrl", &url), ("RemoteSha", &sha)]);
    world.write("project/renv.lock", lock(&[git]));
    let check = |token: &str| ran(world.command(&["check"]).env("GITHUB_PAT_127_0_0_1", token));
    check("other-1").problem(12, &["git: "]);
    check("token-1").succeeded();
}

/// A program on a port of loopback; ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// A company's network: TLS with a certificate of its own, and a proxy that asks who one is.
struct Company {
    _processes: [Running; 2],
    ca: PathBuf,
    url: String,
    proxy: u16,
}

impl Company {
    fn start(world: &World) -> Option<Self> {
        if !is_program("tinyproxy") {
            eprintln!("SKIPPED: tinyproxy is not installed; `cargo xtask test` installs it");
            return None;
        }
        let (tls, proxy) = (free_port(), free_port());
        let folder = world.path("company");
        fs::create_dir_all(&folder).unwrap();
        openssl(
            &folder,
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=Acme",
        );
        openssl(&folder, "req -newkey rsa:2048 -nodes -keyout host.key -out host.csr -subj /CN=localhost");
        fs::write(folder.join("san"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
        openssl(
            &folder,
            "x509 -req -in host.csr -CA ca.pem -CAkey ca.key -days 2 -out host.pem -extfile san",
        );
        let mut server = Command::new("openssl");
        server.args(["s_server", "-quiet", "-WWW", "-accept", &format!("127.0.0.1:{tls}")]);
        server.arg("-cert").arg(folder.join("host.pem")).arg("-key").arg(folder.join("host.key"));
        let config = format!(
            "Port {proxy}\nListen 127.0.0.1\nTimeout 20\nMaxClients 50\nAllow 127.0.0.1\nBasicAuth me proxy-secret\nConnectPort {tls}\nLogFile \"{0}/proxy.log\"\n",
            folder.display()
        );
        fs::write(folder.join("tinyproxy.conf"), config).unwrap();
        let mut tinyproxy = Command::new("tinyproxy");
        tinyproxy.arg("-d").arg("-c").arg(folder.join("tinyproxy.conf"));
        let start = |command: &mut Command| {
            command.current_dir(world.path("repository")).stdin(Stdio::null());
            Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
        };
        let processes = [start(&mut server), start(&mut tinyproxy)];
        wait_for(tls);
        wait_for(proxy);
        let url = format!("https://localhost:{tls}");
        Some(Self { _processes: processes, ca: folder.join("ca.pem"), url, proxy })
    }
}

fn is_program(name: &str) -> bool {
    Command::new(name).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn openssl(folder: &Path, args: &str) {
    let output = Command::new("openssl").args(args.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_company_s_proxy_and_certificate_are_used_and_missed_with_the_right_word() {
    let world = world_with_one(|_| "https://own.example".to_owned());
    let Some(company) = Company::start(&world) else { return };
    let ca = ("SSL_CERT_FILE", company.ca.to_str().unwrap());
    let with = |user: &str| format!("http://{user}127.0.0.1:{}", company.proxy);
    let (known, unknown) = (with("me:proxy-secret@"), with(""));
    let untrusted = check(&world, &company.url, &[]);
    untrusted.problem(12, &["no secure connection", "name its certificate in SSL_CERT_FILE"]);
    let refused = check(&world, &company.url, &[ca, ("HTTPS_PROXY", &unknown)]);
    refused.problem(12, &["proxy"]);
    let through = check(&world, &company.url, &[ca, ("HTTPS_PROXY", &known)]);
    through.succeeded();
    let log = fs::read_to_string(world.path("company/proxy.log")).unwrap();
    assert!(log.contains("CONNECT localhost:"), "{log}");
    let n_connections = log.matches("CONNECT localhost:").count();
    fs::remove_dir_all(world.path("store")).unwrap();
    check(&world, &company.url, &[ca, ("HTTPS_PROXY", &known), ("NO_PROXY", "localhost")]).succeeded();
    let log = fs::read_to_string(world.path("company/proxy.log")).unwrap();
    assert_eq!(log.matches("CONNECT localhost:").count(), n_connections, "NO_PROXY goes by it");
    for said in [untrusted, refused, through] {
        assert!(!said.stderr.contains("proxy-secret") && !said.stdout.contains("proxy-secret"), "{said:?}");
    }
}

/// Words that are secret in the test below, and nowhere else.
const CANARIES: [&str; 8] = [
    "canary-url",
    "canary-query",
    "canary-netrc",
    "canary-hub",
    "canary-lab",
    "canary-bucket",
    "canary-aws",
    "canary-proxy",
];

/// A project full of secrets, and a host that takes them.
struct Aviary {
    world: World,
    _host: Host,
    /// The lockfile, and one of which nothing can be had.
    lockfiles: [String; 2],
    said: String,
}

impl Aviary {
    fn new() -> Self {
        let world = World::new();
        let root = world.path("git");
        let hub = commit(&Repository(&root.join("team/hub1.git")), "", "hub1");
        let own = commit(&Repository(&root.join("team/own1.git")), "", "own1");
        let probe = "#!/bin/sh\nenv > inst/environment\ncat ~/.netrc >> inst/environment 2>&1\nexit 0\n";
        world.publish(&SourcePackage::new("probe1", &[]).file("configure", probe).file("inst/empty", ""));
        let archive = Repository(&root.join("team/hub1.git")).archive(&hub, "x");
        let tarball = SourcePackage::new("url1", &[]).tarball();
        let known = format!("/api/v3/repos/team/hub1/tarball/{hub}");
        let host = Host::start(move |asked| match asked.target.split('?').next().unwrap() {
            path if path == known => Reply::ok(&archive),
            "/files/url1.tar.gz" => Reply::ok(&tarball),
            path if path.contains(".git/") && asked.authorization().is_empty() => {
                Reply::with("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"x\"".to_owned()], b"")
            }
            path if path.contains(".git/") => git_http(&root, asked),
            _ => Reply::status("403 Forbidden"),
        });
        let with_password = host.url.replace("//", "//me:canary-url@");
        let git_url = format!("{with_password}/team/own1.git/.git");
        let file_url = format!("{with_password}/files/url1.tar.gz?token=canary-query");
        let git = [("Source", "Git"), ("RemoteType", "git"), ("RemoteUrl", &*git_url), ("RemoteSha", &*own)];
        let records = [
            forge("hub1", "GitHub", &format!("{}/api/v3", host.url), &hub),
            record("own1", &git),
            record("url1", &[("Source", "URL"), ("RemoteType", "url"), ("RemoteUrl", &file_url)]),
            record("probe1", &[("Source", "Repository"), ("Repository", "CRAN")]),
        ];
        let private = format!("[ {{ \"Name\": \"Own\", \"URL\": \"{with_password}/cran\" }}, {{");
        let lockfile = lock(&records).replace("[ {", &private);
        let broken = lockfile.replace(&hub, &"0".repeat(40)).replace(&own, &"1".repeat(40));
        let lockfiles = [lockfile, broken.replace("url1.tar", "gone.tar")];
        world.write(".netrc", "machine elsewhere.example login me password canary-netrc\n");
        Self { world, _host: host, lockfiles, said: String::new() }
    }

    /// Keeps what was said.
    fn layr(&mut self, args: &[&str], is_fine: bool) {
        let mut command = self.world.command(args);
        command.envs([
            ("GITHUB_PAT_127_0_0_1", "canary-hub"),
            ("GITLAB_PAT", "canary-lab"),
            ("BITBUCKET_USER", "me"),
            ("BITBUCKET_PASSWORD", "canary-bucket"),
            ("AWS_SECRET_ACCESS_KEY", "canary-aws"),
            ("HTTP_PROXY", "http://me:canary-proxy@127.0.0.1:9"),
            ("NO_PROXY", "127.0.0.1"),
        ]);
        let ran = ran(&mut command);
        assert_eq!(ran.code == 0, is_fine, "{args:?}: {ran:#?}");
        self.said.push_str(&format!("{}{}", ran.stdout, ran.stderr));
    }
}

#[test]
fn no_secret_is_in_any_output_file_or_layer() {
    let mut aviary = Aviary::new();
    let [lockfile, broken] = aviary.lockfiles.clone();
    aviary.world.write("project/renv.lock", lockfile);
    aviary.layr(&["check", "-v"], true);
    aviary.layr(&["check", "--json"], true);
    aviary.layr(&["vendor", "vendored", "-v"], true);
    aviary.layr(&["why", "url1", "--json"], true);
    let base = crate::world::base();
    if let Some(base) = &base {
        let on = ["--base", base.to_str().unwrap(), "--engine", "bwrap", "-v", "--json"];
        aviary.layr(&[&["build"], &on[..]].concat(), true);
        aviary.layr(&[&["plan"], &on[..]].concat(), true);
    }
    // Whatever fails says at what URL it did.
    aviary.world.write("project/renv.lock", broken);
    aviary.layr(&["check", "-v", "--layr-lock", "other.lock"], false);
    aviary.layr(&["plan", "-v", "--json", "--layr-lock", "other.lock"], false);
    fs::remove_file(aviary.world.path("project/renv.lock")).unwrap();
    holds_no_canary("what was said", aviary.said.as_bytes());
    let mut n_files = 0;
    for folder in ["project", "store"] {
        each_file(&aviary.world.path(folder), &mut |path, bytes| {
            n_files += 1;
            holds_no_canary(&path.display().to_string(), bytes);
        });
    }
    assert!(n_files > 10, "{n_files} files were looked through");
    if base.is_some() {
        let (_, zip) = &crate::world::zips(&aviary.world.path("project/dist"))[0];
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
        let environment = archive.by_name("R/library/probe1/environment").unwrap();
        let environment = std::io::read_to_string(environment).unwrap();
        assert!(environment.contains("R_HOME="), "the probe saw an environment: {environment}");
        holds_no_canary("the build's environment", environment.as_bytes());
    }
}

#[track_caller]
fn holds_no_canary(place: &str, bytes: &[u8]) {
    for canary in CANARIES {
        // As it is, and as HTTP has it; of the latter the part that no neighbour changes.
        let encoded = base64(canary);
        for form in [canary.as_bytes(), &encoded] {
            let found = bytes.windows(form.len()).any(|window| window == form);
            assert!(!found, "`{canary}` is in {place}");
        }
    }
}

/// The middle of `me:CANARY` in base64.
fn base64(canary: &str) -> Vec<u8> {
    let mut command = Command::new("openssl");
    let mut child =
        command.args(["base64", "-A"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("me:{canary}").as_bytes()).unwrap();
    let encoded = child.wait_with_output().unwrap().stdout;
    encoded[..encoded.len() - 4].to_vec()
}

fn each_file(folder: &Path, look: &mut dyn FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            each_file(&entry, look);
        } else if entry.is_file() {
            look(&entry, &fs::read(&entry).unwrap());
        }
    }
}
