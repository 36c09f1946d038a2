//! Layer versions that nothing refers to any more: found, and deleted where that is wanted.

use std::collections::BTreeSet;

use super::{Aws, PublishError, collect, on_threads};
use crate::model::LayerVersionArn;

/// One version of ours, and why it stays, if it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    pub arn: LayerVersionArn,
    pub kept_for: Option<Reason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A version of a function has it; an alias is of a version.
    Function,
    /// A layers.json names it.
    Manifest,
    /// Somebody else may use it, and whether they do cannot be seen from here.
    Shared,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Function => "a function has it",
            Self::Manifest => "layers.json names it",
            Self::Shared => "it is shared with others",
        }
    }
}

/// What to look at.
pub struct GcRequest<'a> {
    /// How our layers' names begin.
    pub prefix: &'a str,
    pub regions: &'a [String],
    /// What layers.json files name.
    pub named: &'a BTreeSet<LayerVersionArn>,
    /// Let those go, too, that are shared with others.
    pub also_shared: bool,
}

/// All our versions in all regions, oldest first in each; deletes nothing.
///
/// # Errors
///
/// All that failed. Where the functions of a region cannot be listed, so is nothing of it.
pub fn look(request: &GcRequest<'_>, aws: &Aws) -> Result<Vec<Fate>, PublishError> {
    let results = on_threads(request.regions, |region| look_at(region, request, aws));
    let named = request.regions.iter().cloned().zip(results).collect();
    Ok(collect(named)?.into_iter().flatten().collect())
}

fn look_at(region: &str, request: &GcRequest<'_>, aws: &Aws) -> Result<Vec<Fate>, PublishError> {
    let mut fates = Vec::new();
    for name in aws.layers(region)?.into_keys().filter(|name| is_ours(name, request.prefix)) {
        for arn in aws.versions(region, &name)? {
            let is_shared = !request.also_shared && !aws.statements(&arn)?.is_empty();
            let kept_for = is_shared.then_some(Reason::Shared);
            fates.push(Fate { arn, kept_for });
        }
    }
    // Asked last, so that a function that was made meanwhile is seen.
    let in_use: BTreeSet<String> = aws.layers_in_use(region)?.into_iter().collect();
    for fate in &mut fates {
        if in_use.contains(&fate.arn.to_string()) {
            fate.kept_for = Some(Reason::Function);
        } else if request.named.contains(&fate.arn) {
            fate.kept_for = Some(Reason::Manifest);
        }
    }
    Ok(fates)
}

/// Deletes those that nothing keeps; asks once more before whether a function has them by now.
///
/// # Errors
///
/// All that failed, after the rest was done.
pub fn delete(fates: &[Fate], aws: &Aws) -> Result<Vec<LayerVersionArn>, PublishError> {
    let free: Vec<&LayerVersionArn> =
        fates.iter().filter(|fate| fate.kept_for.is_none()).map(|fate| &fate.arn).collect();
    let regions: BTreeSet<&str> = free.iter().map(|arn| arn.region()).collect();
    let mut in_use = BTreeSet::new();
    for region in regions {
        in_use.extend(aws.layers_in_use(region)?);
    }
    let free: Vec<&LayerVersionArn> =
        free.into_iter().filter(|arn| !in_use.contains(&arn.to_string())).collect();
    let results = on_threads(&free, |arn| {
        aws.delete_version(arn)?;
        Ok((*arn).clone())
    });
    collect(free.iter().map(ToString::to_string).zip(results).collect())
}

/// Whether layr made a layer of that name: the prefix, and the digest of its content.
fn is_ours(name: &str, prefix: &str) -> bool {
    let rest = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
    let digest = rest.and_then(|rest| rest.rsplit('-').next());
    digest.is_some_and(|digest| {
        digest.len() == 16 && digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_ours_by_prefix_and_digest() {
        let cases = [
            ("layr-r4-5-x86-64-12a523c9d44303e1", true),
            ("layr-runtime-r4-5-arm64-12a523c9d44303e1", true),
            ("other-r4-5-x86-64-12a523c9d44303e1", false),
            ("layrs-r4-5-x86-64-12a523c9d44303e1", false),
            ("layr-by-hand", false),
            ("layr-r4-5-x86-64-12A523C9D44303E1", false),
            ("layr", false),
        ];
        for (name, ours) in cases {
            assert_eq!(is_ours(name, "layr"), ours, "{name}");
        }
    }
}
