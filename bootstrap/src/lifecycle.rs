//! The life of a sandbox: init, then one invocation after the other, until it ends.

use std::fs::File;
use std::io::Read;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::invocation::{After, serve};
use crate::log::Log;
use crate::runtime_api::{ApiError, RuntimeApi};
use crate::session::{Outcome, Session};
use crate::settings::Settings;

/// What is left between SIGTERM and SIGKILL for `.Last()`: Lambda gives 500 ms where no
/// external extension is there, and 2 s otherwise.
const QUIT_WITHIN: Duration = Duration::from_millis(400);

/// Serves until Lambda says that it is over.
///
/// # Errors
///
/// Where the sandbox is of no more use. Whoever called knows by then; the text is for the
/// log.
pub fn run(settings: &Settings) -> Result<(), String> {
    let mut log = Log::new(settings.log_format, settings.log_level);
    let api = RuntimeApi::at(settings.runtime_api);
    let mut session = init(settings, api, &mut log)?;
    let end =
        if session.hooks.last { Some(End::watch(api).map_err(|error| error.to_string())?) } else { None };
    loop {
        let answer = api.ask_next().map_err(|error| error.to_string())?;
        loop {
            let sources = std::iter::once(answer.as_fd()).chain(end.as_ref().map(|end| end.sigterm.as_fd()));
            let sources: Vec<BorrowedFd<'_>> = sources.collect();
            match session.idle(&sources, &mut log).map_err(|error| error.to_string())? {
                Some(0) => break,
                Some(_) => {
                    session.quit(Instant::now() + QUIT_WITHIN, &mut log);
                    return Ok(());
                }
                None => session = restart(settings, &mut log)?,
            }
        }
        let invocation = RuntimeApi::receive_next(answer).map_err(|error| error.to_string())?;
        let after =
            serve(&invocation, &mut session, settings, &mut log).map_err(|error| error.to_string())?;
        if after == After::StartAgain {
            // Before the next event is asked for, so that it does not pay for this.
            session = restart(settings, &mut log)?;
        }
    }
}

/// Init was posted as done long ago, so a failure now can only end the sandbox.
fn restart(settings: &Settings, log: &mut Log) -> Result<Session, String> {
    Session::start(settings, log).map_err(|failure| failure.shown())
}

fn init(settings: &Settings, api: RuntimeApi, log: &mut Log) -> Result<Session, String> {
    let started = Session::start(settings, log).and_then(|mut session| {
        if settings.snap_start {
            succeeded(session.before_snapshot(log))?;
        }
        Ok(session)
    });
    let mut session = started.map_err(|failure| report(&failure, api.fail_init(&failure)))?;
    if settings.snap_start {
        api.await_restore().map_err(|error| error.to_string())?;
        let seed = random().map_err(|error| format!("failed to read /dev/urandom: {error}"))?;
        succeeded(session.after_restore(seed, log))
            .map_err(|failure| report(&failure, api.fail_restore(&failure)))?;
    }
    Ok(session)
}

fn succeeded(outcome: Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Value(_) => Ok(()),
        Outcome::Failed(failure) | Outcome::Ended(failure) => Err(failure),
    }
}

/// What remains to say of a failure once it is posted.
fn report(failure: &Failure, posted: Result<(), ApiError>) -> String {
    match posted {
        Ok(()) => failure.shown(),
        Err(error) => format!("{error}\n{}", failure.shown()),
    }
}

fn random() -> std::io::Result<i32> {
    let mut bytes = [0; 4];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    // R's seeds are its integers, and the least of them is its NA.
    Ok(i32::from_le_bytes(bytes).max(i32::MIN + 1))
}

/// Notice of the sandbox's end, for functions that define `.Last()`.
struct End {
    sigterm: UnixStream,
    /// Held open, or Lambda takes the extension for dead.
    _extension: TcpStream,
}

impl End {
    fn watch(api: RuntimeApi) -> Result<Self, ApiError> {
        let signals = || {
            let (sigterm, sender) = UnixStream::pair()?;
            signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, sender)?;
            Ok(sigterm)
        };
        let sigterm = signals().map_err(|source| ApiError::Exchange { call: "SIGTERM", source })?;
        Ok(Self { sigterm, _extension: api.register_extension()? })
    }
}
