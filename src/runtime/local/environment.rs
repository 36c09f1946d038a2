//! What a function finds around it: files, variables, limits, as on Lambda.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::{Function, Host, LocalError};
use crate::engine::{Bind, Engine, First, Limits, Network, Root, Sandbox};
use crate::sys::fs;

/// Processes and threads: "Lambda quotas".
const N_PROCESSES: u32 = 1024;
/// Address space that a process may have beyond the memory it may use. Only a backstop:
/// mapped files and reserved ranges take up addresses, and no memory.
const SPARE_ADDRESSES: u64 = 16 << 30;

pub(super) const TASK: &str = "/var/task";
const OPT: &str = "/opt";

pub(super) fn sandbox(
    function: &Function,
    host: &Host<'_>,
    tmp: &Path,
    api: SocketAddr,
) -> Result<Sandbox, LocalError> {
    let memory_bytes = u64::from(function.memory_mb) << 20;
    let spare = match host.engine {
        Engine::Bwrap { .. } => SPARE_ADDRESSES,
        Engine::Container(_) => 0,
    };
    let bootstrap = bootstrap(function).ok_or(LocalError::NoBootstrap)?;
    Ok(Sandbox {
        root: function.root.clone(),
        binds: binds(function, tmp),
        env: variables(function, host, api),
        working_dir: TASK.to_owned(),
        command: vec![bootstrap],
        limits: Limits {
            memory_bytes: memory_bytes + spare,
            n_processes: N_PROCESSES,
            time: Duration::MAX, // each invocation has a limit of its own
        },
        network: Network::Host,
        first: First::Engine,
    })
}

/// The first of the two places of a bootstrap that has one that can be run.
fn bootstrap(function: &Function) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let is_executable = |folder: &Path| {
        let metadata = fs::followed_metadata(&folder.join("bootstrap")).ok();
        metadata.is_some_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    let places = [(Some(&function.code), TASK), (function.opt.as_ref(), OPT)];
    let found = places.into_iter().find(|(folder, _)| folder.is_some_and(|folder| is_executable(folder)));
    found.map(|(_, inside)| format!("{inside}/bootstrap"))
}

fn binds(function: &Function, tmp: &Path) -> Vec<Bind> {
    let bind = |from: &Path, to: &str, writable| Bind { from: from.to_owned(), to: to.to_owned(), writable };
    let mut binds = vec![bind(&function.code, TASK, false), bind(tmp, "/tmp", true)];
    binds.extend(function.opt.as_deref().map(|opt| bind(opt, OPT, false)));
    // Names are looked up as on this machine, where the root has a file for that.
    if let Root::Folder(root) = &function.root
        && fs::file_size(&root.join("etc/resolv.conf")).is_some()
    {
        binds.push(bind(Path::new("/etc/resolv.conf"), "/etc/resolv.conf", false));
    }
    binds
}

/// "Using Lambda environment variables", and the Dockerfile of `provided.al2023`. The
/// function's own come first, so that they cannot replace what Lambda reserves.
fn variables(function: &Function, host: &Host<'_>, api: SocketAddr) -> Vec<(String, String)> {
    let mut all = function.variables.clone();
    let default = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for (name, value) in [
        default("LANG", "en_US.UTF-8"),
        default("TZ", ":UTC"),
        default("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        default(
            "LD_LIBRARY_PATH",
            "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
        ),
        default("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
        default("AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129:2000"),
    ] {
        all.entry(name).or_insert(value);
    }
    all.extend([
        ("_HANDLER".to_owned(), function.handler.clone()),
        default("LAMBDA_TASK_ROOT", TASK),
        default("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("AWS_LAMBDA_RUNTIME_API".to_owned(), api.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME".to_owned(), function.name.clone()),
        default("AWS_LAMBDA_FUNCTION_VERSION", super::VERSION),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE".to_owned(), function.memory_mb.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME".to_owned(), format!("/aws/lambda/{}", function.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME".to_owned(), log_stream(host)),
        default("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_REGION".to_owned(), function.region.clone()),
        ("AWS_DEFAULT_REGION".to_owned(), function.region.clone()),
    ]);
    all.into_iter().collect()
}

/// `2026/11/24/[$LATEST]` and 32 hexadecimal digits.
fn log_stream(host: &Host<'_>) -> String {
    let day = jiff::Timestamp::try_from((host.clock)()).unwrap_or_default().strftime("%Y/%m/%d");
    format!("{day}/[{}]{}", super::VERSION, uuid::Uuid::new_v4().simple())
}
