//! What an invocation took, to the line that Lambda writes about it. Pure.

use std::time::Duration;

/// What is known at the end of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    pub request_id: String,
    pub duration: Duration,
    /// Of the invocation that the environment was started for.
    pub init: Option<Duration>,
    pub memory_mb: u32,
    /// `None` where the engine does not show it.
    pub peak_bytes: Option<u64>,
}

/// How it ended, in the words of the REPORT line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status<'a> {
    Success,
    Timeout,
    /// With the error's type.
    Error(&'a str),
}

impl Measured {
    /// Started milliseconds count whole. Custom runtimes pay for their start too.
    pub fn billed_ms(&self) -> u128 {
        (self.duration + self.init.unwrap_or_default()).as_nanos().div_ceil(1_000_000)
    }

    pub(super) fn line(&self, status: Status<'_>) -> String {
        let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1000.0);
        let mut parts = vec![
            format!("REPORT RequestId: {}", self.request_id),
            format!("Duration: {}", ms(self.duration)),
            format!("Billed Duration: {} ms", self.billed_ms()),
            format!("Memory Size: {} MB", self.memory_mb),
        ];
        parts.extend(self.peak_bytes.map(|bytes| format!("Max Memory Used: {} MB", bytes.div_ceil(1 << 20))));
        parts.extend(self.init.map(|init| format!("Init Duration: {}", ms(init))));
        match status {
            Status::Success => {}
            Status::Timeout => parts.push("Status: timeout".to_owned()),
            Status::Error(error_type) => {
                parts.extend(["Status: error".to_owned(), format!("Error Type: {error_type}")]);
            }
        }
        parts.join("\t")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_in_lambda_s_words_and_bills_the_start() {
        let mut measured = Measured {
            request_id: "1".to_owned(),
            duration: Duration::from_micros(12_340),
            init: Some(Duration::from_micros(300_100)),
            memory_mb: 512,
            peak_bytes: Some((60 << 20) + 1),
        };
        assert_eq!(
            measured.line(Status::Success),
            "REPORT RequestId: 1\tDuration: 12.34 ms\tBilled Duration: 313 ms\tMemory Size: 512 MB\t\
             Max Memory Used: 61 MB\tInit Duration: 300.10 ms"
        );
        measured.init = None;
        measured.peak_bytes = None;
        assert_eq!(
            measured.line(Status::Error("Runtime.ExitError")),
            "REPORT RequestId: 1\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 512 MB\t\
             Status: error\tError Type: Runtime.ExitError"
        );
    }
}
