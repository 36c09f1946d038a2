//! `layr audit update`

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::{Global, project};
use crate::audit::{self, AuditError, Content, Fetched, Origin, SOURCES};
use crate::config::Config;
use crate::error::Error;
use crate::fetch::{self, FetchError};
use crate::model::counted;
use crate::pipeline::Services;
use crate::report::Event;

/// Of a zip, in bytes.
const LARGEST_BYTES: u64 = 512 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this source; all if not given
    #[arg(long = "source", value_name = "NAME")]
    sources: Vec<String>,
    /// Take the advisories of that source from a zip, folder or file instead of fetching them
    #[arg(long, value_name = "PATH", requires = "sources")]
    from: Option<PathBuf>,
}

/// Those that layr knows, with what layr.toml says of them, by name.
pub(in super::super) fn sources(config: &Config) -> Vec<(String, String)> {
    let known = SOURCES.iter().map(|(name, url)| ((*name).to_owned(), (*url).to_owned()));
    let mut sources: BTreeMap<String, String> = known.collect();
    sources.extend(config.audit.sources.clone());
    sources.into_iter().filter(|(_, url)| !url.is_empty()).collect()
}

/// What could be fetched is kept, also where something else could not.
pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let (config, _) = project::read_config()?;
    let sources = sources(&config);
    if let Some(name) = args.sources.iter().find(|name| !sources.iter().any(|(known, _)| known == *name)) {
        let known = sources.into_iter().map(|(name, _)| name).collect();
        return Err(AuditError::UnknownSource { name: name.clone(), known }.into());
    }
    let is_wanted = |name: &String| args.sources.is_empty() || args.sources.contains(name);
    let services = global.services(Vec::new())?;
    let mut failed = Vec::new();
    for (name, url) in sources.iter().filter(|(name, _)| is_wanted(name)) {
        let origin = match &args.from {
            Some(path) => keep((name, url), Content::Path(path), &services)?,
            None => match fetched((name, url), &services) {
                Ok(Some(bytes)) => keep((name, url), Content::Bytes(&bytes), &services)?,
                Ok(None) => continue,
                Err(FetchError::Interrupted) => return Err(Error::Interrupted),
                Err(error) => {
                    failed.push(error);
                    continue;
                }
            },
        };
        write!(stdout, "{}", told(&origin)).map_err(Error::Output)?;
    }
    if failed.is_empty() { Ok(()) } else { Err(Error::Fetch(failed)) }
}

/// What a source has; `None`, after a warning, where one of ours has nothing: an ecosystem
/// without a record has no file either.
fn fetched((name, url): (&str, &str), services: &Services) -> Result<Option<Vec<u8>>, FetchError> {
    let place = (&services.http, &services.store);
    match fetch::fetch_whole(url, LARGEST_BYTES, place, &*services.report) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(FetchError::NotThere { url: asked, failure })
            if failure.is_not_there() && SOURCES.contains(&(name, url)) =>
        {
            let text = format!("{name} has no advisories: there is nothing at {asked}");
            services.report.report(&Event::Warning { text: &text });
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn keep((name, url): (&str, &str), content: Content<'_>, services: &Services) -> Result<Origin, Error> {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let shown = fetch::redacted(url);
    Ok(audit::keep(&Fetched { name, url, shown: &shown, content, at }, &services.store)?)
}

fn told(origin: &Origin) -> String {
    let newest = origin.newest.as_deref().unwrap_or("unknown");
    let mut text = format!(
        "{}: {}, {} of packages that layers can hold, newest of {newest}\n",
        origin.name,
        counted(origin.n_records, "record"),
        origin.n_advisories,
    );
    for skipped in &origin.skipped {
        text.push_str(&format!("  of no use: {}: {}\n", skipped.record, skipped.reason));
    }
    text
}
