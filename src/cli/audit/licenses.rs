//! `layr audit licenses`

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::inventory::Inventories;
use super::super::{Global, project, table};
use super::{Scope, SubjectArgs};
use crate::audit::Subject;
use crate::audit::licence::{self, Licence};
use crate::error::Error;
use crate::model::PackageId;
use crate::pipeline::{self, LicenceTexts, Risks};
use crate::sys::fs;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    subjects: SubjectArgs,
    /// Collect the texts of the licences, and who holds the copyright, in a folder
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Print the licences as JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let (config, _) = project::read_config()?;
    let mut scope = Scope::of(&args.subjects.whats, &config, &Inventories::new(global))?;
    let services = args.subjects.services(&scope, global)?;
    let sources = args.subjects.sources(&scope, &services)?;
    pipeline::look_into(&mut scope.subjects, &sources, Risks::Skip, &services)?;
    let repositories = scope.repositories();
    pipeline::look_up(&mut scope.subjects, &repositories, &services)?;
    let mut listed = packages(&scope.subjects, &config.audit.licenses.clarify);
    if let Some(folder) = &args.bundle {
        let texts = pipeline::licence_texts(&sources, &services)?;
        listed = bundle(folder, listed, &texts)?;
    }
    let libraries = libraries(&scope.subjects);
    let text = if args.json {
        table::to_json(&json!({ "schema": 1, "packages": listed, "libraries": libraries }))
    } else {
        to_text(&listed, &libraries)
    };
    write!(stdout, "{text}").map_err(Error::Output)
}

/// Each package once, by name and version.
fn packages(subjects: &[Subject], clarify: &BTreeMap<String, String>) -> Vec<Value> {
    let all = subjects.iter().flat_map(|subject| &subject.packages);
    let fields: BTreeMap<&PackageId, Option<&str>> =
        all.map(|package| (&package.id, package.licence.as_deref())).collect();
    let one = |(id, field): (&PackageId, Option<&str>)| {
        let said = clarify.get(id.name.as_str()).map(String::as_str).or(field);
        let expression = said.map(|said| Licence::parse(said).expression());
        json!({ "package": id.name.as_str(), "version": id.version.as_str(), "license": field, "spdx": expression })
    };
    fields.into_iter().map(one).collect()
}

/// Each source package of the base's system once; a library, where nobody knows of which it
/// is.
fn libraries(subjects: &[Subject]) -> Vec<Value> {
    let all = subjects.iter().flat_map(|subject| &subject.libraries);
    let expressions: BTreeMap<(String, Option<String>), String> = all
        .map(|library| {
            let known = library.source.clone().map(|(package, version)| (package, Some(version)));
            let key = known.unwrap_or_else(|| (library.name.clone(), None));
            (key, licence::of_debian(&library.licences).expression())
        })
        .collect();
    let one = |((package, version), spdx)| json!({ "package": package, "version": version, "spdx": spdx });
    expressions.into_iter().map(one).collect()
}

/// Writes each text to `DIR/<package>/`, and the list to `DIR/licenses.json`.
fn bundle(folder: &Path, mut listed: Vec<Value>, texts: &LicenceTexts) -> Result<Vec<Value>, Error> {
    for entry in &mut listed {
        let (Some(name), Some(version)) = (entry["package"].as_str(), entry["version"].as_str()) else {
            continue;
        };
        let mut files = Vec::new();
        let of_package =
            texts.iter().filter(|(id, _)| id.name.as_str() == name && id.version.as_str() == version);
        for (path, bytes) in of_package.flat_map(|(_, texts)| texts) {
            // One name, without folders: a path in an archive is never one on disk.
            let file = format!("{name}/{}", path.replace('/', "-"));
            fs::create_dir_all(&folder.join(name))?;
            fs::write_atomic(&folder.join(&file), bytes)?;
            files.push(file);
        }
        entry["files"] = json!(files);
    }
    fs::create_dir_all(folder)?;
    let text = table::to_json(&json!({ "schema": 1, "packages": listed }));
    fs::write_atomic(&folder.join("licenses.json"), text.as_bytes())?;
    Ok(listed)
}

fn to_text(listed: &[Value], libraries: &[Value]) -> String {
    let line = |entry: &Value| {
        let text = |field: &str| entry[field].as_str().unwrap_or("not known").to_owned();
        format!("{} {}\t{}\n", text("package"), text("version"), text("spdx"))
    };
    listed.iter().chain(libraries).map(line).collect()
}
