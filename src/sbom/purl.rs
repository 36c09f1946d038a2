//! Packages to package URLs, by which other tools know them.

use packageurl::PackageUrl;

use crate::inventory::{Inventory, Origin, Package, SystemPackage};
use crate::model::{Architecture, Forge};

/// Of an R package; `None` where what is known of it makes none.
pub(super) fn of_package(package: &Package) -> Option<String> {
    let (name, version) = (package.id.name.as_str(), package.id.version.as_str());
    match &package.origin {
        Origin::Cran => of_type("cran", name, version, &[]),
        Origin::Repository { url } => of_type("cran", name, version, &[("repository_url", url.clone())]),
        // Not registered, but what those who have a type for it call it.
        Origin::Bioconductor { .. } => of_type("bioconductor", name, version, &[]),
        Origin::Forge { forge, host, project, commit } => match forge {
            Forge::GitHub if host == "github.com" => of_project("github", project, commit.as_deref()),
            Forge::Bitbucket if host == "bitbucket.org" => {
                of_project("bitbucket", project, commit.as_deref())
            }
            Forge::GitHub | Forge::GitLab | Forge::Bitbucket => {
                let url = vcs(&format!("https://{host}/{project}"), commit.as_deref());
                of_type("generic", name, version, &[("vcs_url", url)])
            }
        },
        Origin::Git { url, commit } => {
            of_type("generic", name, version, &[("vcs_url", vcs(url, commit.as_deref()))])
        }
        Origin::Archive { url } => {
            let mut qualifiers = checksum(package);
            qualifiers.push(("download_url", url.clone()));
            of_type("generic", name, version, &qualifiers)
        }
        Origin::Local | Origin::Unknown => of_type("generic", name, version, &checksum(package)),
    }
}

/// Of R itself.
pub(super) fn of_r(version: &str) -> Option<String> {
    of_type("generic", "R", version, &[])
}

/// Of what the base's system calls a package; `None` where nobody says which system that is.
pub(super) fn of_system(owner: &SystemPackage, inventory: &Inventory) -> Option<String> {
    let recipe = inventory.base.as_ref().map_or("", |base| base.recipe.as_str());
    let recipe = recipe.split(['+', ' ']).next().unwrap_or_default();
    let (kind, id, distro) = match (recipe, owner.system.as_deref().and_then(|said| said.split_once('/'))) {
        ("al2023", _) => ("rpm", "amzn", Some("amzn-2023")),
        (recipe, _) if recipe.starts_with("debian:") => ("deb", "debian", recipe.strip_prefix("debian:")),
        (_, Some((kind @ ("deb" | "rpm"), distro))) => {
            (if kind == "deb" { "deb" } else { "rpm" }, distro.split('-').next()?, Some(distro))
        }
        _ => return None,
    };
    let of_rpm = |arch: Architecture| match arch {
        Architecture::X86_64 => "x86_64",
        Architecture::Arm64 => "aarch64",
    };
    let arch = inventory.arch.map(|arch| if kind == "rpm" { of_rpm(arch) } else { arch.oci() });
    // Package URLs have the epoch of an RPM package elsewhere, that of Debian's in the version.
    let (epoch, version) = match owner.version.split_once(':') {
        Some((epoch, version)) if kind == "rpm" => (Some(epoch), version),
        Some(_) | None => (None, owner.version.as_str()),
    };
    let qualifiers = [("arch", arch), ("distro", distro), ("epoch", epoch)];
    let qualifiers: Vec<_> =
        qualifiers.into_iter().filter_map(|(key, value)| Some((key, value?.to_owned()))).collect();
    let mut url = PackageUrl::new(kind, owner.name.as_str()).ok()?;
    url.with_namespace(id).ok()?.with_version(version).ok()?;
    qualified(url, &qualifiers)
}

fn of_type(
    kind: &'static str,
    name: &str,
    version: &str,
    qualifiers: &[(&'static str, String)],
) -> Option<String> {
    let mut url = PackageUrl::new(kind, name).ok()?;
    url.with_version(version).ok()?;
    qualified(url, qualifiers)
}

fn of_project(kind: &'static str, project: &str, commit: Option<&str>) -> Option<String> {
    let (owner, name) = project.rsplit_once('/')?;
    let mut url = PackageUrl::new(kind, name).ok()?;
    url.with_namespace(owner).ok()?;
    if let Some(commit) = commit {
        url.with_version(commit).ok()?;
    }
    Some(url.to_string())
}

fn qualified(mut url: PackageUrl<'_>, qualifiers: &[(&'static str, String)]) -> Option<String> {
    for (key, value) in qualifiers {
        url.add_qualifier(*key, value.clone()).ok()?;
    }
    Some(url.to_string())
}

fn vcs(url: &str, commit: Option<&str>) -> String {
    let commit = commit.map(|commit| format!("@{commit}")).unwrap_or_default();
    format!("git+{url}{commit}")
}

fn checksum(package: &Package) -> Vec<(&'static str, String)> {
    package.sha256.map(|sha256| ("checksum", format!("sha256:{sha256}"))).into_iter().collect()
}
