//! A note that somebody is at a build, for others not to begin it too, and what is made of
//! one. Pure.
//!
//! A note is a hint. It is kept where results are, under a name of its own, and changes
//! every few seconds as long as its writer lives; clocks of machines are not compared.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bazel_remote_apis::build::bazel::remote::execution::v2::ActionResult;
use prost::Message;
use serde::{Deserialize, Serialize};

use super::claim;
use super::signature::{Builder, Envelope, SigningKey, Word};
use crate::model::BuildKey;
use crate::store::Blob;

const PAYLOAD_TYPE: &str = "application/vnd.layr.build-note+json";
const TYPE_URL: &str = "layr/build-note.dsse";
/// Another meaning of notes, other names.
const VERSION: &str = "layr note 1";

/// A note that has not changed for so long is of somebody who is gone.
pub(super) const DEAD: Duration = Duration::from_secs(20);
/// A note is not looked at more often than this: many may wait for one.
const REST: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) key: String,
    /// Whose it is: a name that each run makes up.
    pub(super) run: String,
    /// Counts up while its writer lives.
    pub(super) beat: u64,
    pub(super) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Its writer will build, if nobody else has said the same in the meantime.
    Claimed,
    Building,
    /// The result is there, or the build was broken off.
    Ended,
    /// It does not build: nobody need wait for another one's try.
    Failed,
}

/// The name that a server keeps it by.
pub(super) fn name(key: BuildKey) -> Blob {
    claim::name(VERSION, key)
}

impl Note {
    /// The message that a server keeps.
    pub(super) fn seal(&self, key: Option<&SigningKey>) -> Result<Vec<u8>, serde_json::Error> {
        let envelope = Envelope::seal(PAYLOAD_TYPE, &serde_json::to_vec(self)?, key);
        let metadata = claim::metadata(TYPE_URL, &envelope, key)?;
        let result = ActionResult { execution_metadata: Some(metadata), ..ActionResult::default() };
        Ok(result.encode_to_vec())
    }

    /// Reads a message. One that is of somebody whose results would not be taken is none.
    pub(super) fn open(message: &[u8], key: BuildKey, trusted: &[Builder]) -> Option<Self> {
        let envelope = claim::envelope_of(&ActionResult::decode(message).ok()?, TYPE_URL)?;
        if !trusted.is_empty() && envelope.word(trusted) != Word::Trusted {
            return None;
        }
        let note: Self = serde_json::from_slice(&envelope.payload(PAYLOAD_TYPE)?).ok()?;
        (note.key == key.to_hex()).then_some(note)
    }
}

/// What a note means for whoever could build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nobody is at it.
    Free,
    /// Somebody is.
    Busy,
    /// Somebody was, in vain.
    Failed,
}

/// The notes that a run has seen, and when.
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: BTreeMap<BuildKey, Sight>,
}

#[derive(Debug)]
struct Sight {
    first: Instant,
    /// As it was last, and since when.
    last: (String, u64),
    since: Instant,
    looked: Instant,
}

impl Watch {
    /// Whether somebody was at it a moment ago.
    pub(super) fn was_busy(&self, key: BuildKey, now: Instant) -> bool {
        self.seen.get(&key).is_some_and(|sight| now.duration_since(sight.looked) < REST)
    }

    /// `limit` is how long others are waited for, in all.
    pub(super) fn judge(
        &mut self,
        key: BuildKey,
        note: Option<&Note>,
        (now, limit): (Instant, Duration),
    ) -> Meaning {
        let note = match note {
            Some(note @ Note { state: State::Claimed | State::Building, .. }) => note,
            Some(Note { state: State::Failed, .. }) => return Meaning::Failed,
            Some(Note { state: State::Ended, .. }) | None => {
                self.seen.remove(&key);
                return Meaning::Free;
            }
        };
        let this = (note.run.clone(), note.beat);
        let sight = self.seen.entry(key).or_insert_with(|| Sight {
            first: now,
            last: this.clone(),
            since: now,
            looked: now,
        });
        sight.looked = now;
        if sight.last != this {
            (sight.last, sight.since) = (this, now);
        }
        let is_dead = now.duration_since(sight.since) > DEAD || now.duration_since(sight.first) > limit;
        if is_dead { Meaning::Free } else { Meaning::Busy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sha256Digest;

    const LIMIT: Duration = Duration::from_hours(1);

    fn key() -> BuildKey {
        BuildKey(Sha256Digest([1; 32]))
    }

    fn note(run: &str, beat: u64, state: State) -> Note {
        Note { key: key().to_hex(), run: run.to_owned(), beat, state }
    }

    #[test]
    fn a_note_is_of_one_key_and_of_whoever_may_give_results() {
        let signing = SigningKey::from_pem(&SigningKey::generate().unwrap()).unwrap();
        let building = note("a", 3, State::Building);
        let (unsigned, signed) = (building.seal(None).unwrap(), building.seal(Some(&signing)).unwrap());
        let trusted = [signing.builder()];
        assert_eq!(Note::open(&unsigned, key(), &[]), Some(building.clone()));
        assert_eq!(Note::open(&signed, key(), &trusted), Some(building));
        assert_eq!(Note::open(&unsigned, key(), &trusted), None);
        assert_eq!(Note::open(&signed, BuildKey(Sha256Digest([2; 32])), &trusted), None);
        assert_eq!(Note::open(b"\xff", key(), &[]), None);
        assert_ne!(name(key()), claim::action(key()), "a note is no result");
    }

    #[test]
    fn whoever_is_silent_is_waited_for_no_longer() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let mut judge = |note: &Note, seconds| {
            watch.judge(key(), Some(note), (start + Duration::from_secs(seconds), LIMIT))
        };
        assert_eq!(judge(&note("a", 0, State::Claimed), 0), Meaning::Busy);
        assert_eq!(judge(&note("a", 1, State::Building), 15), Meaning::Busy);
        assert_eq!(judge(&note("a", 1, State::Building), 35), Meaning::Busy);
        assert_eq!(judge(&note("a", 1, State::Building), 36), Meaning::Free);
        // Another one has taken its place.
        assert_eq!(judge(&note("b", 1, State::Building), 37), Meaning::Busy);
        assert_eq!(judge(&note("b", 2, State::Ended), 38), Meaning::Free);
        assert_eq!(judge(&note("c", 1, State::Failed), 39), Meaning::Failed);
    }

    #[test]
    fn a_note_is_not_looked_at_all_the_time() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!watch.was_busy(key(), start));
        watch.judge(key(), Some(&note("a", 0, State::Building)), (start, LIMIT));
        assert_eq!([1, 3, 4].map(|seconds| watch.was_busy(key(), at(seconds))), [true, true, false]);
        watch.judge(key(), Some(&note("a", 0, State::Ended)), (at(5), LIMIT));
        assert!(!watch.was_busy(key(), at(5)));
    }

    #[test]
    fn even_whoever_goes_on_for_ever_is_not_waited_for_beyond_the_limit() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let mut judge = |minutes| {
            let alive = note("a", minutes, State::Building);
            watch.judge(key(), Some(&alive), (start + Duration::from_mins(minutes), LIMIT))
        };
        assert_eq!(judge(0), Meaning::Busy);
        // It was not looked at in between, but it has changed.
        assert_eq!(judge(60), Meaning::Busy);
        assert_eq!(judge(61), Meaning::Free);
    }
}
