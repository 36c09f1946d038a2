//! Kubernetes' API for Jobs, on loopback, for tests. No server of Kubernetes comes from where
//! tests may fetch; kubectl is the real one, and the schemas are Kubernetes' own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;

const SERVER: &str = include_str!("../peers/kubernetes.py");

/// A running server; it ends when this is dropped, or this process is gone, and its pods with it.
#[derive(Debug)]
pub struct Kubernetes {
    child: Child,
    folder: TempDir,
}

impl Kubernetes {
    /// `python` is the `bin` folder of an environment that has the schemas.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub fn start(python: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let script = folder.path().join("kubernetes.py");
        fs::write(&script, SERVER)?;
        let mut command = Command::new(python.join("python"));
        let mut child = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut port = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut port)?;
        let server = Self { child, folder };
        let port: u16 = port.trim().parse().context("the server names no port")?;
        let cluster = json!({ "server": format!("http://127.0.0.1:{port}") });
        let configuration = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "layr",
            "clusters": [{ "name": "layr", "cluster": cluster }],
            "users": [{ "name": "layr", "user": {} }],
            "contexts": [{ "name": "layr", "context": { "cluster": "layr", "user": "layr" } }],
        });
        fs::write(server.configuration(), configuration.to_string())?;
        Ok(server)
    }

    /// What clients are to find in `KUBECONFIG`.
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("config")
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}
