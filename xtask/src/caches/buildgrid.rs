//! A farm with a scheduler, on loopback, for tests: BuildGrid with its database, and workers
//! that are machines of their own as far as it sees, each with a store and a job at a time.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use tempfile::TempDir;

use super::Held;
use crate::interrupt;

/// The one instance that the server has.
pub const INSTANCE: &str = "main";

const WORKER: &str = include_str!("../../peers/worker.py");

/// Starts the database and the server on it, and ends them when the input ends. PostgreSQL
/// does not run as root: in a user namespace it is nobody's.
const SERVER: &str = r#"
cd "$0" || exit 1
exec >output 2>&1
nobody="bwrap --unshare-user --uid 1000 --gid 1000 --dev-bind / / --die-with-parent"
$nobody "$2/initdb" -D db -U layr --auth=trust --no-sync --no-instructions || exit 1
timeout -k 5 3600 $nobody "$2/postgres" -D db -k "$0" -c listen_addresses= -c fsync=off </dev/null &
database=$!
n=0
until "$2/pg_isready" -q -h "$0"; do n=$((n + 1)); [ "$n" -lt 150 ] || exit 1; sleep 0.2; done
"$1/bgd" migrate apply "postgresql+psycopg2:///postgres?host=$0&user=layr" || exit 1
timeout -k 5 3600 "$1/bgd" server start server.yml </dev/null &
server=$!
read -r _
kill "$server"
wait "$server"
kill "$database"
wait
"#;

/// Starts a worker's store and the worker, and ends them when the input ends.
const MACHINE: &str = r#"
cd "$0" || exit 1
exec >output 2>&1
worker=$1 programs=$2 remote=$3 instance=$4
shift 4
timeout -k 5 3600 "$programs/buildbox-casd" --bind="unix:$0/socket" --cas-remote="http://$remote" \
    --cas-instance="$instance" "$0/cas" </dev/null &
store=$!
n=0
until [ -S socket ]; do n=$((n + 1)); [ "$n" -lt 150 ] || exit 1; sleep 0.2; done
timeout -k 5 3600 "$worker/python" worker.py "$remote" "$instance" "${0##*/}" "$0" \
    "$programs/buildbox-run" --remote="unix:$0/socket" "$@" </dev/null &
worker=$!
read -r _
kill "$worker" "$store"
wait
"#;

const START_TIMEOUT: Duration = Duration::from_mins(1);

/// The running farm and its folder; all of it ends with the value, or with this process.
#[derive(Debug)]
pub struct BuildGrid {
    workers: Vec<Held>,
    _server: Held,
    folder: TempDir,
    place: Place,
    pub address: SocketAddr,
}

/// Where programs and bases are.
#[derive(Debug)]
pub struct Place {
    /// The environment that `peers::buildgrid` makes.
    pub environment: PathBuf,
    /// What `caches::buildbox` gives.
    pub buildbox: PathBuf,
    /// A base's root file system, in which jobs run.
    pub rootfs: PathBuf,
}

impl BuildGrid {
    /// The server with so many workers.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub fn start(place: Place, n_workers: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        fs::write(folder.path().join("server.yml"), configuration(folder.path(), address))?;
        let programs = place.environment.join("bin");
        let database = place.environment.join("pgserver/pginstall/bin");
        let words = [folder.path(), &programs, &database];
        let mut server = Held::start(Command::new("sh").args(["-c", SERVER]).args(words))?;
        server.wait_for(address, &folder.path().join("output"), START_TIMEOUT)?;
        let mut farm = Self { workers: Vec::new(), _server: server, folder, place, address };
        for n in 0..n_workers {
            let worker = farm.worker(n)?;
            farm.workers.push(worker);
        }
        Ok(farm)
    }

    /// Starts one, as the machine that it may have been before.
    fn worker(&self, n: usize) -> Result<Held> {
        let folder = self.folder.path().join(format!("worker{n}"));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("worker.py"), WORKER)?;
        fs::remove_file(folder.join("socket")).ok(); // of a machine that was lost
        let bind = |name| format!("--ro-bind-mount={}/{name}:/{name}", self.place.rootfs.display());
        let mut shell = Command::new("sh");
        shell.args(["-c", MACHINE]).arg(folder).arg(self.place.environment.join("bin"));
        shell.arg(&self.place.buildbox).args([&self.address.to_string(), INSTANCE]);
        Held::start(shell.args(["usr", "etc"].map(bind)))
    }

    /// The process that all of a worker's descend from.
    pub fn worker_pid(&self, n: usize) -> u32 {
        self.workers[n].0.id()
    }

    /// Ends a worker and all that it has started, as a machine does that loses its power.
    pub fn lose_worker(&mut self, n: usize) {
        interrupt::kill_all(self.worker_pid(n));
        self.workers[n].0.wait().ok();
    }

    /// Another machine in a lost one's place, and by its name.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub fn replace_worker(&mut self, n: usize) -> Result<()> {
        self.workers[n] = self.worker(n)?;
        Ok(())
    }

    /// What the server says of its operations: of those under way, or of those that `filter`
    /// lets through.
    ///
    /// # Errors
    ///
    /// Where it does not answer.
    pub fn operations(&self, filter: &str) -> Result<Vec<String>> {
        let mut ask = Command::new(self.place.environment.join("bin/bgd"));
        ask.args(["operation", "--remote", &format!("http://{}", self.address)]);
        ask.args(["--instance-name", INSTANCE, "list", "--filter", filter]);
        let answer = ask.output()?;
        if !answer.status.success() {
            bail!("bgd ended with {}: {}", answer.status, String::from_utf8_lossy(&answer.stderr));
        }
        Ok(String::from_utf8(answer.stdout)?.lines().map(str::to_owned).collect())
    }
}

/// A worker that says nothing for 6 s is a lost one: what it was at goes to another.
fn configuration(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "server:\n  - !channel\n    address: {address}\n    insecure-mode: true\n\
         connections:\n  - !sql-connection &sql\n    \
         connection-string: postgresql+psycopg2:///postgres?host={folder}&user=layr\n\
         storages:\n  - !disk-storage &blobs\n    path: {folder}/blobs\n\
         caches:\n  - !lru-action-cache &results\n    storage: *blobs\n    max-cached-refs: 10000\n    \
         allow-updates: true\n    cache-failed-actions: false\n\
         schedulers:\n  - !sql-scheduler &jobs\n    sql: *sql\n    storage: *blobs\n    action-cache: *results\n    \
         bot-session-keepalive-timeout: 6\n    session-expiry-timer-interval: 0.5\n    \
         poll-interval: 0.2\n    bot-poll-interval: 0.2\n    \
         assigners:\n      - !priority-age-assigner\n        interval: 0.1\n\
         instances:\n  - name: {INSTANCE}\n    services:\n      - !action-cache\n        cache: *results\n      \
         - !execution\n        scheduler: *jobs\n      - !cas\n        storage: *blobs\n      \
         - !bytestream\n        storage: *blobs\n\
         thread-pool-size: 60\n"
    )
}
