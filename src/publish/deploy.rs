//! A function of layr.toml to a function of Lambda's, changed only where it differs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::aws::Target;
use super::{Aws, PublishError};
use crate::model::ArchiveDigest;

/// What a function is, beside its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub handler: String,
    /// ARN of the role it runs as.
    pub role: String,
    pub memory_mb: u32,
    pub timeout_seconds: u32,
    pub environment: BTreeMap<String, String>,
    /// ARNs, in attach order.
    pub layers: Vec<String>,
    pub arch: String,
}

/// A function as Lambda has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionState {
    pub code: Option<ArchiveDigest>,
    pub settings: Settings,
    /// `Pending`, `Active`, `Inactive`, `Failed`, or nothing where it is not said.
    pub state: String,
    /// `InProgress`, `Successful`, `Failed`, or nothing.
    pub update: String,
    pub reason: String,
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub payload: Vec<u8>,
    /// `Handled` or `Unhandled` where the function failed.
    pub function_error: Option<String>,
    /// The last 4 KiB of its log.
    pub(super) log_base64: String,
}

impl Answer {
    pub fn log(&self) -> String {
        crate::model::text_of_base64(&self.log_base64).unwrap_or_default()
    }
}

/// What to deploy. No `Default`: each field is the caller's decision.
pub struct DeployRequest<'a> {
    pub name: &'a str,
    pub region: &'a str,
    pub settings: &'a Settings,
    pub zip: &'a [u8],
    pub code: ArchiveDigest,
    /// Freeze what was changed as a version.
    pub publish: bool,
    /// Point this alias at that version.
    pub alias: Option<&'a str>,
    /// Say what would be done; only reads.
    pub dry_run: bool,
}

/// What was, or would be, done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    pub is_new: bool,
    /// Names of what differed; empty where nothing did.
    pub changes: Vec<&'static str>,
    /// The version that was frozen.
    pub version: Option<String>,
}

/// Creates or changes the function; leaves it alone where it is as it should be.
///
/// # Errors
///
/// As any call, and where Lambda ends with a state that is no success.
pub fn deploy(request: &DeployRequest<'_>, aws: &Aws) -> Result<Deployed, PublishError> {
    let at = Target { region: request.region, function: request.name };
    let before = aws.function(at)?;
    let is_new = before.is_none();
    let mut changes = before.as_ref().map_or(vec!["everything"], |state| differences(request, state));
    if request.dry_run {
        return Ok(Deployed { is_new, changes, version: None });
    }
    if before.is_none() {
        aws.create_function(at, request.settings, request.zip)?;
    } else {
        apply(request, &changes, aws)?;
    }
    let after = settled(at, aws)?;
    if is_new {
        // A lost answer may have been somebody else's function of that name.
        apply(request, &differences(request, &after), aws)?;
        settled(at, aws)?;
    }
    let has_alias = match request.alias {
        Some(alias) => aws.alias(at, alias)?.is_some(),
        None => true,
    };
    let is_wanted = request.publish || request.alias.is_some();
    let version = if is_wanted && !(changes.is_empty() && has_alias) {
        let version = aws.publish_function(at)?;
        if let Some(alias) = request.alias {
            aws.set_alias(at, alias, &version)?;
        }
        Some(version)
    } else {
        None
    };
    if !has_alias {
        changes.push("alias");
    }
    Ok(Deployed { is_new, changes, version })
}

fn apply(request: &DeployRequest<'_>, changes: &[&str], aws: &Aws) -> Result<(), PublishError> {
    let at = Target { region: request.region, function: request.name };
    if changes.contains(&"code") || changes.contains(&"architecture") {
        aws.update_code(at, request.settings, request.zip)?;
        settled(at, aws)?;
    }
    if changes.iter().any(|change| !matches!(*change, "code" | "architecture")) {
        aws.update_settings(at, request.settings)?;
        settled(at, aws)?;
    }
    Ok(())
}

/// The names of what differs.
fn differences(request: &DeployRequest<'_>, state: &FunctionState) -> Vec<&'static str> {
    let (old, new) = (&state.settings, request.settings);
    let all = [
        ("code", state.code != Some(request.code)),
        ("architecture", old.arch != new.arch),
        ("handler", old.handler != new.handler),
        // Without a role in layr.toml, the function keeps the one it has.
        ("role", old.role != new.role && !new.role.is_empty()),
        ("memory", old.memory_mb != new.memory_mb),
        ("timeout", old.timeout_seconds != new.timeout_seconds),
        ("environment", old.environment != new.environment),
        ("layers", old.layers != new.layers),
    ];
    all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// Waits until Lambda has done what it was told.
fn settled(at: Target<'_>, aws: &Aws) -> Result<FunctionState, PublishError> {
    const LIMIT: Duration = Duration::from_mins(5);
    let start = Instant::now();
    let mut n_asked = 0;
    loop {
        let state = aws
            .function(at)?
            .ok_or_else(|| PublishError::NoFunction { name: at.function.to_owned(), place: "Lambda" })?;
        let is_busy = state.state == "Pending" || state.update == "InProgress";
        let is_failed = state.state == "Failed" || state.update == "Failed";
        if !is_busy && !is_failed {
            return Ok(state);
        }
        if is_failed || start.elapsed() > LIMIT {
            return Err(PublishError::FunctionState {
                name: at.function.to_owned(),
                region: at.region.to_owned(),
                state: if is_failed { "Failed".to_owned() } else { state.state },
                reason: state.reason,
            });
        }
        n_asked += 1;
        aws.pause(n_asked, at.region)?;
    }
}

/// Calls a function, or the version that an alias means.
///
/// # Errors
///
/// As any call. A function that fails is an answer.
pub fn invoke(
    (region, name): (&str, &str),
    alias: Option<&str>,
    event: &[u8],
    aws: &Aws,
) -> Result<Answer, PublishError> {
    Ok(aws.invoke(Target { region, function: name }, alias, event)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sha256Digest;

    fn settings() -> Settings {
        Settings {
            handler: "score.handler".to_owned(),
            role: "arn:aws:iam::123456789012:role/score".to_owned(),
            memory_mb: 512,
            timeout_seconds: 30,
            environment: BTreeMap::from([("MODEL".to_owned(), "a".to_owned())]),
            layers: vec!["arn:1".to_owned(), "arn:2".to_owned()],
            arch: "x86_64".to_owned(),
        }
    }

    #[test]
    fn only_what_differs_is_changed() {
        let digest = ArchiveDigest(Sha256Digest([1; 32]));
        let state = |settings| FunctionState {
            code: Some(digest),
            settings,
            state: "Active".to_owned(),
            update: "Successful".to_owned(),
            reason: String::new(),
        };
        let wanted = settings();
        let request = DeployRequest {
            name: "score",
            region: "us-east-1",
            settings: &wanted,
            zip: b"",
            code: digest,
            publish: false,
            alias: None,
            dry_run: false,
        };
        let none: [&str; 0] = [];
        assert_eq!(differences(&request, &state(settings())), none);
        let mut other = settings();
        other.layers.swap(0, 1); // the order is part of it
        other.memory_mb = 1024;
        assert_eq!(differences(&request, &state(other)), ["memory", "layers"]);
        let newer = DeployRequest { code: ArchiveDigest(Sha256Digest([2; 32])), ..request };
        assert_eq!(differences(&newer, &state(settings())), ["code"]);
    }
}
