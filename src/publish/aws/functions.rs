//! Lambda's functions: look at, create, change, call.

use std::collections::BTreeMap;

use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    Environment, FunctionCode, FunctionConfiguration, FunctionVersion, LastUpdateStatus, LogType, Runtime,
    State,
};

use super::super::deploy::{Answer, Code, FunctionState, RUNTIME, Settings};
use super::super::error::{Cause, CloudError};
use super::super::fleet::FleetFunction;
use super::layers::architecture;
use super::{Aws, Call};
use crate::model::{Architecture, ArchiveDigest, Sha256Digest};

/// A function in a region.
#[derive(Clone, Copy)]
pub(in super::super) struct Target<'a> {
    pub(in super::super) region: &'a str,
    pub(in super::super) function: &'a str,
}

impl Aws {
    /// The function as it is, or as the alias or version `qualifier` has it; `None` where
    /// there is none.
    pub(in super::super) fn function(
        &self,
        at: Target<'_>,
        qualifier: Option<&str>,
    ) -> Result<Option<FunctionState>, CloudError> {
        let call = Call::read("GetFunctionConfiguration", at.region);
        let client = self.lambda(at.region);
        let ask = || {
            client
                .get_function_configuration()
                .function_name(at.function)
                .set_qualifier(qualifier.map(str::to_owned))
                .send()
        };
        match self.call(call, ask) {
            Err(error) if error.is_not_found() => Ok(None),
            answer => Ok(Some(state_of(&answer?))),
        }
    }

    pub(in super::super) fn create_function(
        &self,
        at: Target<'_>,
        settings: &Settings,
        code: Code<'_>,
    ) -> Result<(), CloudError> {
        let call = Call::read("CreateFunction", at.region).once().large();
        let client = self.lambda(at.region);
        self.call(call, || {
            client
                .create_function()
                .function_name(at.function)
                .runtime(Runtime::from(RUNTIME))
                .handler(&settings.handler)
                .role(&settings.role)
                .memory_size(number(settings.memory_mb))
                .timeout(number(settings.timeout_seconds))
                .environment(environment(&settings.environment))
                .set_layers(Some(settings.layers.clone()))
                .architectures(architecture(code.arch))
                .code(FunctionCode::builder().zip_file(Blob::new(code.zip)).build())
                .send()
        })
        .map(|_| ())
    }

    pub(in super::super) fn update_code(&self, at: Target<'_>, code: Code<'_>) -> Result<(), CloudError> {
        let call = Call::read("UpdateFunctionCode", at.region).large();
        let client = self.lambda(at.region);
        self.call(call, || {
            client
                .update_function_code()
                .function_name(at.function)
                .architectures(architecture(code.arch))
                .zip_file(Blob::new(code.zip))
                .send()
        })
        .map(|_| ())
    }

    pub(in super::super) fn update_settings(
        &self,
        at: Target<'_>,
        settings: &Settings,
    ) -> Result<(), CloudError> {
        let call = Call::read("UpdateFunctionConfiguration", at.region);
        let client = self.lambda(at.region);
        self.call(call, || {
            client
                .update_function_configuration()
                .function_name(at.function)
                .runtime(Runtime::from(RUNTIME))
                .handler(&settings.handler)
                .role(&settings.role)
                .memory_size(number(settings.memory_mb))
                .timeout(number(settings.timeout_seconds))
                .environment(environment(&settings.environment))
                .set_layers(Some(settings.layers.clone()))
                .send()
        })
        .map(|_| ())
    }

    /// Freezes code and settings as a version; its number. The same one where nothing changed.
    pub(in super::super) fn publish_function(&self, at: Target<'_>) -> Result<String, CloudError> {
        let call = Call::read("PublishVersion", at.region);
        let client = self.lambda(at.region);
        let answer = self.call(call, || client.publish_version().function_name(at.function).send())?;
        answer.version.ok_or_else(|| call.fails(Cause::Incomplete { field: "Version" }))
    }

    /// The version that an alias means.
    pub(in super::super) fn alias(&self, at: Target<'_>, name: &str) -> Result<Option<String>, CloudError> {
        let call = Call::read("GetAlias", at.region);
        let client = self.lambda(at.region);
        match self.call(call, || client.get_alias().function_name(at.function).name(name).send()) {
            Err(error) if error.is_not_found() => Ok(None),
            alias => Ok(alias?.function_version),
        }
    }

    /// Points an alias at a version, and makes it where it is not there; whether that
    /// changed anything.
    pub(in super::super) fn set_alias(
        &self,
        at: Target<'_>,
        name: &str,
        version: &str,
    ) -> Result<bool, CloudError> {
        let client = self.lambda(at.region);
        let update = || {
            let ask = || {
                client.update_alias().function_name(at.function).name(name).function_version(version).send()
            };
            self.call(Call::read("UpdateAlias", at.region), ask).map(|_| true)
        };
        match self.alias(at, name)? {
            Some(found) if found == version => return Ok(false),
            Some(_) => return update(),
            None => {}
        }
        let ask =
            || client.create_alias().function_name(at.function).name(name).function_version(version).send();
        match self.call(Call::read("CreateAlias", at.region), ask) {
            // Made by a try whose answer was lost, or by somebody who wants another version.
            Err(error) if error.is("ResourceConflictException") => update(),
            done => done.map(|_| true),
        }
    }

    /// Calls the function and waits for its answer.
    pub(in super::super) fn invoke(
        &self,
        at: Target<'_>,
        qualifier: Option<&str>,
        event: &[u8],
    ) -> Result<Answer, CloudError> {
        let call = Call::read("Invoke", at.region).once().large().unpaced();
        let client = self.lambda(at.region);
        let answer = self.call(call, || {
            client
                .invoke()
                .function_name(at.function)
                .set_qualifier(qualifier.map(str::to_owned))
                .log_type(LogType::Tail)
                .payload(Blob::new(event))
                .send()
        })?;
        Ok(Answer {
            payload: answer.payload.map(Blob::into_inner).unwrap_or_default(),
            function_error: answer.function_error,
            log_base64: answer.log_result.unwrap_or_default(),
        })
    }

    /// The layers that any version of any function in a region has.
    pub(in super::super) fn layers_in_use(&self, region: &str) -> Result<Vec<String>, CloudError> {
        let functions = self.functions(region)?;
        let layers = functions.iter().flat_map(FunctionConfiguration::layers);
        Ok(layers.filter_map(|layer| layer.arn()).map(str::to_owned).collect())
    }

    /// Every version of every function in a region that has layers.
    pub(in super::super) fn functions_with_layers(
        &self,
        region: &str,
    ) -> Result<Vec<FleetFunction>, CloudError> {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let functions = self.functions(region)?;
        let read = functions.iter().map(|function| FleetFunction {
            region: region.to_owned(),
            name: text(function.function_name()),
            version: text(function.version()),
            layers: function.layers().iter().filter_map(|layer| layer.arn()?.parse().ok()).collect(),
        });
        Ok(read.filter(|function| !function.layers.is_empty()).collect())
    }

    fn functions(&self, region: &str) -> Result<Vec<FunctionConfiguration>, CloudError> {
        let call = Call::read("ListFunctions", region);
        let client = self.lambda(region);
        let (mut found, mut marker) = (Vec::new(), None::<String>);
        loop {
            let page = self.call(call, || {
                client
                    .list_functions()
                    .function_version(FunctionVersion::All)
                    .max_items(50)
                    .set_marker(marker.clone())
                    .send()
            })?;
            found.extend_from_slice(page.functions());
            match page.next_marker {
                Some(next) if !next.is_empty() => marker = Some(next),
                _ => return Ok(found),
            }
        }
    }
}

fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn environment(variables: &BTreeMap<String, String>) -> Environment {
    Environment::builder().set_variables(Some(variables.clone().into_iter().collect())).build()
}

fn state_of(answer: &GetFunctionConfigurationOutput) -> FunctionState {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let number = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    let variables = answer.environment().and_then(|environment| environment.variables());
    let layers = answer.layers().iter().filter_map(|layer| layer.arn());
    FunctionState {
        code: answer.code_sha256().and_then(Sha256Digest::from_base64).map(ArchiveDigest),
        arch: match answer.architectures() {
            // Lambda's default, from before there was another.
            [] => Some(Architecture::X86_64),
            [arch, ..] => arch.as_str().parse().ok(),
        },
        runtime: text(answer.runtime().map(Runtime::as_str)),
        settings: Settings {
            handler: text(answer.handler()),
            role: text(answer.role()),
            memory_mb: number(answer.memory_size()),
            timeout_seconds: number(answer.timeout()),
            environment: variables.into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect(),
            layers: layers.map(str::to_owned).collect(),
        },
        state: text(answer.state().map(State::as_str)),
        update: text(answer.last_update_status().map(LastUpdateStatus::as_str)),
        reason: text(answer.state_reason().or(answer.last_update_status_reason())),
    }
}
