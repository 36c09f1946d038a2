//! AWS, by its official SDK: the only users of the `aws_*` crates, behind calls that block.
//!
//! Where credentials, regions and endpoints come from is the SDK's affair, so that profiles,
//! SSO, assumed roles and `AWS_ENDPOINT_URL` are what they are in other tools. When to ask
//! again is ours: the SDK cannot know that a `PublishLayerVersion` without an answer may
//! have made a version all the same.

mod functions;
mod layers;
mod s3;

pub(super) use functions::Target;
pub(super) use s3::{Object, Place};

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};

use super::error::{Cause, CloudError};
use super::pace::{Pace, backoff};
use crate::report::causes;
use crate::sys::interrupt::Interrupt;

/// A connection to AWS; one value for a run.
pub struct Aws {
    config: SdkConfig,
    /// `None` only while the value is dropped.
    runtime: Option<tokio::runtime::Runtime>,
    interrupt: Interrupt,
    attempts: u32,
    control_plane: Pace,
    lambda: Mutex<BTreeMap<String, aws_sdk_lambda::Client>>,
    s3: Mutex<BTreeMap<String, aws_sdk_s3::Client>>,
}

/// One call as the retries see it.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    /// The operation's name, as AWS writes it.
    pub(super) operation: &'static str,
    pub(super) region: &'a str,
    /// Whether doing it twice is as good as doing it once.
    pub(super) may_repeat: bool,
    /// Whether it counts towards Lambda's limit of requests.
    pub(super) is_paced: bool,
    /// An answer that takes longer is none.
    pub(super) limit: Duration,
}

impl<'a> Call<'a> {
    /// Reads: they may be repeated, and are answered at once.
    pub(super) fn read(operation: &'static str, region: &'a str) -> Self {
        Self { operation, region, may_repeat: true, is_paced: true, limit: Duration::from_secs(30) }
    }

    /// Writes that the caller repeats after having looked what became of the first.
    pub(super) fn once(self) -> Self {
        Self { may_repeat: false, ..self }
    }

    /// Calls that carry an archive.
    pub(super) fn large(self) -> Self {
        Self { limit: Duration::from_mins(15), ..self }
    }

    /// Calls that Lambda does not count.
    pub(super) fn unpaced(self) -> Self {
        Self { is_paced: false, ..self }
    }
}

/// How often one thing is asked, at most, unless `AWS_MAX_ATTEMPTS` or the profile says more:
/// ten are enough for a service that fails every third time.
const ATTEMPTS: u32 = 10;
/// How long an interrupt may go unnoticed.
const TICK: Duration = Duration::from_millis(100);

impl Aws {
    /// `profile` goes before `AWS_PROFILE`.
    ///
    /// # Errors
    ///
    /// Where the machine gives no sockets or threads.
    pub fn new(profile: Option<&str>, interrupt: Interrupt) -> Result<Self, CloudError> {
        let failed = |error: std::io::Error| CloudError {
            operation: "connecting",
            region: String::new(),
            cause: Cause::NoAnswer { detail: error.to_string() },
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        let config = runtime.block_on(loader.load());
        let asked = config.retry_config().map_or(0, RetryConfig::max_attempts);
        Ok(Self {
            config,
            runtime: Some(runtime),
            interrupt,
            attempts: asked.max(ATTEMPTS),
            control_plane: Pace::of_lambda(),
            lambda: Mutex::default(),
            s3: Mutex::default(),
        })
    }

    /// The region of the environment or the profile.
    pub fn default_region(&self) -> Option<String> {
        self.config.region().map(|region| region.as_ref().to_owned())
    }

    fn lambda(&self, region: &str) -> aws_sdk_lambda::Client {
        let mut clients = self.lambda.lock().unwrap_or_else(PoisonError::into_inner);
        let client = || {
            let config = aws_sdk_lambda::config::Builder::from(&self.config)
                .region(Region::new(region.to_owned()))
                .retry_config(RetryConfig::disabled());
            aws_sdk_lambda::Client::from_conf(config.build())
        };
        clients.entry(region.to_owned()).or_insert_with(client).clone()
    }

    fn s3(&self, region: &str) -> aws_sdk_s3::Client {
        let mut clients = self.s3.lock().unwrap_or_else(PoisonError::into_inner);
        let client = || {
            let config = aws_sdk_s3::config::Builder::from(&self.config)
                .region(Region::new(region.to_owned()))
                .retry_config(RetryConfig::disabled())
                // As other tools do for endpoints that are not AWS's: those rarely have a
                // name for each bucket.
                .force_path_style(self.config.endpoint_url().is_some());
            aws_sdk_s3::Client::from_conf(config.build())
        };
        clients.entry(region.to_owned()).or_insert_with(client).clone()
    }

    /// The number of the account whose credentials these are.
    ///
    /// # Errors
    ///
    /// As any call.
    pub fn account(&self, region: &str) -> Result<String, CloudError> {
        let call = Call::read("GetCallerIdentity", region).unpaced();
        let config = aws_sdk_sts::config::Builder::from(&self.config)
            .region(Region::new(region.to_owned()))
            .retry_config(RetryConfig::disabled());
        let client = aws_sdk_sts::Client::from_conf(config.build());
        let identity = self.call(call, || client.get_caller_identity().send())?;
        identity.account.ok_or_else(|| call.fails(Cause::Incomplete { field: "Account" }))
    }

    /// Asks until there is an answer, as often as is sensible.
    fn call<T, E, F>(&self, call: Call<'_>, attempt: impl Fn() -> F) -> Result<T, CloudError>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut n_tried = 0;
        loop {
            if call.is_paced {
                self.sleep(self.control_plane.wait_for_turn(), call)?;
            }
            let cause = match self.wait(call, attempt())? {
                Some(Ok(value)) => return Ok(value),
                Some(Err(error)) => cause_of(&error),
                None => Cause::NoAnswer { detail: format!("none within {} s", call.limit.as_secs()) },
            };
            n_tried += 1;
            let again = cause.is_refused_for_now() || (call.may_repeat && cause.is_passing());
            if !again || n_tried >= self.attempts {
                return Err(call.fails(cause));
            }
            self.sleep(backoff(n_tried), call)?;
        }
    }

    /// Waits before something that failed is tried again.
    pub(super) fn pause(&self, n_tried: u32, region: &str) -> Result<(), CloudError> {
        self.sleep(backoff(n_tried), Call::read("waiting", region))
    }

    /// How often something that AWS was asked to do may be tried.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    fn sleep(&self, duration: Duration, call: Call<'_>) -> Result<(), CloudError> {
        let until = Instant::now() + duration;
        loop {
            if self.interrupt.is_set() {
                return Err(call.fails(Cause::Interrupted));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(TICK));
        }
    }

    /// Waits for an answer, unless it takes too long or the user interrupts.
    fn wait<F: Future>(&self, call: Call<'_>, future: F) -> Result<Option<F::Output>, CloudError> {
        let Some(runtime) = &self.runtime else { return Err(call.fails(Cause::Interrupted)) };
        runtime.block_on(async {
            let until = Instant::now() + call.limit;
            let mut future = pin!(future);
            loop {
                let left = until.saturating_duration_since(Instant::now());
                match tokio::time::timeout(TICK.min(left), future.as_mut()).await {
                    Ok(output) => return Ok(Some(output)),
                    Err(_) if self.interrupt.is_set() => return Err(call.fails(Cause::Interrupted)),
                    Err(_) if left.is_zero() => return Ok(None),
                    Err(_) => {}
                }
            }
        })
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        // Dropping it would wait for name lookups under way.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Call<'_> {
    pub(super) fn fails(&self, cause: Cause) -> CloudError {
        CloudError { operation: self.operation, region: self.region.to_owned(), cause }
    }
}

fn cause_of<E>(error: &SdkError<E>) -> Cause
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = service.err().code().unwrap_or_default().to_owned();
            let message = service.err().message().unwrap_or_default().to_owned();
            Cause::Refused { status, code, message }
        }
        // A body that is not AWS's: a proxy's page, or an answer cut short.
        SdkError::ResponseError(response) => match response.raw().status().as_u16() {
            status @ 500.. => Cause::Refused { status, code: String::new(), message: causes::root(error) },
            _ => Cause::NoAnswer { detail: causes::root(error) },
        },
        SdkError::ConstructionFailure(_) => Cause::NotSent { detail: causes::root(error) },
        // Failures of the way there have a kind; what is left is of our own side of it.
        SdkError::DispatchFailure(failure)
            if failure.is_user() || (failure.is_other() && failure.as_other().is_none()) =>
        {
            Cause::NotSent { detail: causes::root(error) }
        }
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | _ => {
            Cause::NoAnswer { detail: causes::root(error) }
        }
    }
}
