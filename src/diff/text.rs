//! A difference to text for a terminal. Pure.

use super::{
    Advised, AdvisoryChanges, Diff, FunctionChange, Kind, LibraryChange, NO_DATABASE, PackageChange, Size,
};
use crate::inventory::{Layer, Library};
use crate::model::{counted, human_bytes};

pub fn text(diff: &Diff<'_>) -> String {
    if diff.is_empty() {
        return format!("no difference\n{}", advisories(&diff.advisories));
    }
    let mut text = String::new();
    for (what, change) in [("R", diff.r()), ("base", diff.base())] {
        if let Some((before, after)) = change {
            text.push_str(&format!("{what} {before} -> {after}\n"));
        }
    }
    if !diff.packages.is_empty() {
        text.push_str(&format!("packages: {}\n", counts(diff)));
        text.push_str(&packages(diff));
    }
    if !diff.libraries.is_empty() {
        text.push_str("libraries\n");
        text.push_str(&diff.libraries.iter().map(library).collect::<String>());
    }
    let functions: String = diff.functions.iter().filter(|f| f.before != f.after).map(function).collect();
    if !functions.is_empty() {
        text.push_str(&format!("functions\n{functions}"));
    }
    if let Some(layers) = layers(diff) {
        text.push_str(&format!("layers: {layers}\n"));
    }
    text.push_str(&advisories(&diff.advisories));
    text
}

/// `2 added, 1 up`
pub(super) fn counts(diff: &Diff<'_>) -> String {
    let counts = diff.counts();
    let shown: Vec<_> = counts.iter().map(|(kind, n)| format!("{n} {}", kind.words())).collect();
    shown.join(", ")
}

fn packages(diff: &Diff<'_>) -> String {
    let lines: Vec<(String, String)> = diff.packages.iter().map(|c| (versions(c), bytes(c))).collect();
    let width = lines.iter().map(|(versions, _)| versions.chars().count()).max().unwrap_or(0);
    let lines = diff.packages.iter().zip(lines).map(|(change, (versions, bytes))| {
        let notes = notes(change).join("; ");
        let line = format!("  {} {versions:<width$}  {bytes:>10}  {notes}", sign(change.kind()));
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}

fn sign(kind: Kind) -> char {
    match kind {
        Kind::Added => '+',
        Kind::Removed => '-',
        Kind::Up => '^',
        Kind::Down => 'v',
        Kind::OtherSource | Kind::OtherOrigin | Kind::OtherBuild | Kind::OtherRole => '~',
    }
}

/// `cli 3.6.4 -> 3.6.5`
pub(super) fn versions(change: &PackageChange<'_>) -> String {
    match (change.before, change.after) {
        (Some(before), Some(after)) if before.id.version != after.id.version => {
            format!("{} -> {}", before.id, after.id.version)
        }
        (Some(package), _) | (None, Some(package)) => package.id.to_string(),
        (None, None) => String::new(),
    }
}

fn bytes(change: &PackageChange<'_>) -> String {
    change.bytes().filter(|bytes| *bytes != 0).map(signed).unwrap_or_default()
}

/// What there is to say beside the versions.
pub fn notes(change: &PackageChange<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    match change.kind() {
        Kind::OtherSource => notes.push("other source".to_owned()),
        Kind::OtherBuild => notes.push("built to other bytes".to_owned()),
        Kind::OtherRole if change.after.is_some_and(|after| after.is_shipped) => {
            notes.push("now shipped".to_owned());
        }
        Kind::OtherRole => notes.push("no longer shipped".to_owned()),
        Kind::Added | Kind::Removed | Kind::Up | Kind::Down | Kind::OtherOrigin => {}
    }
    if let Some((before, after)) = change.origins() {
        notes.push(format!("from {before} -> {after}"));
    }
    notes.extend(license(change));
    if change.functions.len() > 1 {
        notes.push(format!("in {}", change.functions.iter().copied().collect::<Vec<_>>().join(", ")));
    }
    notes
}

/// The licence that comes, where it is another one; and where nobody here knows it.
fn license(change: &PackageChange<'_>) -> Option<String> {
    let after = change.after?.license.as_deref();
    let before = change.before.map(|before| before.license.as_deref());
    match (before, after) {
        (None | Some(None), Some(after)) if change.before.is_none() => Some(format!("licence {after}")),
        (Some(Some(before)), Some(after)) => {
            (before != after).then(|| format!("licence {before} -> {after}"))
        }
        (Some(None), Some(after)) if change.is_other_source() => {
            Some(format!("licence not known -> {after}"))
        }
        (Some(_) | None, None) if change.is_other_source() => Some("licence not known".to_owned()),
        (Some(_) | None, Some(_) | None) => None,
    }
}

fn library(change: &LibraryChange<'_>) -> String {
    let sign = match (change.before, change.after) {
        (None, _) => '+',
        (_, None) => '-',
        (Some(_), Some(_)) => '~',
    };
    format!("  {sign} {}\n", library_versions(change))
}

/// `libxml2.so.2 of libxml2 2.12.7 -> 2.12.9`
pub(super) fn library_versions(change: &LibraryChange<'_>) -> String {
    let shown = |library: &Library| {
        let name = library.soname.as_ref().unwrap_or(&library.name);
        let owner = library.owner.as_ref().map(|owner| format!(" of {} {}", owner.name, owner.version));
        format!("{name}{}", owner.unwrap_or_default())
    };
    match (change.before, change.after) {
        (Some(before), Some(after)) => match after.owner.as_ref().filter(|_| after.owner != before.owner) {
            Some(owner) => format!("{} -> {}", shown(before), owner.version),
            None => format!("{}, with other bytes", shown(after)),
        },
        (Some(library), None) | (None, Some(library)) => shown(library),
        (None, None) => String::new(),
    }
}

fn function(change: &FunctionChange<'_>) -> String {
    format!("  {}: {}\n", change.name, sizes(change))
}

/// `12.3 MB in 3 layers -> 12.4 MB in 3 layers (+100.0 kB)`
pub fn sizes(change: &FunctionChange<'_>) -> String {
    let shown = |size: Size| {
        let bytes = size.unzipped_bytes.map_or("unknown size".to_owned(), human_bytes);
        format!("{bytes} in {}", counted(size.n_layers, "layer"))
    };
    match (change.before, change.after) {
        (Some(before), Some(after)) => {
            let both = before.unzipped_bytes.zip(after.unzipped_bytes);
            let delta = both.and_then(|(before, after)| super::difference(before, after));
            let delta = delta.map(|delta| format!(" ({})", signed(delta))).unwrap_or_default();
            format!("{} -> {}{delta}", shown(before), shown(after))
        }
        (None, Some(after)) => format!("new, {}", shown(after)),
        (Some(before), None) => format!("gone, it had {}", shown(before)),
        (None, None) => String::new(),
    }
}

/// `1 new (1.5 MB to publish), 1 gone, 3 as they were`
pub fn layers(diff: &Diff<'_>) -> Option<String> {
    let changes = &diff.layers;
    if changes.added.is_empty() && changes.removed.is_empty() {
        return None;
    }
    let zipped: Option<u64> = changes.added.iter().map(|layer: &&Layer| layer.zip_bytes).sum();
    let to_publish = zipped.filter(|bytes| *bytes > 0);
    let to_publish = to_publish.map(|bytes| format!(" ({} to publish)", human_bytes(bytes)));
    Some(format!(
        "{} new{}, {} gone, {} as they were",
        changes.added.len(),
        to_publish.unwrap_or_default(),
        changes.removed.len(),
        changes.kept.len(),
    ))
}

fn advisories(advised: &Advised<AdvisoryChanges>) -> String {
    let changes = match advised {
        Advised::NotAsked => return String::new(),
        Advised::NoDatabase => return format!("advisories: {NO_DATABASE}\n"),
        Advised::Known(changes) => changes,
    };
    let mut text = format!(
        "advisories: {} gained, {} lost, {} on both sides; {}\n",
        changes.gained.len(),
        changes.lost.len(),
        changes.n_kept,
        changes.coverage.trim_end_matches('.'),
    );
    for (sign, all) in [('+', &changes.gained), ('-', &changes.lost)] {
        for found in all {
            text.push_str(&format!(
                "  {sign} {} in {} {}: {}\n",
                found.id, found.package, found.version, found.summary
            ));
        }
    }
    text
}

/// `+1.2 kB`
pub fn signed(bytes: i64) -> String {
    let sign = if bytes < 0 { '-' } else { '+' };
    format!("{sign}{}", human_bytes(bytes.unsigned_abs()))
}
