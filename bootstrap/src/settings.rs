//! The environment to settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::json::Arrays;

/// What bootstrap does depends on these alone.
#[derive(Debug, Clone)]
pub struct Settings {
    pub runtime_api: SocketAddr,
    pub handler: String,
    pub task_root: PathBuf,
    pub r_home: PathBuf,
    pub arrays: Arrays,
    pub log_format: LogFormat,
    pub log_level: Level,
    pub snap_start: bool,
    pub function: FunctionSettings,
}

/// What a handler finds in its `context`, whatever the event.
#[derive(Debug, Clone, Default)]
pub struct FunctionSettings {
    pub name: String,
    pub version: String,
    pub memory_mb: String,
    pub log_group: String,
    pub log_stream: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Lambda's levels of logs, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    const ALL: [Self; 6] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }
}

/// `variable` gives the value of an environment variable.
///
/// # Errors
///
/// Without the address of the Runtime API nobody can be told anything; so the error is
/// for the log alone.
pub fn settings(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, String> {
    let get = |name: &str| variable(name).filter(|value| !value.is_empty());
    let text = |name: &str| get(name).unwrap_or_default();
    let api = get("AWS_LAMBDA_RUNTIME_API")
        .ok_or("AWS_LAMBDA_RUNTIME_API is not set: bootstrap is started by Lambda, or by `layr invoke`")?;
    // A name would need a resolver, which a static program does not have.
    let address = api.replace("localhost:", "127.0.0.1:");
    Ok(Settings {
        runtime_api: address.parse().map_err(|error| {
            format!("AWS_LAMBDA_RUNTIME_API is no address with a port: `{api}` ({error})")
        })?,
        handler: text("_HANDLER"),
        task_root: get("LAMBDA_TASK_ROOT").unwrap_or_else(|| ".".to_owned()).into(),
        r_home: get("R_HOME").unwrap_or_else(|| "/opt/R".to_owned()).into(),
        arrays: if text("LAYR_SIMPLIFY").eq_ignore_ascii_case("false") {
            Arrays::Lists
        } else {
            Arrays::Simplified
        },
        log_format: if text("AWS_LAMBDA_LOG_FORMAT").eq_ignore_ascii_case("json") {
            LogFormat::Json
        } else {
            LogFormat::Text
        },
        log_level: Level::named(&text("AWS_LAMBDA_LOG_LEVEL")).unwrap_or(Level::Info),
        snap_start: text("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start",
        function: FunctionSettings {
            name: text("AWS_LAMBDA_FUNCTION_NAME"),
            version: text("AWS_LAMBDA_FUNCTION_VERSION"),
            memory_mb: text("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
            log_group: text("AWS_LAMBDA_LOG_GROUP_NAME"),
            log_stream: text("AWS_LAMBDA_LOG_STREAM_NAME"),
        },
    })
}
