//! Published layers to those who may use them, and back.

use super::{Aws, Grantee, PublishError, Statement, collect, on_threads};
use crate::model::LayerVersionArn;

/// Who may use one layer version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    pub arn: LayerVersionArn,
    pub statements: Vec<Statement>,
}

/// Lets all of `grantees` use each of the versions; those who may already are left alone.
///
/// # Errors
///
/// All that failed, after the rest was done.
pub fn share(arns: &[LayerVersionArn], grantees: &[Grantee], aws: &Aws) -> Result<usize, PublishError> {
    let results = on_threads(arns, |arn| grant_missing(arn, grantees, aws));
    Ok(named(arns, results)?.into_iter().sum())
}

/// The number of permissions that were new.
pub(super) fn grant_missing(
    arn: &LayerVersionArn,
    grantees: &[Grantee],
    aws: &Aws,
) -> Result<usize, PublishError> {
    if grantees.is_empty() {
        return Ok(0);
    }
    let there = aws.statements(arn)?;
    let is_there =
        |grantee: &Grantee| there.iter().any(|statement| statement.grantee.as_ref() == Some(grantee));
    let missing: Vec<&Grantee> = grantees.iter().filter(|grantee| !is_there(grantee)).collect();
    for grantee in &missing {
        aws.grant(arn, grantee)?;
    }
    Ok(missing.len())
}

/// Takes back what `grantees` were given, by whatever name it was given.
///
/// # Errors
///
/// All that failed, after the rest was done.
pub fn unshare(arns: &[LayerVersionArn], grantees: &[Grantee], aws: &Aws) -> Result<usize, PublishError> {
    let results = on_threads(arns, |arn| {
        let there = aws.statements(arn)?;
        let goes = |statement: &&Statement| {
            statement.grantee.as_ref().is_some_and(|grantee| grantees.contains(grantee))
        };
        let gone: Vec<&Statement> = there.iter().filter(goes).collect();
        for statement in &gone {
            aws.revoke(arn, &statement.id)?;
        }
        Ok(gone.len())
    });
    Ok(named(arns, results)?.into_iter().sum())
}

/// Who may use each of the versions.
///
/// # Errors
///
/// All that failed.
pub fn list_shared(arns: &[LayerVersionArn], aws: &Aws) -> Result<Vec<Shared>, PublishError> {
    let results = on_threads(arns, |arn| Ok(Shared { arn: arn.clone(), statements: aws.statements(arn)? }));
    named(arns, results)
}

fn named<T>(arns: &[LayerVersionArn], results: Vec<Result<T, PublishError>>) -> Result<Vec<T>, PublishError> {
    collect(arns.iter().map(ToString::to_string).zip(results).collect())
}
