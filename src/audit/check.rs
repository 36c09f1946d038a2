//! Subjects, advisories and a policy to findings. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::database::{self, Database, Origin};
use super::finding::{Coverage, Finding, Ignored, Place, Report, merged};
use super::licence;
use super::policy::{Ignore, Policy, Until};
use super::r_series;
use super::rule::{Level, Rule};
use super::subject::{Audited, AuditedLibrary, Source, Subject};
use super::wording::{licence_message, of_behaviour, of_bytes, of_standing, vulnerable};

/// What is audited, and against what.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub subjects: &'a [Subject],
    /// `None`: vulnerabilities are not looked for.
    pub database: Option<&'a Database>,
    pub policy: &'a Policy,
    pub now: Timestamp,
    /// Whether these are all that layr.toml has: only then an ignore that applies to nothing
    /// is of no use.
    pub is_whole: bool,
}

/// Audits.
pub fn check(request: &Request<'_>) -> Report {
    let mut check = Check { request, today: today(request.now), used: BTreeSet::new(), findings: Vec::new() };
    for subject in request.subjects {
        check.subject(subject);
    }
    for origin in request.database.iter().flat_map(|database| database.origins()) {
        check.origin(origin);
    }
    check.nothing_to_match();
    check.ignores();
    Report {
        schema: Report::SCHEMA,
        date: check.today.to_string(),
        audited: request.subjects.iter().map(|subject| coverage(subject, request.database)).collect(),
        looked_for: looked_for(request),
        advisories: request.database.map(|database| database.origins().cloned().collect()),
        findings: merged(check.findings),
        n_known: None,
    }
}

/// The day in UTC: the same on every machine.
fn today(now: Timestamp) -> Date {
    now.to_zoned_datetime(TimeZone::UTC).date()
}

fn coverage(subject: &Subject, database: Option<&Database>) -> Coverage {
    let has_packages = database.is_some_and(Database::has_packages);
    let is_covered = |package: &&Audited| has_packages && package.source == Source::Covered;
    let debian = subject.debian.as_deref();
    let is_known = debian.zip(database).is_some_and(|(release, database)| database.has_debian(release));
    let has_source = |library: &&AuditedLibrary| is_known && library.source.is_some();
    Coverage {
        path: subject.path.clone(),
        function: subject.function.clone(),
        packages: subject.packages.len(),
        matched: subject.packages.iter().filter(is_covered).count(),
        libraries: subject.libraries.len(),
        libraries_matched: subject.libraries.iter().filter(has_source).count(),
    }
}

/// Rules that this run can have found something by.
fn looked_for(request: &Request<'_>) -> Vec<Rule> {
    let packages = || request.subjects.iter().flat_map(|subject| &subject.packages);
    let is_looked_for = |rule: &Rule| match rule {
        Rule::Vulnerable
        | Rule::NotCovered
        | Rule::DatabaseStale
        | Rule::DatabaseFuture
        | Rule::DatabaseRecord => request.database.is_some(),
        Rule::Outdated | Rule::Archived | Rule::Removed => {
            packages().any(|package| package.standing.is_some())
        }
        Rule::ChangedBytes => packages().any(|package| package.bytes.is_some()),
        Rule::RunsCode | Rule::Downloads | Rule::NativeCode | Rule::SerializedCode => {
            packages().any(|package| package.behaviours.is_some())
        }
        Rule::LicenceDenied
        | Rule::LicenceNotAllowed
        | Rule::LicenceUnknown
        | Rule::RUnsupported
        | Rule::IgnoreExpired => true,
        Rule::IgnoreUnused => request.is_whole,
    };
    Rule::ALL.iter().copied().filter(is_looked_for).collect()
}

struct Check<'a> {
    request: &'a Request<'a>,
    today: Date,
    /// Places of the ignores that applied to something.
    used: BTreeSet<usize>,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn subject(&mut self, subject: &Subject) {
        let place = |line, layers: &[String]| Place {
            path: subject.path.clone(),
            function: subject.function.clone(),
            line,
            layers: layers.to_vec(),
        };
        for package in &subject.packages {
            let found = self.of_package(package);
            self.keep(found, &place(package.line, &package.layers));
        }
        for library in &subject.libraries {
            let found = self.of_library(library, subject);
            self.keep(found, &place(None, &library.layers));
        }
        let unknown = |layer: &String| Finding {
            package: Some(layer.clone()),
            ..Finding::new(Rule::NotCovered, "nobody could look into the layer".to_owned())
        };
        self.keep(subject.unknown_layers.iter().map(unknown).collect(), &place(None, &[]));
        let found = self.of_r(subject);
        self.keep(found, &place(None, &[]));
    }

    fn of_package(&self, package: &Audited) -> Vec<Finding> {
        let (name, version) = (package.id.name.as_str(), package.id.version.as_str());
        let matches = self.request.database.map(|database| database.of_package(name, version));
        let mut found: Vec<Finding> = matches.into_iter().flatten().map(vulnerable).collect();
        if let Source::ByName(from) = &package.source {
            for finding in &mut found {
                finding.message.push_str(&format!(" (matched by name: it is from {from})"));
            }
            if self.request.database.is_some() {
                let message = format!("it is from {from}, of which no advisories are known");
                found.push(Finding::new(Rule::NotCovered, message));
            }
        }
        found.extend(self.of_licence(name, package.licence.as_deref()));
        found.extend(package.standing.as_ref().and_then(of_standing));
        found.extend(package.bytes.as_ref().and_then(of_bytes));
        found.extend(package.behaviours.iter().flatten().map(of_behaviour));
        for finding in &mut found {
            finding.package = Some(name.to_owned());
            finding.version = Some(version.to_owned());
        }
        found
    }

    fn of_licence(&self, name: &str, field: Option<&str>) -> Option<Finding> {
        let Some(licence) = self.request.policy.licence(name, field) else {
            return Some(Finding::new(Rule::LicenceUnknown, "its licence is not known here".to_owned()));
        };
        let rule = self.request.policy.judge(&licence)?;
        Some(Finding::new(rule, licence_message(rule, &licence.expression(), field)))
    }

    fn of_library(&self, library: &AuditedLibrary, subject: &Subject) -> Vec<Finding> {
        let Request { database, policy, .. } = self.request;
        let mut found = Vec::new();
        let known = subject.debian.as_deref().zip(*database).zip(library.source.as_ref());
        match known {
            Some(((release, database), (package, version))) if database.has_debian(release) => {
                let matches = database.of_debian(release, package, version);
                found.extend(matches.into_iter().map(vulnerable));
            }
            _ if database.is_some() => {
                let of = library.system.as_ref().map(|system| format!(" of {system}")).unwrap_or_default();
                let message =
                    format!("`{}` is of a system package{of} that no advisories are known of", library.name);
                found.push(Finding::new(Rule::NotCovered, message));
            }
            _ => {}
        }
        let licence = licence::of_debian(&library.licences);
        if let Some(rule) = policy.judge(&licence) {
            found.push(Finding::new(rule, licence_message(rule, &licence.expression(), None)));
        }
        for finding in &mut found {
            let (package, version) = library.source.clone().unzip();
            finding.package = package.or_else(|| Some(library.name.clone()));
            finding.version = version;
        }
        found
    }

    fn of_r(&self, subject: &Subject) -> Vec<Finding> {
        let Some(r) = &subject.r else { return Vec::new() };
        let mut found: Vec<Finding> = match self.request.database {
            Some(_) => database::of_r(r.as_str()).into_iter().map(vulnerable).collect(),
            None => Vec::new(),
        };
        if let Some(since) = r_series::unsupported_since(r, self.today) {
            let message =
                format!("R {} gets no fixes since {since}, when the next series was due", r.minor_series());
            found.push(Finding::new(Rule::RUnsupported, message));
        }
        for finding in &mut found {
            finding.package = Some("R".to_owned());
            finding.version = Some(r.to_string());
        }
        found
    }

    /// A database without a word on packages of R finds nothing in them, which is not to pass
    /// for nothing being there.
    fn nothing_to_match(&mut self) {
        let n_packages: usize = self.request.subjects.iter().map(|subject| subject.packages.len()).sum();
        if n_packages == 0 || self.request.database.is_none_or(Database::has_packages) {
            return;
        }
        let message = "there are no advisories of packages of CRAN or Bioconductor in what was asked";
        let mut finding = Finding::new(Rule::NotCovered, message.to_owned());
        finding.package = Some("all packages".to_owned());
        let paths = self.request.subjects.iter().map(|subject| Place {
            path: subject.path.clone(),
            function: subject.function.clone(),
            line: None,
            layers: Vec::new(),
        });
        for place in paths {
            self.keep(vec![finding.clone()], &place);
        }
    }

    fn origin(&mut self, origin: &Origin) {
        let mut found = Vec::new();
        let age =
            origin.fetched_at.map(|at| self.request.now.as_second() - i64::try_from(at).unwrap_or(i64::MAX));
        let newest = origin.newest.as_deref().and_then(database::time);
        let is_ahead = newest.is_some_and(|newest| newest.as_second() > self.request.now.as_second() + DAY);
        if age.is_some_and(|age| age < -DAY) || is_ahead {
            let message = format!(
                "the advisories of {} are from the future: fetched {}, newest {}",
                origin.name,
                origin.fetched_at.map_or_else(|| "never".to_owned(), day),
                origin.newest.as_deref().unwrap_or("unknown"),
            );
            found.push(Finding::new(Rule::DatabaseFuture, message));
        }
        if let (Some(age), Some(limit)) = (age, self.request.policy.max_age_days)
            && age > i64::from(limit) * DAY
        {
            let message =
                format!("the advisories of {} are {} days old; the limit is {limit}", origin.name, age / DAY);
            found.push(Finding::new(Rule::DatabaseStale, message));
        }
        for skipped in &origin.skipped {
            let message = format!("{} of {} is of no use: {}", skipped.record, origin.name, skipped.reason);
            found.push(Finding::new(Rule::DatabaseRecord, message));
        }
        for finding in &mut found {
            finding.package = Some(format!("advisories of {}", origin.name));
        }
        let place = Place { path: origin.place.clone(), function: None, line: None, layers: Vec::new() };
        self.keep(found, &place);
    }

    /// Says what each comes to, and drops what nobody wants to know.
    fn keep(&mut self, found: Vec<Finding>, place: &Place) {
        for mut finding in found {
            let function = place.function.as_deref();
            finding.level = self.request.policy.level(finding.rule, finding.severity, function);
            if finding.level == Level::Off {
                continue;
            }
            finding.ignored = self.ignored(&finding, function);
            finding.places.insert(place.clone());
            self.findings.push(finding);
        }
    }

    fn ignored(&mut self, finding: &Finding, function: Option<&str>) -> Option<Ignored> {
        let mut by = None;
        for (at, ignore) in self.request.policy.ignores.iter().enumerate() {
            if !applies(ignore, finding, function) {
                continue;
            }
            self.used.insert(at);
            let holds = match ignore.until {
                Until::Day(day) => self.today <= day,
                Until::Fixed => finding.fixed.is_none(),
            };
            if holds && by.is_none() {
                by = Some(Ignored {
                    reason: ignore.reason.clone(),
                    owner: ignore.owner.clone(),
                    expires: ignore.until.to_string(),
                });
            } else if ignore.until == Until::Fixed && !holds {
                let message = format!(
                    "the ignore of {} held until there is a fix, and {} is one",
                    ignore.shown(),
                    finding.fixed.as_deref().unwrap_or_default(),
                );
                self.of_toml(Rule::IgnoreExpired, &message, &ignore.owner);
            }
        }
        by
    }

    /// Those that have expired, and those that no finding needed.
    fn ignores(&mut self) {
        let policy = self.request.policy;
        let looked_for = looked_for(self.request);
        for (at, ignore) in policy.ignores.iter().enumerate() {
            if let Until::Day(day) = ignore.until
                && day < self.today
            {
                let message = format!("the ignore of {} has expired on {day}", ignore.shown());
                self.of_toml(Rule::IgnoreExpired, &message, &ignore.owner);
                continue;
            }
            let rule = ignore.rule.unwrap_or(Rule::Vulnerable);
            if self.request.is_whole && looked_for.contains(&rule) && !self.used.contains(&at) {
                let message = format!("the ignore of {} applies to nothing", ignore.shown());
                self.of_toml(Rule::IgnoreUnused, &message, &ignore.owner);
            }
        }
    }

    fn of_toml(&mut self, rule: Rule, message: &str, owner: &str) {
        let finding = Finding::new(rule, format!("{message}; ask {owner}"));
        let place = Place { path: "layr.toml".to_owned(), function: None, line: None, layers: Vec::new() };
        self.keep_as_it_is(finding, place);
    }

    /// An ignore cannot be ignored.
    fn keep_as_it_is(&mut self, mut finding: Finding, place: Place) {
        finding.level = self.request.policy.level(finding.rule, None, None);
        if finding.level != Level::Off {
            finding.places.insert(place);
            self.findings.push(finding);
        }
    }
}

/// In seconds.
const DAY: i64 = 24 * 3600;

fn day(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "at no time".to_owned(), |time| today(time).to_string())
}

/// Whether an ignore is of that finding.
fn applies(ignore: &Ignore, finding: &Finding, function: Option<&str>) -> bool {
    let is_id = |id: &String| finding.id.as_ref() == Some(id) || finding.aliases.contains(id);
    let fits = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
    let of_function = ignore.functions.is_empty()
        || function.is_some_and(|function| ignore.functions.iter().any(|one| one == function));
    ignore.id.as_ref().is_none_or(is_id)
        && ignore.rule.is_none_or(|rule| rule == finding.rule)
        && fits(&ignore.package, &finding.package)
        && fits(&ignore.version, &finding.version)
        && of_function
}

impl std::fmt::Display for Until {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Day(day) => day.fmt(f),
            Self::Fixed => f.write_str("fixed"),
        }
    }
}
