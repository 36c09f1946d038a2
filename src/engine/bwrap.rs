//! A sandbox to bubblewrap's arguments.

use std::collections::BTreeSet;
use std::path::Path;

use super::{EngineError, First, NOBODY, Network, Root, Sandbox};
use crate::sys::fs;

/// Folders of a root file system that a sandbox has its own of.
const REPLACED: [&str; 6] = ["dev", "proc", "run", "sys", "tmp", "build"];

/// Each top folder of the base is bound by itself onto an empty root, so that places to
/// bind to can be made beside them, which a read-only root would not allow.
pub(super) fn arguments(sandbox: &Sandbox, is_root: bool) -> Result<Vec<String>, EngineError> {
    let rootfs = match &sandbox.root {
        Root::Folder(folder) => folder,
        Root::Image(image) => return Err(EngineError::ImageNeedsContainer { image: image.clone() }),
    };
    let mut args = Vec::new();
    let mut add = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["--die-with-parent", "--new-session", "--unshare-pid", "--unshare-ipc"]);
    if sandbox.first == First::Command {
        add(&["--as-pid-1"]);
    }
    if sandbox.network == Network::None {
        add(&["--unshare-net"]);
    }
    add(&["--unshare-uts", "--hostname", "layr", "--unshare-cgroup-try", "--clearenv"]);
    // Root gives its rights up for good by becoming nobody; others map themselves to it.
    let drops_rights = is_root && fs::exists(&rootfs.join("usr/bin/setpriv"));
    let nobody = NOBODY.to_string();
    if drops_rights {
        add(&["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]);
    } else {
        add(&["--unshare-user", "--uid", &nobody, "--gid", &nobody]);
    }
    for (name, value) in &sandbox.env {
        add(&["--setenv", name, value]);
    }
    for folder in folders_to_make(sandbox) {
        add(&["--perms", "0755", "--dir", &folder]);
    }
    bind_root(rootfs, "", sandbox, &mut add)?;
    add(&[
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--size",
        &(sandbox.limits.memory_bytes / 2).to_string(),
        "--tmpfs",
        "/tmp",
    ]);
    add(&["--chmod", "1777", "/tmp"]);
    for bind in &sandbox.binds {
        let flag = if bind.writable { "--bind" } else { "--ro-bind" };
        add(&[flag, &bind.from.to_string_lossy(), &bind.to]);
    }
    add(&["--remount-ro", "/", "--chdir", &sandbox.working_dir, "--"]);
    if drops_rights {
        add(&["/usr/bin/setpriv", "--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
        add(&["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"]);
    }
    add(&["/bin/sh", "-c", LIMITED, "sh"]);
    add(&[&(sandbox.limits.memory_bytes / 1024).to_string(), &sandbox.limits.n_processes.to_string()]);
    args.extend(sandbox.command.iter().cloned());
    Ok(args)
}

/// The folders that binds lie in and that no bind brings; bwrap would make them closed to
/// all but root.
fn folders_to_make(sandbox: &Sandbox) -> BTreeSet<String> {
    let is_inside_a_bind = |folder: &Path| sandbox.binds.iter().any(|bind| folder.starts_with(&bind.to));
    let targets = sandbox.binds.iter().map(|bind| Path::new(&bind.to));
    let above =
        targets.flat_map(|target| target.ancestors().skip(1)).filter(|folder| !is_inside_a_bind(folder));
    above.filter(|folder| *folder != Path::new("/")).map(|folder| folder.display().to_string()).collect()
}

/// Bounds memory and processes from inside, where the user is one that has none yet, and
/// then becomes the command. bash and dash have different letters for processes.
const LIMITED: &str =
    "ulimit -v \"$1\"; ulimit -u \"$2\" 2>/dev/null || ulimit -p \"$2\"; shift 2; exec \"$@\"";

/// Folders that a bind lies below are gone into, so that there is a place for it.
fn bind_root(
    folder: &Path,
    at: &str,
    sandbox: &Sandbox,
    add: &mut impl FnMut(&[&str]),
) -> Result<(), EngineError> {
    for entry in fs::sorted_entries(folder)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let (path, inside) = (entry.path(), format!("{at}/{name}"));
        let metadata = fs::metadata(&path)?;
        let replaced = at.is_empty() && REPLACED.contains(&name.as_str())
            || sandbox.binds.iter().any(|bind| bind.to == inside);
        let has_bind_below = || {
            let mut targets = sandbox.binds.iter().map(|bind| Path::new(&bind.to));
            !replaced && targets.any(|target| target.starts_with(&inside))
        };
        if metadata.is_symlink() {
            add(&["--symlink", &fs::read_link(&path)?.to_string_lossy(), &inside]);
        } else if metadata.is_dir() && has_bind_below() {
            bind_root(&path, &inside, sandbox, add)?;
        } else if !replaced {
            add(&["--ro-bind", &path.to_string_lossy(), &inside]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::{Bind, Limits};

    fn sandbox(root: Root) -> Sandbox {
        Sandbox {
            root,
            binds: vec![
                Bind { from: "/host/src".into(), to: "/build/src".to_owned(), writable: true },
                Bind { from: "/host/cli".into(), to: "/opt/R/library/cli".to_owned(), writable: false },
            ],
            env: vec![("TZ".to_owned(), "UTC".to_owned())],
            working_dir: "/build".to_owned(),
            command: vec!["R".to_owned()],
            limits: Limits { memory_bytes: 1 << 30, n_processes: 100, time: Duration::from_secs(1) },
            network: Network::None,
            first: First::Command,
        }
    }

    #[test]
    fn a_sandbox_has_no_network_and_a_read_only_root_and_only_the_binds_are_writable() {
        let home = tempfile::tempdir().unwrap();
        for folder in ["usr/bin", "opt/R/4.5.0", "dev", "etc"] {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        std::os::unix::fs::symlink("usr/bin", home.path().join("bin")).unwrap();
        let args = arguments(&sandbox(Root::Folder(home.path().to_owned())), false).unwrap().join(" ");
        for part in [
            "--unshare-net",
            "--unshare-user --uid 65534",
            "--symlink usr/bin /bin",
            "--remount-ro / --chdir",
        ] {
            assert!(args.contains(part), "{part} in {args}");
        }
        assert_eq!(args.matches("--bind ").count(), 1, "{args}");
        assert!(args.contains("/opt/R/4.5.0 /opt/R/4.5.0"), "an R of the base stays where it is: {args}");
        assert!(!args.contains("dev /dev --") || args.contains("--dev /dev"), "{args}");
    }

    #[test]
    fn an_image_is_refused_with_the_engines_that_can() {
        let error = arguments(&sandbox(Root::Image("sha256:ab".to_owned())), false).unwrap_err();
        assert!(error.hint().unwrap().contains("docker"));
    }
}
