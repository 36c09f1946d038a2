//! Whom a layer version is shared with. Pure.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::PublishError;

/// Who may use a layer version, besides the account that owns it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grantee {
    /// Twelve digits.
    Account(String),
    /// All accounts of an AWS organisation: `o-` and 10 to 32 letters or digits.
    Organization(String),
    Public,
}

/// One entry of a layer version's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub id: String,
    /// `None` where it was not made by layr, or by one that knew more.
    pub grantee: Option<Grantee>,
}

impl FromStr for Grantee {
    type Err = PublishError;

    fn from_str(text: &str) -> Result<Self, PublishError> {
        let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        let is_organization = text.strip_prefix("o-").is_some_and(|id| {
            (10..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        });
        match text {
            "public" => Ok(Self::Public),
            _ if is_account => Ok(Self::Account(text.to_owned())),
            _ if is_organization => Ok(Self::Organization(text.to_owned())),
            _ => Err(PublishError::NotA {
                text: text.chars().take(80).collect(),
                expected: "an account (12 digits), an organisation (o-a1b2c3d4e5) or `public`",
            }),
        }
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) | Self::Organization(id) => f.write_str(id),
            Self::Public => f.write_str("public"),
        }
    }
}

impl Grantee {
    /// The same for the same grantee, so that sharing twice is an error that means "done".
    pub(super) fn statement_id(&self) -> String {
        format!("layr-{self}")
    }

    pub(super) fn principal(&self) -> &str {
        match self {
            Self::Account(id) => id,
            Self::Organization(_) | Self::Public => "*",
        }
    }

    pub(super) fn organization(&self) -> Option<&str> {
        match self {
            Self::Organization(id) => Some(id),
            Self::Account(_) | Self::Public => None,
        }
    }
}

/// The statements of a policy's JSON; what cannot be read is left out.
pub(super) fn parse_policy(json: &str) -> Vec<Statement> {
    let policy: Value = serde_json::from_str(json).unwrap_or_default();
    let statements = policy["Statement"].as_array().cloned().unwrap_or_default();
    statements
        .iter()
        .filter_map(|statement| {
            let id = statement["Sid"].as_str()?.to_owned();
            Some(Statement { id, grantee: grantee(statement) })
        })
        .collect()
}

fn grantee(statement: &Value) -> Option<Grantee> {
    if let Some(organization) = statement["Condition"]["StringEquals"]["aws:PrincipalOrgID"].as_str() {
        return organization.parse().ok();
    }
    let principal = &statement["Principal"];
    let principal = principal["AWS"].as_str().or(principal.as_str())?;
    match principal {
        "*" => Some(Grantee::Public),
        // AWS makes `arn:aws:iam::123456789012:root` of the account's number.
        arn => arn.split(':').find(|part| part.len() == 12).unwrap_or(arn).parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grantee_is_told_by_its_form() {
        for text in ["123456789012", "o-a1b2c3d4e5", "public"] {
            assert_eq!(text.parse::<Grantee>().unwrap().to_string(), text);
        }
        for text in ["", "12345678901", "o-A1B2C3D4E5", "o-short", "*", "everyone"] {
            assert!(text.parse::<Grantee>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_policy_is_read_as_aws_writes_it() {
        let json = r#"{"Version":"2012-10-17","Id":"default","Statement":[
            {"Sid":"layr-123456789012","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"lambda:GetLayerVersion","Resource":"arn"},
            {"Sid":"layr-o-a1b2c3d4e5","Effect":"Allow","Principal":"*","Action":"lambda:GetLayerVersion","Resource":"arn","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}}},
            {"Sid":"by-hand","Effect":"Allow","Principal":"*","Action":"lambda:GetLayerVersion","Resource":"arn"}]}"#;
        let read: Vec<_> =
            parse_policy(json).into_iter().map(|s| (s.id, s.grantee.map(|g| g.to_string()))).collect();
        let expected = [
            ("layr-123456789012", "123456789012"),
            ("layr-o-a1b2c3d4e5", "o-a1b2c3d4e5"),
            ("by-hand", "public"),
        ];
        assert_eq!(read, expected.map(|(id, who)| (id.to_owned(), Some(who.to_owned()))));
        assert_eq!(parse_policy(""), []);
    }
}
