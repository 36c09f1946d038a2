//! The zips of layer versions: moto says of each that it is at `s3://`, where AWS gives an
//! address that it can be had from.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::message::Message;
use super::rules::parts;

/// Where the proxy serves them, by their SHA-256.
const FOLDER: &str = "/layer-content/";

/// Zips that were published by way of the proxy, by their SHA-256 in base64.
#[derive(Debug, Default)]
pub(super) struct Zips(BTreeMap<String, Vec<u8>>);

impl Zips {
    /// Remembers the zip of a request that publishes one.
    pub(super) fn note(&mut self, request: &Message) {
        if !matches!((request.method(), &parts(request)[..]), ("POST", ["layers", _, "versions"])) {
            return;
        }
        let json: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let zip = json["Content"]["ZipFile"].as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
        if let Some(zip) = zip {
            self.0.insert(BASE64_STANDARD.encode(Sha256::digest(&zip)), zip);
        }
    }

    /// A zip that is asked for.
    pub(super) fn get(&self, request: &Message) -> Option<Message> {
        let name = request.path().strip_prefix(FOLDER)?;
        let zip = self.0.iter().find(|(digest, _)| in_path(digest) == name).map(|(_, zip)| zip)?;
        Some(Message { first: "HTTP/1.1 200 OK".to_owned(), headers: Vec::new(), body: zip.clone() })
    }

    /// The answer about a layer version, with the place of its zip.
    pub(super) fn placed(&self, mut answer: Message, address: &str) -> Message {
        let Ok(mut json) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
        let digest = json["Content"]["CodeSha256"].as_str().filter(|digest| self.0.contains_key(*digest));
        if let Some(place) = digest.map(|digest| format!("{address}{FOLDER}{}", in_path(digest))) {
            json["Content"]["Location"] = place.into();
            answer.body = json.to_string().into_bytes();
        }
        answer
    }
}

/// Base64 without what means something in a path.
fn in_path(digest: &str) -> String {
    digest.replace('/', "_").replace('+', "-").replace('=', "")
}
