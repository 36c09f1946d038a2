//! Names of layer versions, as AWS writes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `arn:PARTITION:lambda:REGION:ACCOUNT:layer:NAME:VERSION`, taken apart once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct LayerVersionArn {
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    partition: String,
    region: String,
    account: String,
    name: String,
    version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not the ARN of a layer version: arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION", .0.escape_debug())]
pub struct InvalidArn(String);

impl LayerVersionArn {
    pub fn region(&self) -> &str {
        &self.region
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn version(&self) -> u64 {
        self.version
    }
}

impl FromStr for LayerVersionArn {
    type Err = InvalidArn;

    fn from_str(text: &str) -> Result<Self, InvalidArn> {
        let invalid = || InvalidArn(text.chars().take(200).collect());
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", partition, "lambda", region, account, "layer", name, version] = parts[..] else {
            return Err(invalid());
        };
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        let all_words = [partition, region, account, name].into_iter().all(is_word);
        let version = version.parse().ok().filter(|version| all_words && *version > 0).ok_or_else(invalid)?;
        Ok(Self {
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            name: name.to_owned(),
            version,
        })
    }
}

impl TryFrom<String> for LayerVersionArn {
    type Error = InvalidArn;

    fn try_from(text: String) -> Result<Self, InvalidArn> {
        text.parse()
    }
}

impl From<LayerVersionArn> for String {
    fn from(arn: LayerVersionArn) -> Self {
        arn.to_string()
    }
}

impl fmt::Display for LayerVersionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, region, account, name, version } = self;
        write!(f, "arn:{partition}:lambda:{region}:{account}:layer:{name}:{version}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_taken_apart_and_put_together_again() {
        let text = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:layer:acme-r4-5-x86-64-00ff:12";
        let arn: LayerVersionArn = text.parse().unwrap();
        assert_eq!((arn.region(), arn.version()), ("us-gov-west-1", 12));
        assert_eq!(arn.to_string(), text);
    }

    #[test]
    fn what_is_not_a_layer_version_is_refused() {
        let wrong = [
            "",
            "arn:aws:lambda:eu-central-1:123456789012:layer:name", // the layer, not a version of it
            "arn:aws:lambda:eu-central-1:123456789012:layer:name:0",
            "arn:aws:lambda:eu-central-1:123456789012:layer:na me:1",
            "arn:aws:lambda:eu-central-1:123456789012:function:name:1",
            "arn:aws:lambda::123456789012:layer:name:1",
        ];
        for text in wrong {
            assert!(text.parse::<LayerVersionArn>().is_err(), "{text:?}");
        }
    }
}
