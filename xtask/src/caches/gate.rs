//! nginx as a cache of files, or before a cache of another kind: whom it lets in, and what
//! it answers instead.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Cache;
use crate::tools;

/// What is behind the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Files below a folder of nginx's own, as its manual has it for uploads.
    Files,
    /// A server of the Remote Execution API.
    Reapi(SocketAddr),
}

/// How it is entered; by anybody if nothing is said.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    pub tls: Option<Certificates>,
    /// The one value of `Authorization` that is let in.
    pub authorization: Option<String>,
    /// A header without which nobody is let in.
    pub header: Option<(String, String)>,
    pub answer: Option<Answer>,
}

/// PEM files.
#[derive(Debug, Clone)]
pub struct Certificates {
    pub own: PathBuf,
    pub own_key: PathBuf,
    /// Clients need a certificate of this authority's, if it is given.
    pub of_clients: Option<PathBuf>,
}

/// What is said to some requests of each connection in the place of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub status: Status,
    /// The first of them that gets it; they count from 1.
    pub from: u32,
    /// How many get it; all that follow if `None`.
    pub n: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Http(u16),
    Grpc(u8),
}

impl Cache {
    /// nginx with this gate; `None` where there is no nginx.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub fn behind(gate: &Gate, behind: Behind) -> Result<Option<Self>> {
        let Some(nginx) = tools::find(tools::NGINX.program) else { return Ok(None) };
        let started = Self::start(|folder, address| {
            fs::create_dir(folder.join("files"))?;
            let path = folder.join("nginx.conf");
            fs::write(&path, config(gate, behind, (folder, address)))?;
            let log = folder.join("log").display().to_string();
            let words = [nginx.display().to_string(), "-c".to_owned(), path.display().to_string()];
            Ok([words.to_vec(), vec!["-e".to_owned(), log]].concat())
        })?;
        Ok(Some(started))
    }
}

fn config(gate: &Gate, behind: Behind, (folder, address): (&Path, SocketAddr)) -> String {
    let place = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {place}/{name};\n"))
        .concat();
    let user = if tools::is_root() { "user root;\n" } else { "" };
    let (how, location) = match behind {
        Behind::Files => ("", "dav_methods PUT;\ncreate_full_put_path on;\n".to_owned()),
        // What comes is passed on as it comes: a server may say no before all is there.
        Behind::Reapi(server) => (
            " http2",
            format!("grpc_pass grpc://{server};\ngrpc_read_timeout 300s;\ngrpc_send_timeout 300s;\n"),
        ),
    };
    let mut listen = format!("listen {address}{how};\n");
    if let Some(Certificates { own, own_key, of_clients }) = &gate.tls {
        let (own, own_key) = (own.display(), own_key.display());
        listen =
            format!("listen {address} ssl{how};\nssl_certificate {own};\nssl_certificate_key {own_key};\n");
        if let Some(authority) = of_clients {
            _ = writeln!(listen, "ssl_client_certificate {};\nssl_verify_client on;", authority.display());
        }
    }
    let is_grpc = behind != Behind::Files;
    let Rules { maps, checks, answers } = rules(gate, is_grpc);
    format!(
        "{user}daemon off;\nworker_processes 1;\npid {place}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n\
         {temporary}client_max_body_size 0;\nclient_body_timeout 300s;\nkeepalive_requests 1000000;\n{maps}\
         server {{\n{listen}root {place}/files;\n{checks}location / {{\n{location}}}\n{answers}}}\n}}\n"
    )
}

/// Parts of a configuration.
#[derive(Default)]
struct Rules {
    maps: String,
    checks: String,
    answers: String,
}

fn rules(gate: &Gate, is_grpc: bool) -> Rules {
    let mut rules = Rules::default();
    let mut refuse = |name: &str, (of, value): (&str, &str), status: Status| {
        let code = match status {
            Status::Http(code) => code,
            // Codes that nobody else uses, for nginx to find its way by.
            Status::Grpc(code) => 450 + u16::from(code),
        };
        _ = writeln!(rules.maps, "map {of} ${name} {{\ndefault {value}\n}}");
        _ = writeln!(rules.checks, "if (${name}) {{ return {code}; }}");
        if let Status::Grpc(grpc) = status {
            _ = writeln!(
                rules.answers,
                "error_page {code} = @{name};\nlocation @{name} {{\ndefault_type application/grpc;\n\
                 add_header grpc-status {grpc};\nadd_header grpc-message \"as it was told\";\nreturn 204;\n}}"
            );
        }
    };
    let unknown = if is_grpc { Status::Grpc(16) } else { Status::Http(401) };
    if let Some(authorization) = &gate.authorization {
        let value = format!("1;\n\"{authorization}\" 0;");
        refuse("is_unknown", ("$http_authorization", &value), unknown);
    }
    if let Some((name, wanted)) = &gate.header {
        let of = format!("$http_{}", name.to_ascii_lowercase().replace('-', "_"));
        let forbidden = if is_grpc { Status::Grpc(7) } else { Status::Http(403) };
        refuse("is_forbidden", (&of, &format!("1;\n\"{wanted}\" 0;")), forbidden);
    }
    if let Some(Answer { status, from, n }) = gate.answer {
        let those = |range: std::ops::Range<u32>, value| {
            range.fold(String::new(), |text, number| format!("{text}\n{number} {value};"))
        };
        let value = match n {
            Some(n) => format!("0;{}", those(from..from + n, 1)),
            None => format!("1;{}", those(1..from, 0)),
        };
        refuse("is_told", ("$connection_requests", &value), status);
    }
    rules
}
