//! The text of an address to where a cache is, and how it is spoken to. Pure.

use std::fmt;

/// Where a cache is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The Remote Execution API.
    Grpc {
        is_encrypted: bool,
        /// Host and port.
        authority: String,
        /// Which of the server's caches; mostly none.
        instance: String,
    },
    /// PUT, GET and HEAD below a URL.
    Http { url: String },
    /// Objects of a bucket, below a prefix.
    S3 { bucket: String, prefix: String },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("remote cache `{text}` {problem}")]
pub struct InvalidAddress {
    text: String,
    problem: &'static str,
}

impl Address {
    /// # Errors
    ///
    /// Where there is no host or bucket, or a scheme that is not known.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = |problem| InvalidAddress { text: without_userinfo(text), problem };
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| invalid("has no scheme, such as grpcs://"))?;
        let rest = rest.trim_end_matches('/');
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() {
            return Err(invalid("has no host"));
        }
        if host.contains('@') {
            return Err(invalid("holds a name or a password"));
        }
        match scheme {
            "grpc" | "grpcs" => {
                let is_encrypted = scheme == "grpcs";
                let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
                let port = if is_encrypted { 443 } else { 80 };
                let authority = if has_port { host.to_owned() } else { format!("{host}:{port}") };
                Ok(Self::Grpc { is_encrypted, authority, instance: path.to_owned() })
            }
            "http" | "https" => Ok(Self::Http { url: format!("{scheme}://{rest}") }),
            "s3" => Ok(Self::S3 { bucket: host.to_owned(), prefix: path.to_owned() }),
            _ => Err(invalid("is neither grpc, grpcs, https, http nor s3")),
        }
    }
}

impl InvalidAddress {
    /// What the user can do next.
    pub fn hint(&self) -> String {
        "give it as grpcs://HOST:PORT/INSTANCE, https://HOST/PATH or s3://BUCKET/PREFIX; tokens go into LAYR_REMOTE_CACHE_TOKEN".to_owned()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, path) = match self {
            Self::Grpc { is_encrypted: true, authority, instance } => {
                (format!("grpcs://{authority}"), instance)
            }
            Self::Grpc { is_encrypted: false, authority, instance } => {
                (format!("grpc://{authority}"), instance)
            }
            Self::Http { url } => return f.write_str(url),
            Self::S3 { bucket, prefix } => (format!("s3://{bucket}"), prefix),
        };
        if path.is_empty() { f.write_str(&head) } else { write!(f, "{head}/{path}") }
    }
}

/// Errors are shown, and passwords are not.
fn without_userinfo(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_to_speak_and_to_whom() {
        let grpc = |is_encrypted, authority: &str, instance: &str| Address::Grpc {
            is_encrypted,
            authority: authority.to_owned(),
            instance: instance.to_owned(),
        };
        let cases = [
            ("grpc://localhost:8980", grpc(false, "localhost:8980", "")),
            ("grpcs://cache.example.com/team/main", grpc(true, "cache.example.com:443", "team/main")),
            ("grpcs://[::1]:9092/", grpc(true, "[::1]:9092", "")),
            ("https://cache/layr/", Address::Http { url: "https://cache/layr".to_owned() }),
            ("s3://bucket/a/b", Address::S3 { bucket: "bucket".to_owned(), prefix: "a/b".to_owned() }),
        ];
        for (text, address) in cases {
            assert_eq!(Address::parse(text), Ok(address), "{text}");
        }
        assert_eq!(Address::parse("grpcs://c/main").unwrap().to_string(), "grpcs://c:443/main");
    }

    #[test]
    fn what_is_no_address_is_refused_and_its_password_not_shown() {
        for text in ["cache:8980", "ftp://cache", "grpc://", "s3:///prefix"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        let error = Address::parse("https://me:secret@cache/x").unwrap_err().to_string();
        assert!(!error.contains("secret") && error.contains("https://cache/x"), "{error}");
    }
}
