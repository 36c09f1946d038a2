//! Notes in a cache that say who is at which build: asked for before a build begins, and
//! kept fresh while it lasts.
//!
//! Servers have no way to write only what is not there yet. So whoever finds no note writes
//! a claim, waits for longer than others can take between looking and writing, and looks
//! whether it is still its own (Fischer's algorithm). A claim that came late nevertheless
//! is written over by the one that builds, before the late one looks. Where even this fails,
//! a package is built twice, and nothing else happens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::note::{self, Meaning, Note, State, Watch};
use super::{Remote, RemoteError};
use crate::model::BuildKey;
use crate::report::Report;
use crate::store::StoreError;

/// How a build may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// Here, and others know as far as they can.
    Ours,
    /// The same, but the result may have come meanwhile: look before you begin.
    OursAfterAnother,
    /// Another machine is at it: look again later.
    Theirs,
}

/// The shortest time between a claim and a look whether it stands.
const SETTLE: Duration = Duration::from_millis(50);
/// What makes it probable that whoever is slow is so because there are many.
const PROMPT: Duration = Duration::from_millis(100);
/// The longest time between two signs of life; several fit into [`note::DEAD`].
const BEAT: Duration = Duration::from_secs(5);

/// The notes of one run.
pub(super) struct Notes<'a> {
    remote: &'a Remote,
    report: &'a dyn Report,
    /// A name that nobody else has.
    run: String,
    /// A server that does not take notes is none the worse as a cache.
    is_off: AtomicBool,
    watch: Mutex<Watch>,
    held: Mutex<Held>,
    has_changed: Condvar,
}

/// What this run is at.
#[derive(Debug, Default)]
struct Held {
    notes: BTreeMap<BuildKey, Pulse>,
    is_closed: bool,
}

#[derive(Debug)]
struct Pulse {
    beat: u64,
    due: Instant,
    /// Short at first: a claim that comes late must soon be written over.
    pause: Duration,
    state: State,
}

/// What lies where a note would.
#[derive(Debug, PartialEq, Eq)]
enum There {
    /// Notes are of no use here.
    Unknown,
    Nothing,
    Note(Note),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Notes<'a> {
    pub(super) fn new(remote: &'a Remote, report: &'a dyn Report) -> Self {
        Self {
            remote,
            report,
            run: uuid::Uuid::new_v4().to_string(),
            is_off: AtomicBool::new(false),
            watch: Mutex::default(),
            held: Mutex::default(),
            has_changed: Condvar::new(),
        }
    }

    /// Looks whether somebody is at a build, and if not, says that we are.
    pub(super) fn reserve(&self, key: BuildKey, limit: Duration) -> Result<Reservation, StoreError> {
        if lock(&self.watch).was_busy(key, Instant::now()) {
            return Ok(Reservation::Theirs);
        }
        let (started, before) = self.look(key)?;
        let note = match &before {
            There::Unknown => return Ok(Reservation::Ours),
            There::Nothing => None,
            There::Note(note) => Some(note),
        };
        match lock(&self.watch).judge(key, note, (started, limit)) {
            Meaning::Busy => return Ok(Reservation::Theirs),
            Meaning::Failed => return Ok(Reservation::Ours),
            Meaning::Free => {}
        }
        if self.is_heard() { self.claim(key, (started, &before), limit) } else { Ok(Reservation::Ours) }
    }

    /// Says that we are at it, and looks whether that stands.
    fn claim(
        &self,
        key: BuildKey,
        (mut asked, before): (Instant, &There),
        limit: Duration,
    ) -> Result<Reservation, StoreError> {
        const N_TIMES: u32 = 3;
        let is_first = *before == There::Nothing;
        for _ in 0..N_TIMES {
            if !self.write(key, 0, State::Claimed)? {
                return Ok(Reservation::Ours);
            }
            let took = asked.elapsed();
            if self.remote.network.interrupt().is_set_within(SETTLE.max(took * 3)) {
                self.hold(key);
                return Ok(Reservation::Ours);
            }
            let there;
            (asked, there) = self.look(key)?;
            match there {
                There::Note(note) if note.run == self.run => {
                    self.hold(key);
                    let is_alone = is_first && took < PROMPT;
                    return Ok(if is_alone { Reservation::Ours } else { Reservation::OursAfterAnother });
                }
                There::Nothing => {}
                There::Unknown => return Ok(Reservation::Ours),
                // A server that does not write over what it has.
                unchanged if unchanged == *before => return Ok(Reservation::OursAfterAnother),
                There::Note(note) => {
                    lock(&self.watch).judge(key, Some(&note), (Instant::now(), limit));
                    return Ok(Reservation::Theirs);
                }
            }
        }
        // A server that keeps no notes.
        self.is_off.store(true, Ordering::Relaxed);
        Ok(Reservation::OursAfterAnother)
    }

    /// Whether others would believe a note of ours.
    fn is_heard(&self) -> bool {
        let settings = &self.remote.settings;
        self.remote.may_write() && (settings.trusted.is_empty() || settings.signing_key.is_some())
    }

    fn hold(&self, key: BuildKey) {
        let pulse = Pulse { beat: 0, due: Instant::now() + SETTLE, pause: SETTLE, state: State::Building };
        lock(&self.held).notes.insert(key, pulse);
        self.has_changed.notify_all();
    }

    /// Says that we are not at it any more, if we were.
    pub(super) fn release(&self, key: BuildKey, state: State) {
        if let Some(pulse) = lock(&self.held).notes.get_mut(&key) {
            (pulse.state, pulse.due) = (state, Instant::now());
            self.has_changed.notify_all();
        }
    }

    /// Nothing more is begun: [`Self::keep`] ends once all others know.
    pub(super) fn close(&self) {
        lock(&self.held).is_closed = true;
        self.has_changed.notify_all();
    }

    /// Keeps what we hold fresh, until there is no more to come. All that is written after a
    /// claim is written here, so nothing is overtaken.
    pub(super) fn keep(&self) {
        let mut held = lock(&self.held);
        loop {
            if held.is_closed {
                for pulse in held.notes.values_mut().filter(|pulse| pulse.state == State::Building) {
                    (pulse.state, pulse.due) = (State::Ended, Instant::now());
                }
            }
            let next = held.notes.iter().min_by_key(|(_, pulse)| pulse.due);
            let Some((key, due)) = next.map(|(key, pulse)| (*key, pulse.due)) else {
                if held.is_closed {
                    return;
                }
                held = self.has_changed.wait(held).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                let woken = self.has_changed.wait_timeout(held, left);
                held = woken.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let Some(pulse) = held.notes.get_mut(&key) else { continue };
            pulse.beat += 1;
            let (beat, state) = (pulse.beat, pulse.state);
            pulse.due += pulse.pause;
            pulse.pause = (pulse.pause * 2).min(BEAT);
            drop(held);
            let goes_on = self.beat(key, beat, state);
            held = lock(&self.held);
            // It may have been released while that was said.
            if !goes_on || state != State::Building {
                held.notes.remove(&key);
            }
        }
    }

    /// Says what we are at; whether to go on saying so.
    fn beat(&self, key: BuildKey, beat: u64, state: State) -> bool {
        match self.read(key) {
            Err(_) | Ok(There::Unknown) => return false,
            // Both of us build it, and one of us is enough to say so.
            Ok(There::Note(Note { run, state: State::Building, .. })) if run != self.run => return false,
            Ok(There::Nothing | There::Note(_)) => {}
        }
        self.write(key, beat, state).unwrap_or(false)
    }

    /// The same as [`Self::read`], and when it was asked. That there is none is asked twice:
    /// its writer may have to write it again.
    fn look(&self, key: BuildKey) -> Result<(Instant, There), StoreError> {
        let asked = Instant::now();
        match self.read(key)? {
            There::Nothing => {}
            there @ (There::Unknown | There::Note(_)) => return Ok((asked, there)),
        }
        self.remote.network.interrupt().is_set_within(SETTLE.max(asked.elapsed() * 3));
        let asked = Instant::now();
        Ok((asked, self.read(key)?))
    }

    fn read(&self, key: BuildKey) -> Result<There, StoreError> {
        let trusted = &self.remote.settings.trusted;
        Ok(match self.tried(|| self.remote.server.result(note::name(key)))? {
            None => There::Unknown,
            Some(message) => message
                .and_then(|message| Note::open(&message, key, trusted))
                .map_or(There::Nothing, There::Note),
        })
    }

    /// Whether it is there now.
    fn write(&self, key: BuildKey, beat: u64, state: State) -> Result<bool, StoreError> {
        let note = Note { key: key.to_hex(), run: self.run.clone(), beat, state };
        let sealed = note.seal(self.remote.settings.signing_key.as_ref());
        let sealed = sealed.map_err(|error| StoreError::Write(error.into()))?;
        let written = self.tried(|| self.remote.put_result(note::name(key), &sealed))?;
        Ok(written.is_some())
    }

    /// The outcome, or nothing: without notes a cache is as good, but for builds that are
    /// done twice.
    fn tried<T>(&self, attempt: impl FnMut() -> Result<T, RemoteError>) -> Result<Option<T>, StoreError> {
        if self.is_off.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let outcome = self.remote.asking(attempt);
        if matches!(outcome, Err(RemoteError::Refused { .. })) {
            self.is_off.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        self.remote.or_without(outcome, self.report)
    }
}
