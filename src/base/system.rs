//! The system packages that a base has, or that its recipe would give it.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Base, BaseError, BaseOptions, Recipe, debian, image};
use crate::requirements::Distribution;
use crate::sys::fs;

/// What is known of a base's system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    pub distribution: Distribution,
    /// Names of packages. Of a base that is yet to be made, and of an image, those that its
    /// recipe names; what these depend on is not among them.
    pub packages: BTreeSet<String>,
}

impl Base {
    /// The distribution of its system, where that is one whose packages have known names.
    pub fn distribution(&self) -> Option<Distribution> {
        let is_debian = |rootfs: &Path| fs::exists(&rootfs.join("var/lib/dpkg/status"));
        if self.recipe.starts_with("debian:") || self.rootfs().is_some_and(is_debian) {
            return Some(Distribution::Debian);
        }
        self.recipe.starts_with("al2023").then_some(Distribution::Al2023)
    }
}

/// `None` where the system is none whose packages have known names.
///
/// # Errors
///
/// Where Debian's record of what is installed is there and cannot be read.
pub fn system(
    base: Option<&Base>,
    recipe: &Recipe,
    options: &BaseOptions,
) -> Result<Option<System>, BaseError> {
    if let Some(rootfs) = base.and_then(Base::rootfs) {
        let status = fs::read_if_there(&rootfs.join("var/lib/dpkg/status"))?;
        return Ok(status.map(|status| System {
            distribution: Distribution::Debian,
            packages: installed(&String::from_utf8_lossy(&status)),
        }));
    }
    let (distribution, named) = match recipe {
        Recipe::Debian { .. } => (Distribution::Debian, debian::package_names().collect()),
        Recipe::Al2023 => (Distribution::Al2023, image::al2023_package_names()),
        Recipe::Image { .. } | Recipe::Folder(_) => return Ok(None),
    };
    let mut packages: BTreeSet<String> = named;
    packages.extend(options.include.iter().cloned());
    Ok(Some(System { distribution, packages }))
}

/// The packages of dpkg's status file that are installed, and what they say they provide.
fn installed(status: &str) -> BTreeSet<String> {
    let mut packages = BTreeSet::new();
    for record in status.split("\n\n") {
        let field = |name: &str| record.lines().find_map(|line| line.strip_prefix(name));
        if field("Status: ").is_none_or(|status| !status.ends_with(" installed")) {
            continue;
        }
        packages.extend(field("Package: ").map(str::to_owned));
        let provided = field("Provides: ").into_iter().flat_map(|list| list.split(", "));
        packages.extend(provided.filter_map(|one| one.split(' ').next()).map(str::to_owned));
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_and_what_it_provides_counts_and_what_was_removed_does_not() {
        let status = "Package: libssl-dev\nStatus: install ok installed\n\n\
                      Package: old\nStatus: deinstall ok config-files\n\n\
                      Package: libjpeg62-turbo-dev\nStatus: install ok installed\nProvides: libjpeg-dev (= 1), x\n";
        let names: Vec<String> = installed(status).into_iter().collect();
        assert_eq!(names, ["libjpeg-dev", "libjpeg62-turbo-dev", "libssl-dev", "x"]);
    }

    #[test]
    fn a_recipe_names_what_its_base_will_have() {
        let options = BaseOptions { include: vec!["libgdal-dev".to_owned()], ..BaseOptions::default() };
        let debian = Recipe::Debian { suite: "trixie".to_owned() };
        let of_debian = system(None, &debian, &options).unwrap().unwrap();
        assert!(
            of_debian.packages.contains("libcurl4-openssl-dev") && of_debian.packages.contains("libgdal-dev")
        );
        let of_amazon = system(None, &Recipe::Al2023, &BaseOptions::default()).unwrap().unwrap();
        assert!(of_amazon.packages.contains("openssl-devel") && of_amazon.packages.contains("cmake"));
        assert!(!of_amazon.packages.iter().any(|name| name.starts_with('-') || name.contains('&')));
        assert_eq!(system(None, &Recipe::Folder("./x".into()), &options).unwrap(), None);
    }
}
