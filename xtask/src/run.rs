//! Commands, run so that a failure names the command and how it ended.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::interrupt;
use crate::steps;

/// Runs `command` with the task's own streams.
pub fn check(command: &mut Command) -> Result<()> {
    interrupt::check()?;
    let status = command.status().with_context(|| format!("failed to start `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// The same, for at most `limit`: then it is ended, with all that it started.
pub fn check_within(limit: Duration, command: &mut Command) -> Result<()> {
    const TICK: Duration = Duration::from_millis(100);
    interrupt::check()?;
    let mut child = command.spawn().with_context(|| format!("failed to start `{}`", shown(command)))?;
    let until = Instant::now() + limit;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if Instant::now() < until => thread::sleep(TICK),
            None => {
                interrupt::end_below(child.id());
                child.kill()?;
                child.wait()?;
                bail!("`{}` did not end within {}", shown(command), steps::shown(limit));
            }
        }
    };
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// What `command` writes to stdout; its stderr is the task's.
pub fn stdout(command: &mut Command) -> Result<String> {
    interrupt::check()?;
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("failed to start `{}`", shown(command)))?;
    if !output.status.success() {
        bail!("`{}` ended with {}", shown(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` did not write UTF-8", shown(command)))
}

/// Whether `command` can be started and ends well; nothing of it is seen.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The command as one would type it, give or take quotes.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_is_ended_with_what_it_started() {
        let mut endless = Command::new("sh");
        endless.args(["-c", "sleep 600 & wait"]);
        let start = Instant::now();
        let error = check_within(Duration::from_millis(200), &mut endless).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c sleep 600 & wait` did not end within 0.2 s");
        assert!(start.elapsed() < Duration::from_mins(1));
        check_within(Duration::from_mins(1), &mut Command::new("true")).unwrap();
        check_within(Duration::from_mins(1), &mut Command::new("false")).unwrap_err();
    }
}
