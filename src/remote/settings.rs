//! How a cache is used.

use std::time::Duration;

use super::address::Address;
use super::signature::{Builder, SigningKey};

/// Which cache, and what this machine may do there. No `Default`: each field is the
/// caller's decision.
#[derive(Debug)]
pub struct Settings {
    pub address: Address,
    pub access: Access,
    /// Sent with every request, a bearer token among them.
    pub headers: Vec<(String, String)>,
    pub tls: Tls,
    /// Whose results are taken; anybody's who may write there, if it is empty.
    pub trusted: Vec<Builder>,
    /// What this machine signs its own with.
    pub signing_key: Option<SigningKey>,
    /// A server that is silent for so long is given up.
    pub stall: Duration,
    /// How often one thing is asked, at most.
    pub attempts: u32,
    /// The wait before the second try; it doubles from there.
    pub backoff: Duration,
}

/// What this machine may do with a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    ReadWrite,
}

/// PEM files beyond the system's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of authorities that are trusted besides.
    pub authorities: Option<Vec<u8>>,
    /// Our own certificate and its private key, for servers that ask who we are.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}
