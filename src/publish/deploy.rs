//! A function of layr.toml to a function of Lambda's, changed only where it differs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::aws::Target;
use super::{Aws, PublishError};
use crate::model::{Architecture, ArchiveDigest, DIRECT_UPLOAD_BYTES};

/// The runtime of everything that layr deploys.
pub(super) const RUNTIME: &str = "provided.al2023";

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
}

/// What a function runs.
#[derive(Clone, Copy)]
pub struct Code<'a> {
    pub zip: &'a [u8],
    pub digest: ArchiveDigest,
    pub arch: Architecture,
}

/// A function as Lambda has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionState {
    pub code: Option<ArchiveDigest>,
    /// `None` for one that layr does not know.
    pub arch: Option<Architecture>,
    pub runtime: String,
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
    pub code: Code<'a>,
    /// Freeze what it is as a version.
    pub publish: bool,
    /// Freeze it, and point this alias at that version.
    pub alias: Option<&'a str>,
    /// Say what would be done; only reads.
    pub dry_run: bool,
}

impl<'a> DeployRequest<'a> {
    fn target(&self) -> Target<'a> {
        Target { region: self.region, function: self.name }
    }
}

/// What was, or would be, done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    pub is_new: bool,
    /// Names of what differed; empty where nothing did.
    pub changes: Vec<&'static str>,
    /// The version that it is frozen as, where that was wanted.
    pub version: Option<String>,
}

/// Creates or changes the function; leaves it alone where it is as it should be.
///
/// # Errors
///
/// As any call, where the code is too large to be sent, and where Lambda ends with a state
/// that is no success.
pub fn deploy(request: &DeployRequest<'_>, aws: &Aws) -> Result<Deployed, PublishError> {
    let zip_bytes = request.code.zip.len() as u64;
    if zip_bytes > DIRECT_UPLOAD_BYTES {
        return Err(PublishError::CodeTooLarge { function: request.name.to_owned(), zip_bytes });
    }
    let at = request.target();
    let before = at_rest(at, aws)?;
    let is_new = before.is_none();
    let mut changes = before.as_ref().map_or(vec!["everything"], |state| differences(request, state));
    if request.dry_run {
        changes.extend(alias_differs(request, aws)?.then_some("alias"));
        return Ok(Deployed { is_new, changes, version: None });
    }
    if is_new {
        create(request, aws)?;
        // What is there by now may have been made by somebody else.
        apply(request, &differences(request, &settled(at, aws)?), aws)?;
    } else {
        apply(request, &changes, aws)?;
    }
    settled(at, aws)?;
    let mut version = None;
    if request.publish || request.alias.is_some() {
        // Always: an earlier run may have been killed between its changes and this. Lambda
        // gives the version that is there already where nothing changed since.
        let frozen = aws.publish_function(at)?;
        if let Some(alias) = request.alias {
            changes.extend(aws.set_alias(at, alias, &frozen)?.then_some("alias"));
        }
        version = Some(frozen);
    }
    Ok(Deployed { is_new, changes, version })
}

/// Whether the alias is missing, or means something else than what is to be deployed.
fn alias_differs(request: &DeployRequest<'_>, aws: &Aws) -> Result<bool, PublishError> {
    let Some(alias) = request.alias else { return Ok(false) };
    let frozen = aws.function(request.target(), Some(alias))?;
    Ok(frozen.is_none_or(|state| !differences(request, &state).is_empty()))
}

/// Creates the function. A call whose answer was lost may have done it all the same, so
/// another is made only after a look.
fn create(request: &DeployRequest<'_>, aws: &Aws) -> Result<(), PublishError> {
    let at = request.target();
    let mut n_tried = 0;
    loop {
        let Err(error) = aws.create_function(at, request.settings, request.code) else { return Ok(()) };
        if error.is("ResourceConflictException") {
            return Ok(());
        }
        n_tried += 1;
        if !error.cause.is_passing() || n_tried >= aws.attempts() {
            return Err(error.into());
        }
        if aws.function(at, None)?.is_some() {
            return Ok(());
        }
        aws.pause(n_tried, at.region)?;
    }
}

fn apply(request: &DeployRequest<'_>, changes: &[&str], aws: &Aws) -> Result<(), PublishError> {
    let at = request.target();
    if changes.contains(&"code") || changes.contains(&"architecture") {
        aws.update_code(at, request.code)?;
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
        ("code", state.code != Some(request.code.digest)),
        ("architecture", state.arch != Some(request.code.arch)),
        ("runtime", state.runtime != RUNTIME),
        ("handler", old.handler != new.handler),
        ("role", old.role != new.role),
        ("memory", old.memory_mb != new.memory_mb),
        ("timeout", old.timeout_seconds != new.timeout_seconds),
        ("environment", old.environment != new.environment),
        ("layers", old.layers != new.layers),
    ];
    all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// The function once Lambda has done what it was told, by us or by others; `None` where
/// there is none.
fn at_rest(at: Target<'_>, aws: &Aws) -> Result<Option<FunctionState>, PublishError> {
    const LIMIT: Duration = Duration::from_mins(5);
    let start = Instant::now();
    let mut n_asked = 0;
    loop {
        let Some(state) = aws.function(at, None)? else { return Ok(None) };
        if state.state != "Pending" && state.update != "InProgress" {
            return Ok(Some(state));
        }
        if start.elapsed() > LIMIT {
            return Err(state_error(at, state));
        }
        n_asked += 1;
        aws.pause(n_asked, at.region)?;
    }
}

/// The same of a function that has to be there, and well.
fn settled(at: Target<'_>, aws: &Aws) -> Result<FunctionState, PublishError> {
    let state = at_rest(at, aws)?;
    let state =
        state.ok_or_else(|| PublishError::NoFunction { name: at.function.to_owned(), place: "Lambda" })?;
    if state.state == "Failed" || state.update == "Failed" {
        return Err(state_error(at, FunctionState { state: "Failed".to_owned(), ..state }));
    }
    Ok(state)
}

fn state_error(at: Target<'_>, FunctionState { state, reason, .. }: FunctionState) -> PublishError {
    PublishError::FunctionState { name: at.function.to_owned(), region: at.region.to_owned(), state, reason }
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
        }
    }

    #[test]
    fn only_what_differs_is_changed() {
        let code =
            Code { zip: b"", digest: ArchiveDigest(Sha256Digest([1; 32])), arch: Architecture::X86_64 };
        let state = |settings| FunctionState {
            code: Some(code.digest),
            arch: Some(code.arch),
            runtime: RUNTIME.to_owned(),
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
            code,
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
        let newer = Code { digest: ArchiveDigest(Sha256Digest([2; 32])), ..code };
        let newer = DeployRequest { code: newer, ..request };
        assert_eq!(differences(&newer, &state(settings())), ["code"]);
        let older = FunctionState { runtime: "provided.al2".to_owned(), arch: None, ..state(settings()) };
        assert_eq!(differences(&request, &older), ["architecture", "runtime"]);
    }
}
