//! `layr invoke`

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::builder::PossibleValuesParser;

use super::project::{self, Settings};
use super::{Global, event};
use crate::config::{Config, FunctionConfig};
use crate::engine::{Choice, Engine, Root};
use crate::error::{Error, ExitCode};
use crate::model::{LayerDigest, MEMORY_RANGE, TIMEOUT_RANGE, TreeDigest};
use crate::pipeline::{self, Services};
use crate::runtime::local::{self, Event, Function, Host, Lambda, Log, Receive, Watch};
use crate::runtime::{SAMPLES, sample};
use crate::sys::fs;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The function of layr.toml; may be left out where there is only one
    name: Option<String>,
    /// What to call it with: a file, `-` for standard input, or JSON; once for each call
    #[arg(long = "event", value_name = "FILE|-|JSON")]
    events: Vec<String>,
    /// Call it with an event as one of AWS's services sends it
    #[arg(long, value_parser = PossibleValuesParser::new(SAMPLES.map(|(name, _)| name)))]
    sample: Vec<String>,
    /// Set a variable inside, beside those of layr.toml
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = name_and_value)]
    variables: Vec<(String, String)>,
    /// Memory in MB, instead of layr.toml's
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u32).range(range(&MEMORY_RANGE)))]
    memory: Option<u32>,
    /// Seconds a call may take, instead of layr.toml's
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(range(&TIMEOUT_RANGE)))]
    timeout: Option<u32>,
    /// Root file system that stands in for Lambda's image; the base's if not given
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Answer Lambda's Invoke API, and a Function URL at all other paths, on this port of
    /// loopback; any free port if none is given
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "0", conflicts_with_all = ["events", "sample"])]
    serve: Option<u16>,
    /// Start the function anew when its code changes, and call it again
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    settings: Settings,
}

fn range(range: &std::ops::RangeInclusive<u32>) -> std::ops::RangeInclusive<i64> {
    i64::from(*range.start())..=i64::from(*range.end())
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it must be of the form NAME=VALUE".to_owned()),
    }
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<ExitCode, Error> {
    let (config, _) = project::read_config()?;
    let (name, function) = chosen(args.name.as_deref(), &config)?;
    let events = args.events()?;
    let (request, overrides) = args.settings.request(&[])?;
    let services = global.services(overrides)?;
    let report = pipeline::build(&request, &services)?;
    let built = report.functions.iter().find(|built| built.name == name);
    // The runtime is the first layer, so that all others may add to it.
    let mut layers = Vec::new();
    if request.n_reserved > 0 {
        layers.push(pipeline::runtime_content(&report.base, &request, &services)?);
    }
    layers.extend(built.iter().flat_map(|built| &built.layers).map(|layer| layer.digest));
    // What lies in its code is laid beside the layers: the code itself is run where it lies.
    layers.extend(built.iter().filter_map(|built| built.in_code.as_ref()).map(|packages| packages.digest));
    let has_folder = args.root.is_some() || report.base.rootfs().is_some();
    let engine = engine(request.engine, has_folder, &services)?;
    let root = match &args.root {
        Some(folder) => Root::Folder(absolute(folder)?),
        None => report.base.root_for(&engine, &*services.report)?,
    };
    let function = Function {
        name: name.to_owned(),
        opt: merged(&layers, &services)?,
        root,
        ..args.function(function)?
    };
    let log: fn(&[u8]) = |bytes| _ = anstream::stderr().write_all(bytes);
    let host = Host {
        engine: &engine,
        store: &services.store,
        interrupt: &services.interrupt,
        clock: SystemTime::now,
        log: Arc::new(Log::new(Box::new(log))),
    };
    let mut watch = args.watch.then(|| Watch::new(&function.code)).transpose()?;
    let mut lambda = Lambda::new(function, host)?;
    if let Some(port) = args.serve {
        let announce = |address| _ = writeln!(anstream::stderr(), "{}", served(name, address));
        let has_changed = || watch.as_mut().is_some_and(Watch::has_changed);
        local::serve(&mut lambda, port, announce, has_changed)?;
        return Ok(ExitCode::Success);
    }
    let mut code = call_each(&mut lambda, &events, stdout)?;
    while let Some(watch) = &mut watch {
        if services.interrupt.is_set_within(WATCH_INTERVAL) {
            return Err(Error::Interrupted);
        }
        if watch.has_changed() {
            lambda.reset();
            code = call_each(&mut lambda, &events, stdout)?;
        }
    }
    Ok(code)
}

/// How often the code is looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(300);

/// What to type at what is served.
fn served(name: &str, address: SocketAddr) -> String {
    format!(
        "function {name} is at http://{address}/\n\
         aws lambda invoke --endpoint-url http://{address} --function-name {name} --no-sign-request /dev/stdout\n\
         Ctrl-C ends it"
    )
}

fn call_each(lambda: &mut Lambda<'_>, events: &[Event], stdout: &mut dyn Write) -> Result<ExitCode, Error> {
    let mut code = ExitCode::Success;
    for event in events {
        code = call(lambda, event.clone(), stdout)?;
    }
    Ok(code)
}

/// The function that is meant, by its name or by being the only one.
fn chosen<'a>(name: Option<&str>, config: &'a Config) -> Result<(&'a str, &'a FunctionConfig), Error> {
    let names = || config.functions.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let found = match name {
        Some(name) => config
            .functions
            .get_key_value(name)
            .ok_or_else(|| format!("there is no function `{name}` in layr.toml, which has: {}", names())),
        None if config.functions.len() > 1 => Err(format!("say which function of layr.toml: {}", names())),
        None => config.functions.iter().next().ok_or_else(|| "layr.toml names no function".to_owned()),
    };
    found.map(|(name, function)| (name.as_str(), function)).map_err(Error::Usage)
}

impl Args {
    /// What to call it with: samples last, and an empty object where nothing is said.
    fn events(&self) -> Result<Vec<Event>, Error> {
        let plain = |payload| Event { payload, ..Event::default() };
        let given = self.events.iter().map(|text| Ok(plain(event::read("--event", text)?)));
        let mut events = given.collect::<Result<Vec<_>, Error>>()?;
        events.extend(self.sample.iter().filter_map(|name| sample(name)).map(|text| plain(text.into())));
        if events.is_empty() {
            events.push(plain(b"{}".to_vec()));
        }
        Ok(events)
    }

    /// The function but for its layers and root.
    fn function(&self, config: &FunctionConfig) -> Result<Function, Error> {
        let missing = |key| Error::Usage(format!("the function has no `{key}` in layr.toml"));
        let code = config.code.as_deref().ok_or_else(|| missing("code"))?;
        if !fs::is_dir(code) {
            return Err(Error::Usage(format!("the function's code `{}` is not a folder", code.display())));
        }
        let mut variables: BTreeMap<String, String> = config.environment.clone();
        variables.extend(self.variables.iter().cloned());
        Ok(Function {
            name: String::new(),
            handler: config.handler.clone().ok_or_else(|| missing("handler"))?,
            code: absolute(code)?,
            opt: None,
            root: Root::Folder(PathBuf::new()),
            timeout: Duration::from_secs(self.timeout.unwrap_or(config.timeout_seconds).into()),
            memory_mb: self.memory.unwrap_or(config.memory_mb),
            variables,
            region: std::env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".to_owned()),
        })
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    Ok(std::path::absolute(path).map_err(fs::at("find", path))?)
}

/// bwrap where there is a folder to start from: it starts in milliseconds.
fn engine(choice: Choice, has_folder: bool, services: &Services) -> Result<Engine, Error> {
    if (choice, has_folder) == (Choice::Auto, true)
        && let Ok(engine) = Engine::find(Choice::Bwrap, &services.search_path)
    {
        return Ok(engine);
    }
    Ok(Engine::find(choice, &services.search_path)?)
}

/// The layers as one folder, as Lambda unpacks them.
fn merged(layers: &[LayerDigest], services: &Services) -> Result<Option<PathBuf>, Error> {
    if layers.is_empty() {
        return Ok(None);
    }
    let trees: Vec<_> = layers.iter().map(|layer| layer.0).collect();
    let store = &services.store;
    Ok(Some(store.materialise(TreeDigest(store.overlay(&trees)?))?))
}

/// Calls the function and writes its answer, or its error, to stdout.
fn call(lambda: &mut Lambda<'_>, event: Event, stdout: &mut dyn Write) -> Result<ExitCode, Error> {
    let mut answer = Printed { stdout, result: Ok(()) };
    let invocation = lambda.invoke(event, &mut answer)?;
    if let Some(fault) = &invocation.fault {
        answer.piece(&fault.payload);
    }
    answer.piece(b"\n");
    answer.result.map_err(Error::Output)?;
    Ok(if invocation.fault.is_some() { ExitCode::Function } else { ExitCode::Success })
}

/// Prints an answer as it comes.
struct Printed<'a> {
    stdout: &'a mut dyn Write,
    result: std::io::Result<()>,
}

impl Receive for Printed<'_> {
    fn begin(&mut self, _content_type: &str, _is_streaming: bool) {}

    fn piece(&mut self, bytes: &[u8]) {
        if self.result.is_ok() {
            self.result = self.stdout.write_all(bytes).and_then(|()| self.stdout.flush());
        }
    }
}
