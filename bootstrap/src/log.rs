//! What R prints and signals, to Lambda's log: as it is, or each line as a JSON object.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::SystemTime;

use serde_json::json;

use crate::settings::{Level, LogFormat};
use crate::time::iso8601;

/// How many lines of R's stderr are kept to explain its end: of a crash R tells the calls
/// that led to it, and ours are among them.
const N_KEPT_LINES: usize = 40;
/// A line that goes on beyond this is logged in parts: as long as one event of `CloudWatch`
/// Logs may be, 256 KiB.
const MAX_LINE_BYTES: usize = 256 << 10;
/// How much of a line is kept.
const MAX_KEPT_BYTES: usize = 1 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Stdout,
    Stderr,
}

pub struct Log {
    format: LogFormat,
    level: Level,
    request_id: Option<String>,
    /// Lines that have not ended yet, of stdout and stderr.
    open_lines: [Vec<u8>; 2],
    last_lines: VecDeque<String>,
}

impl Log {
    pub fn new(format: LogFormat, level: Level) -> Self {
        Self {
            format,
            level,
            request_id: None,
            open_lines: [Vec::new(), Vec::new()],
            last_lines: VecDeque::new(),
        }
    }

    /// All that follows belongs to this invocation.
    pub fn begin(&mut self, request_id: &str) {
        self.request_id = Some(request_id.to_owned());
        self.last_lines.clear();
    }

    /// Takes what R wrote.
    pub fn output(&mut self, output: Output, bytes: &[u8]) {
        if self.format == LogFormat::Text {
            match output {
                Output::Stdout => put(&mut io::stdout().lock(), bytes),
                Output::Stderr => put(&mut io::stderr().lock(), bytes),
            }
        }
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let open = &mut self.open_lines[usize::from(output == Output::Stderr)];
            open.extend(line);
            if open.ends_with(b"\n") || open.len() >= MAX_LINE_BYTES {
                let line = String::from_utf8_lossy(&std::mem::take(open)).trim_end().to_owned();
                self.line(output, &line);
            }
        }
    }

    /// Takes what bootstrap, or a condition in R, has to say.
    pub fn record(&mut self, level: Level, message: &str) {
        if self.format == LogFormat::Json {
            return self.put_json(level, message);
        }
        let id = self.request_id.as_ref().map(|id| format!("RequestId: {id} ")).unwrap_or_default();
        put(&mut io::stderr().lock(), format!("{} {id}{message}\n", level.name()).as_bytes());
    }

    /// The last lines that R wrote to stderr in this invocation, for an error's message.
    pub fn last_lines(&self) -> String {
        self.last_lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    fn line(&mut self, output: Output, line: &str) {
        if self.format == LogFormat::Json {
            self.put_json(Level::Info, line);
        }
        if output == Output::Stderr {
            if self.last_lines.len() == N_KEPT_LINES {
                self.last_lines.pop_front();
            }
            let end = line.floor_char_boundary(MAX_KEPT_BYTES);
            self.last_lines.push_back(line[..end].to_owned());
        }
    }

    fn put_json(&self, level: Level, message: &str) {
        if level < self.level {
            return;
        }
        let mut record = json!({ "timestamp": now(), "level": level.name(), "message": message });
        if let Some(id) = &self.request_id {
            record["requestId"] = json!(id);
        }
        put(&mut io::stdout().lock(), format!("{record}\n").as_bytes());
    }
}

/// A log that cannot be written is no reason to fail an invocation.
fn put(stream: &mut dyn Write, bytes: &[u8]) {
    let _ = stream.write_all(bytes).and_then(|()| stream.flush());
}

#[expect(clippy::disallowed_methods, reason = "logs say when")]
fn now() -> String {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    iso8601(i64::try_from(since_1970.as_millis()).unwrap_or_default() * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        let mut log = Log::new(LogFormat::Json, Level::Error);
        for _ in 0..5 {
            log.output(Output::Stderr, &vec![b'x'; 100 << 10]);
        }
        assert!(log.open_lines[1].len() < MAX_LINE_BYTES);
        assert_eq!(log.last_lines.len(), 1);
    }
}
