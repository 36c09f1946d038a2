//! Who built something: Ed25519 keys, and DSSE envelopes, in which signed statements travel.
//! A private key is a PEM file (PKCS #8), a public one the line `ed25519:BASE64`.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde::{Deserialize, Serialize};

/// What results are signed with.
pub struct SigningKey(Ed25519KeyPair);

/// Whose signatures are taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Builder([u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    #[error("it is no Ed25519 key in PEM: a PKCS #8 file that begins `{BEGIN}`")]
    Private,
    #[error("`{0}` is no builder's key, such as `{PREFIX}` and 44 characters of base64")]
    Public(String),
    #[error("the system gives no random numbers")]
    NoRandomness,
}

/// A statement with signatures over it: <https://github.com/secure-systems-lab/dsse>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope {
    payload_type: String,
    /// Base64.
    payload: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct EnvelopeSignature {
    keyid: String,
    /// Base64.
    sig: String,
}

const PREFIX: &str = "ed25519:";
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

impl SigningKey {
    /// A new key, as the PEM file to keep it in.
    ///
    /// # Errors
    ///
    /// Where the system has no randomness.
    pub fn generate() -> Result<String, InvalidKey> {
        let random = SystemRandom::new();
        let document = Ed25519KeyPair::generate_pkcs8(&random).ok().ok_or(InvalidKey::NoRandomness)?;
        let text = BASE64.encode(document.as_ref());
        let lines: Vec<&str> =
            (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
        Ok(format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")))
    }

    /// # Errors
    ///
    /// Where the text is no private key of this kind, in the form that `openssl genpkey`
    /// writes as well.
    pub fn from_pem(text: &str) -> Result<Self, InvalidKey> {
        let inner = text.split_once(BEGIN).and_then(|(_, rest)| Some(rest.split_once(END)?.0));
        let digits: String = inner.ok_or(InvalidKey::Private)?.split_whitespace().collect();
        let bytes = BASE64.decode(digits).ok().ok_or(InvalidKey::Private)?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes).ok().map(Self).ok_or(InvalidKey::Private)
    }

    /// What others know this key by.
    pub fn builder(&self) -> Builder {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        Builder(bytes)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey of {}", self.builder())
    }
}

impl FromStr for Builder {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let bytes = text.trim().strip_prefix(PREFIX).and_then(|digits| BASE64.decode(digits).ok());
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| InvalidKey::Public(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64.encode(self.0))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whose word a statement is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    Trusted,
    /// It has no signature.
    Nobodys,
    /// Its signatures are of builders that are not trusted.
    Strangers(String),
    /// It has a signature in the name of a trusted builder that is not theirs.
    Forged(Builder),
}

impl Envelope {
    pub(super) fn seal(payload_type: &str, payload: &[u8], key: Option<&SigningKey>) -> Self {
        let signed = signed_bytes(payload_type, payload);
        let sign = |key: &SigningKey| EnvelopeSignature {
            keyid: key.builder().to_string(),
            sig: BASE64.encode(key.0.sign(&signed)),
        };
        Self {
            payload_type: payload_type.to_owned(),
            payload: BASE64.encode(payload),
            signatures: key.map(sign).into_iter().collect(),
        }
    }

    #[cfg(test)]
    pub(super) fn with_signatures_of(self, other: &Self) -> Self {
        Self { signatures: other.signatures.clone(), ..self }
    }

    /// The statement's bytes, whoever's word they are; `None` where they are of another type.
    pub(super) fn payload(&self, payload_type: &str) -> Option<Vec<u8>> {
        (self.payload_type == payload_type).then(|| BASE64.decode(&self.payload).ok())?
    }

    pub(super) fn word(&self, trusted: &[Builder]) -> Word {
        let Ok(payload) = BASE64.decode(&self.payload) else { return Word::Nobodys };
        let signed = signed_bytes(&self.payload_type, &payload);
        let mut word = Word::Nobodys;
        for EnvelopeSignature { keyid, sig } in &self.signatures {
            let Some(builder) = trusted.iter().find(|builder| builder.to_string() == *keyid) else {
                word = Word::Strangers(keyid.chars().take(80).collect());
                continue;
            };
            let key = UnparsedPublicKey::new(&ED25519, builder.0);
            let signature = BASE64.decode(sig).unwrap_or_default();
            if key.verify(&signed, &signature).is_ok() {
                return Word::Trusted;
            }
            return Word::Forged(*builder);
        }
        word
    }
}

/// What is signed: with lengths, so that no type and payload can pass for others.
fn signed_bytes(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_pem(&SigningKey::generate().unwrap()).unwrap()
    }

    /// RFC 8032, 7.1, TEST 1, as PKCS #8, which `openssl pkey` reads alike.
    #[test]
    fn a_key_of_openssl_is_read_and_has_the_public_key_of_the_standard() {
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let head = hex::decode("302e020100300506032b657004220420").unwrap();
        let pem = format!("{BEGIN}\n{}\n{END}\n", BASE64.encode([head, seed].concat()));
        let public = hex::decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
        assert_eq!(SigningKey::from_pem(&pem).unwrap().builder().0, *public);
    }

    #[test]
    fn a_statement_is_the_word_of_who_signed_it_and_of_nobody_else() {
        let (mine, other) = (key(), key());
        let envelope = Envelope::seal("t", b"text", Some(&mine));
        assert_eq!(envelope.payload("t").unwrap(), b"text");
        assert_eq!(envelope.payload("u"), None);
        assert_eq!(envelope.word(&[other.builder(), mine.builder()]), Word::Trusted);
        assert!(matches!(envelope.word(&[other.builder()]), Word::Strangers(_)));
        let changed = Envelope { payload: BASE64.encode("other"), ..envelope.clone() };
        assert_eq!(changed.word(&[mine.builder()]), Word::Forged(mine.builder()));
        let retyped = Envelope { payload_type: "u".to_owned(), ..envelope };
        assert_eq!(retyped.word(&[mine.builder()]), Word::Forged(mine.builder()));
        assert_eq!(Envelope::seal("t", b"text", None).word(&[mine.builder()]), Word::Nobodys);
    }

    #[test]
    fn keys_are_read_back_and_others_refused() {
        let builder = key().builder();
        assert_eq!(builder.to_string().parse(), Ok(builder));
        for wrong in ["", "ed25519:", "ed25519:AAAA", &builder.to_string()[8..]] {
            assert!(wrong.parse::<Builder>().is_err(), "{wrong:?}");
        }
        for wrong in ["", "AAAA", &format!("{BEGIN}\nAAAA\n{END}")] {
            assert_eq!(SigningKey::from_pem(wrong).unwrap_err(), InvalidKey::Private);
        }
    }
}
