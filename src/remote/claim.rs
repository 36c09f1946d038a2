//! What somebody says that a build key gave, as REAPI's `ActionResult`, and whether it is
//! believed. Pure.
//!
//! REAPI keeps results by the digest of an `Action`. Ours stands for the build key, which
//! covers all that a build depends on; what a farm runs is another one. The statement itself
//! is JSON in an envelope for signatures, and travels as metadata of the result.

use bazel_remote_apis::build::bazel::remote::execution::v2::{
    Action, ActionResult, Digest, ExecutedActionMetadata, OutputDirectory,
};
use bazel_remote_apis::google::protobuf::Any;
use prost::Message;
use serde::{Deserialize, Serialize};

use super::signature::{Builder, Envelope, SigningKey, Word};
use crate::model::{BuildKey, Sha256Digest, TreeDigest};
use crate::store::{Blob, BuildRecord};
use crate::sys::hash::sha256;

const PAYLOAD_TYPE: &str = "application/vnd.layr.build-result+json";
const TYPE_URL: &str = "layr/build-result.dsse";
/// Another meaning of results, other keys.
const VERSION: &str = "layr result 1";

/// A build's result as its builder states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub key: BuildKey,
    pub tree: TreeDigest,
    /// The `Tree` message, in which all folders are.
    pub message: Blob,
    pub record: BuildRecord,
}

/// What is signed.
#[derive(Debug, Serialize, Deserialize)]
struct Statement {
    key: String,
    /// All that the store keeps of a build, the tree's digest among it.
    #[serde(flatten)]
    record: BuildRecord,
}

/// Why a result is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("it is no result that layr writes")]
    Unreadable,
    #[error("it is of another build, with key {0}")]
    OtherKey(String),
    #[error("it is of another package, {0}")]
    OtherPackage(String),
    #[error("it states tree {stated}, but has {actual}")]
    OtherTree { stated: String, actual: String },
    #[error("it is not signed")]
    Unsigned,
    #[error("it is signed by {0}, who is not among the trusted builders")]
    Stranger(String),
    #[error("it is signed in the name of {0}, who did not sign it")]
    Forged(Builder),
}

/// The name that a server keeps a build key's result by: digest and size of a message.
pub(super) fn action(key: BuildKey) -> Blob {
    name(VERSION, key)
}

/// The name by which something is kept that is said of a build key.
pub(super) fn name(what: &str, key: BuildKey) -> Blob {
    let nothing = Some(Digest { hash: sha256(&[]).to_hex(), size_bytes: 0 });
    let action = Action {
        command_digest: nothing.clone(),
        input_root_digest: nothing,
        salt: [what.as_bytes(), &key.0.0].concat(),
        ..Action::default()
    };
    let bytes = action.encode_to_vec();
    Blob { digest: sha256(&bytes), n_bytes: bytes.len() as u64 }
}

impl Claim {
    /// The message that a server keeps.
    pub(super) fn seal(&self, key: Option<&SigningKey>) -> Result<Vec<u8>, serde_json::Error> {
        let statement = Statement { key: self.key.to_hex(), record: self.record.clone() };
        let envelope = Envelope::seal(PAYLOAD_TYPE, &serde_json::to_vec(&statement)?, key);
        let directory = OutputDirectory {
            path: self.record.package.clone(),
            tree_digest: Some(Digest {
                hash: self.message.digest.to_hex(),
                size_bytes: i64::try_from(self.message.n_bytes).unwrap_or(i64::MAX),
            }),
            ..OutputDirectory::default()
        };
        let result = ActionResult {
            output_directories: vec![directory],
            execution_metadata: Some(metadata(TYPE_URL, &envelope, key)?),
            ..ActionResult::default()
        };
        Ok(result.encode_to_vec())
    }

    /// Reads a message that is to say what `key` gave. Where `trusted` names builders, only
    /// their word counts; where it names none, that of whoever may write to the cache.
    pub(super) fn open(
        message: &[u8],
        (key, package): (BuildKey, &str),
        trusted: &[Builder],
    ) -> Result<Self, Refusal> {
        let result = ActionResult::decode(message).ok().ok_or(Refusal::Unreadable)?;
        let envelope = envelope_of(&result, TYPE_URL).ok_or(Refusal::Unreadable)?;
        if !trusted.is_empty() {
            match envelope.word(trusted) {
                Word::Trusted => {}
                Word::Nobodys => return Err(Refusal::Unsigned),
                Word::Strangers(keyid) => return Err(Refusal::Stranger(keyid)),
                Word::Forged(builder) => return Err(Refusal::Forged(builder)),
            }
        }
        let payload = envelope.payload(PAYLOAD_TYPE).ok_or(Refusal::Unreadable)?;
        let Statement { key: stated, record } =
            serde_json::from_slice(&payload).ok().ok_or(Refusal::Unreadable)?;
        if stated != key.to_hex() {
            return Err(Refusal::OtherKey(stated.chars().take(64).collect()));
        }
        if record.package != package {
            return Err(Refusal::OtherPackage(record.package.chars().take(64).collect()));
        }
        let tree = record.tree.parse().ok().ok_or(Refusal::Unreadable)?;
        let [directory] = result.output_directories.as_slice() else { return Err(Refusal::Unreadable) };
        let message = directory.tree_digest.as_ref().and_then(blob).ok_or(Refusal::Unreadable)?;
        Ok(Self { key, tree, message, record })
    }
}

/// What carries an envelope in a result.
pub(super) fn metadata(
    type_url: &str,
    envelope: &Envelope,
    key: Option<&SigningKey>,
) -> Result<ExecutedActionMetadata, serde_json::Error> {
    Ok(ExecutedActionMetadata {
        worker: key.map_or_else(|| "layr".to_owned(), |key| key.builder().to_string()),
        auxiliary_metadata: vec![Any { type_url: type_url.to_owned(), value: serde_json::to_vec(envelope)? }],
        ..ExecutedActionMetadata::default()
    })
}

/// The envelope of this kind that a result carries.
pub(super) fn envelope_of(result: &ActionResult, type_url: &str) -> Option<Envelope> {
    let metadata = &result.execution_metadata.as_ref()?.auxiliary_metadata;
    let sealed = metadata.iter().find(|any| any.type_url == type_url)?;
    serde_json::from_slice(&sealed.value).ok()
}

/// A digest as the protocol has it; `None` where it is none.
pub(super) fn blob(digest: &Digest) -> Option<Blob> {
    let n_bytes = u64::try_from(digest.size_bytes).ok()?;
    Some(Blob { digest: digest.hash.parse::<Sha256Digest>().ok()?, n_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(byte: u8) -> Claim {
        let tree = TreeDigest(Sha256Digest([byte; 32]));
        Claim {
            key: BuildKey(Sha256Digest([byte; 32])),
            tree,
            message: Blob { digest: Sha256Digest([9; 32]), n_bytes: 99 },
            record: BuildRecord {
                package: "cli".to_owned(),
                version: "3.6.0".to_owned(),
                tree: tree.to_hex(),
                unzipped_bytes: 7,
                build_ms: 1200,
            },
        }
    }

    fn key() -> SigningKey {
        SigningKey::from_pem(&SigningKey::generate().unwrap()).unwrap()
    }

    #[test]
    fn a_result_comes_back_as_it_was_stated() {
        let (claim, key) = (claim(1), key());
        for (signed_by, trusted) in [(None, vec![]), (Some(&key), vec![]), (Some(&key), vec![key.builder()])]
        {
            let message = claim.seal(signed_by).unwrap();
            assert_eq!(Claim::open(&message, (claim.key, "cli"), &trusted), Ok(claim.clone()));
        }
    }

    #[test]
    fn a_result_of_something_else_is_refused_whoever_signed_it() {
        let (claim, other, key) = (claim(1), claim(2), key());
        let trusted = [key.builder()];
        let message = claim.seal(Some(&key)).unwrap();
        assert!(matches!(Claim::open(&message, (other.key, "cli"), &trusted), Err(Refusal::OtherKey(_))));
        assert!(matches!(
            Claim::open(&message, (claim.key, "rlang"), &trusted),
            Err(Refusal::OtherPackage(_))
        ));
        assert_eq!(Claim::open(b"\xff", (claim.key, "cli"), &[]), Err(Refusal::Unreadable));
        assert_eq!(Claim::open(b"", (claim.key, "cli"), &[]), Err(Refusal::Unreadable));
    }

    #[test]
    fn where_builders_are_named_only_their_word_counts() {
        let (claim, mine, other) = (claim(1), key(), key());
        let open = |message: &[u8]| Claim::open(message, (claim.key, "cli"), &[mine.builder()]);
        assert_eq!(open(&claim.seal(None).unwrap()), Err(Refusal::Unsigned));
        assert!(matches!(open(&claim.seal(Some(&other)).unwrap()), Err(Refusal::Stranger(_))));
        // The signature of one result under the statement of another.
        let text = |claim: &Claim| claim.seal(Some(&mine)).unwrap();
        let forged =
            Claim { record: BuildRecord { build_ms: 1201, ..claim.record.clone() }, ..claim.clone() };
        let (mut right, wrong) =
            (ActionResult::decode(&*text(&claim)).unwrap(), ActionResult::decode(&*text(&forged)).unwrap());
        let envelope = |result: &ActionResult| -> Envelope {
            let metadata = result.execution_metadata.as_ref().unwrap();
            serde_json::from_slice(&metadata.auxiliary_metadata[0].value).unwrap()
        };
        let mixed = envelope(&wrong).with_signatures_of(&envelope(&right));
        right.execution_metadata.as_mut().unwrap().auxiliary_metadata[0].value =
            serde_json::to_vec(&mixed).unwrap();
        assert_eq!(open(&right.encode_to_vec()), Err(Refusal::Forged(mine.builder())));
    }

    /// Other machines look results up by it: it may change only with [`VERSION`]. The digest
    /// is of the message's bytes as put together by hand.
    #[test]
    fn the_name_of_a_result_is_fixed() {
        let action = action(BuildKey(Sha256Digest([1; 32])));
        let expected = "969c691e8c4e67fb4023aca43b449a31b701337ea80ba7eb575bf15ad3863b3a";
        assert_eq!((action.digest.to_hex().as_str(), action.n_bytes), (expected, 183));
        assert_ne!(action, super::action(BuildKey(Sha256Digest([2; 32]))));
    }
}
