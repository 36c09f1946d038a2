//! The REPORT lines that Lambda logs to what was billed. Pure.

/// One call, as Lambda reports it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    pub billed_ms: f64,
    pub memory_mb: u32,
    pub max_memory_mb: u32,
    /// Present where the call started an execution environment.
    pub init_ms: Option<f64>,
}

/// The calls in a log; all other lines are passed over, and so are REPORT lines of another
/// form.
pub fn parse_lines(log: &str) -> Vec<Run> {
    log.lines().filter_map(|line| line.find("REPORT RequestId:").and_then(|at| parse(&line[at..]))).collect()
}

fn parse(line: &str) -> Option<Run> {
    let field = |name: &str| {
        // `Duration` is also the end of other fields' names, so a field begins the line's part.
        let part = line.split('\t').map(str::trim).find_map(|part| part.strip_prefix(name));
        part?.trim().split(' ').next()?.parse::<f64>().ok()
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just before")]
    let whole = |name: &str| field(name).filter(|n| (0.0..1e9).contains(n)).map(|n| n as u32);
    Some(Run {
        billed_ms: field("Billed Duration:").filter(|ms| ms.is_finite() && *ms >= 0.0)?,
        memory_mb: whole("Memory Size:")?,
        max_memory_mb: whole("Max Memory Used:")?,
        init_ms: field("Init Duration:"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_lines_are_read_wherever_the_log_comes_from() {
        let log = "START RequestId: 8f50 Version: $LATEST\n\
            REPORT RequestId: 8f50\tDuration: 812.44 ms\tBilled Duration: 2313 ms\tMemory Size: 512 MB\tMax Memory Used: 211 MB\tInit Duration: 1499.82 ms\t\n\
            2026-11-23T10:00:00.000Z REPORT RequestId: 9a61\tDuration: 12.01 ms\tBilled Duration: 13 ms\tMemory Size: 512 MB\tMax Memory Used: 214 MB\t\n\
            REPORT RequestId: broken\tDuration: 1 ms\n";
        let runs = parse_lines(log);
        assert_eq!(
            runs,
            [
                Run { billed_ms: 2313.0, memory_mb: 512, max_memory_mb: 211, init_ms: Some(1499.82) },
                Run { billed_ms: 13.0, memory_mb: 512, max_memory_mb: 214, init_ms: None },
            ]
        );
    }
}
