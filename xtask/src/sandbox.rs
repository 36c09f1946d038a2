//! A base's root file system to a bubblewrap command that runs in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Folders that the sandbox has of its own, or that the caller brings.
const NOT_FROM_BASE: [&str; 7] = ["dev", "proc", "sys", "run", "tmp", "opt", "build"];

/// Whether the command may reach a server on loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    None,
    Host,
}

/// A command in the base, to be completed with further options of `bwrap` and then the
/// program. Of the base itself nothing can be written, and the environment is empty but
/// for what any program needs.
pub fn command(rootfs: &Path, network: Network) -> Result<Command> {
    let mut command = Command::new("bwrap");
    let entries = fs::read_dir(rootfs).with_context(|| format!("failed to list {}", rootfs.display()))?;
    // One by one, since a base need not have the folders to mount `/dev` and others on.
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if NOT_FROM_BASE.iter().any(|other| name == **other) {
            continue;
        }
        let target = Path::new("/").join(&name);
        if entry.file_type()?.is_symlink() {
            command.arg("--symlink").arg(fs::read_link(entry.path())?).arg(target);
        } else {
            command.arg("--ro-bind").arg(entry.path()).arg(target);
        }
    }
    command.args(["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--chdir", "/tmp"]);
    command.args(["--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]);
    // As root, `tar` would give files to users who do not exist inside.
    command.args(["--unshare-user", "--uid", "1000", "--gid", "1000"]);
    if network == Network::Host {
        command.arg("--share-net");
    }
    for (name, value) in [("PATH", "/usr/bin:/bin"), ("HOME", "/tmp"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")] {
        set(&mut command, name, value);
    }
    Ok(command)
}

/// Sets a variable inside.
pub fn set(command: &mut Command, name: &str, value: &str) {
    command.args(["--setenv", name, value]);
}
