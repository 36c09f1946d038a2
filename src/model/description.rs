//! A package's `DESCRIPTION` to what a build has to know of it.

use super::dcf::{DcfError, Record, parse_dcf};
use super::{
    Dependency, InvalidDependency, InvalidPackageName, InvalidVersion, PackageId, RVersion, Requirement,
};

/// What a source tarball says of itself: the authority for the dependency graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    pub id: PackageId,
    /// `Depends` and `Imports`: needed to build and to run. In the file's order.
    pub runtime: Vec<Dependency>,
    /// `LinkingTo`: headers, needed to build only.
    pub linking_to: Vec<Dependency>,
    /// What is asked of R itself.
    pub r: Option<Requirement>,
    pub needs_compilation: bool,
    /// `OS_type: windows` cannot be built here.
    pub os_type: Option<String>,
    pub license: Option<String>,
    pub system_requirements: Option<String>,
    /// Whether it has a `Built` field: then the tarball is a binary package, not a source.
    pub is_binary: bool,
    /// All fields, as they are.
    pub record: Record,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    #[error("DESCRIPTION is not in the form that R reads")]
    Syntax(#[from] DcfError),
    #[error("DESCRIPTION has no field `{0}`")]
    Missing(&'static str),
    #[error("DESCRIPTION names no valid package")]
    Name(#[from] InvalidPackageName),
    #[error("DESCRIPTION gives no valid version")]
    Version(#[from] InvalidVersion),
    #[error("DESCRIPTION has an unreadable dependency")]
    Dependency(#[from] InvalidDependency),
}

impl Description {
    /// # Errors
    ///
    /// Where a field that a build relies on is missing or not what R allows there.
    pub fn parse(text: &str) -> Result<Self, DescriptionError> {
        let record = parse_dcf(text)?.into_iter().next().unwrap_or_default();
        let required = |field| record.get(field).ok_or(DescriptionError::Missing(field));
        let list = |field| Dependency::parse_list(record.get(field).unwrap_or_default());
        let id = PackageId { name: required("Package")?.parse()?, version: required("Version")?.parse()? };
        let ((depends, r), (imports, _)) = (list("Depends")?, list("Imports")?);
        let mut runtime = depends;
        runtime.extend(imports);
        Ok(Self {
            id,
            runtime,
            linking_to: list("LinkingTo")?.0,
            r,
            needs_compilation: record.get("NeedsCompilation") == Some("yes"),
            os_type: record.get("OS_type").map(str::to_owned),
            license: record.get("License").map(str::to_owned),
            system_requirements: record.get("SystemRequirements").map(str::to_owned),
            is_binary: record.get("Built").is_some(),
            record,
        })
    }

    /// What a binary package was built for: an R, and a system where it has compiled code,
    /// e.g. `x86_64-pc-linux-gnu`.
    pub fn built(&self) -> Option<(RVersion, Option<&str>)> {
        let mut parts = self.record.get("Built")?.split(';').map(str::trim);
        let r = parts.next()?.strip_prefix("R ")?.trim().parse().ok()?;
        Some((r, parts.next().filter(|system| !system.is_empty())))
    }

    /// Every package that must be there before this one can be built, in the file's order.
    pub fn build_dependencies(&self) -> impl Iterator<Item = &Dependency> {
        self.runtime.iter().chain(&self.linking_to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_for_what_a_build_needs() {
        let text = "Package: dplyr\nVersion: 1.1.4\nDepends: R (>= 3.5.0), methods\nImports: cli (>= 3.4.0),\n        generics\nLinkingTo: cpp11\nNeedsCompilation: yes\nLicense: MIT + file LICENSE\n";
        let description = Description::parse(text).unwrap();
        assert_eq!(description.id.to_string(), "dplyr 1.1.4");
        let names: Vec<_> = description.build_dependencies().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["methods", "cli", "generics", "cpp11"]);
        assert_eq!(description.r.unwrap().to_string(), ">= 3.5.0");
        assert!(description.needs_compilation && !description.is_binary);
    }

    #[test]
    fn a_description_without_a_name_or_version_is_refused() {
        for text in ["", "Package: x1\n", "Package: ../x\nVersion: 1.0\n", "Package: x1\nVersion: new\n"] {
            assert!(Description::parse(text).is_err(), "{text:?}");
        }
    }
}
