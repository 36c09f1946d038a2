//! What was found of a package to findings in words. Pure.

use super::advisory::Match;
use super::behaviour::Behaviour;
use super::finding::Finding;
use super::rule::Rule;
use super::subject::{Bytes, Standing};

pub(super) fn vulnerable(found: Match) -> Finding {
    let Match { advisory, mut ids, upstream, fixed } = found;
    let message = if advisory.summary.is_empty() { "no summary".to_owned() } else { advisory.summary };
    ids.remove(&advisory.id);
    ids.extend(upstream);
    Finding {
        id: Some(advisory.id),
        aliases: ids,
        severity: advisory.severity,
        score: advisory.score,
        fixed,
        url: advisory.url,
        ..Finding::new(Rule::Vulnerable, message)
    }
}

pub(super) fn licence_message(rule: Rule, expression: &str, field: Option<&str>) -> String {
    let said = field.filter(|field| *field != expression).map(|field| format!(" (`{}`)", field.trim()));
    let what = if rule == Rule::LicenceDenied {
        "is denied"
    } else if rule == Rule::LicenceNotAllowed {
        "is not allowed"
    } else {
        "has no name in SPDX"
    };
    format!("its licence {expression}{} {what}", said.unwrap_or_default())
}

pub(super) fn of_standing(standing: &Standing) -> Option<Finding> {
    match standing {
        Standing::Current => None,
        Standing::Newer(newest) => {
            Some(Finding::new(Rule::Outdated, format!("the newest version is {newest}")))
        }
        Standing::Archived => Some(Finding::new(
            Rule::Archived,
            "its repository has it in its archive alone, where nobody mends it".to_owned(),
        )),
        Standing::Removed => Some(Finding::new(
            Rule::Removed,
            "its repository does not have it any more, not even in its archive".to_owned(),
        )),
    }
}

pub(super) fn of_bytes(bytes: &Bytes) -> Option<Finding> {
    match bytes {
        Bytes::Same => None,
        Bytes::Other { locked, found } => Some(Finding::new(
            Rule::ChangedBytes,
            format!("its source tarball has SHA-256 {found}, where {locked} was locked"),
        )),
    }
}

pub(super) fn of_behaviour(behaviour: &Behaviour) -> Finding {
    Finding::new(behaviour.rule, behaviour.to_string())
}
