//! Which system package a file of a root file system belongs to, for the list of what is
//! in a layer: by Debian's own records, which every Debian system has, or by what RPM says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::rpm::{self, RPM_LIST};
use super::{RootFs, TargetError};
use crate::store::Owner;
use crate::sys::fs;

/// The owners of files, by path relative to the root. What nobody owns is left out, and so
/// is everything on systems that keep other records.
///
/// # Errors
///
/// Where the records are there and cannot be read.
pub fn owners(paths: &BTreeSet<String>, rootfs: &RootFs) -> Result<BTreeMap<String, Owner>, TargetError> {
    let info = rootfs.path().join("var/lib/dpkg/info");
    let list = rootfs.rpm_list().map_or_else(|| rootfs.path().join(RPM_LIST), Path::to_owned);
    if let Some(list) = fs::read_if_there(&list)? {
        let system = system("rpm", rootfs)?;
        return Ok(rpm::owners(paths, &String::from_utf8_lossy(&list), system.as_deref()));
    }
    if paths.is_empty() || !fs::is_dir(&info) {
        return Ok(BTreeMap::new());
    }
    let mut packages = BTreeMap::new();
    for entry in fs::sorted_entries(&info)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(package) = name.strip_suffix(".list") else { continue };
        let listed = fs::read(&entry.path())?;
        for line in String::from_utf8_lossy(&listed).lines().filter(|line| line.contains(".so")) {
            // Lists name folders as they were before /lib became a link to /usr/lib.
            let path = line.trim_start_matches('/');
            for path in [path.to_owned(), format!("usr/{path}")] {
                if paths.contains(&path) {
                    packages.insert(path, package.split(':').next().unwrap_or(package).to_owned());
                }
            }
        }
    }
    let status = fs::read_if_there(&rootfs.path().join("var/lib/dpkg/status"))?.unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let installed = installed(&status);
    let system = system("deb", rootfs)?;
    let owned = packages.into_iter().map(|(path, package)| {
        let mut owner = installed.get(package.as_str()).cloned().unwrap_or_else(|| Owner {
            source: package.clone(),
            package,
            version: String::new(),
            source_version: String::new(),
            licenses: Vec::new(),
            system: None,
        });
        owner.licenses = licenses(&owner.package, rootfs)?;
        owner.system.clone_from(&system);
        Ok((path, owner))
    });
    owned.collect()
}

/// The distribution, by the file that says it (os-release).
fn system(form: &str, rootfs: &RootFs) -> Result<Option<String>, TargetError> {
    for place in ["etc/os-release", "usr/lib/os-release"] {
        let Some(path) = rootfs.resolve(place)? else { continue };
        let text = fs::read(&path)?;
        return Ok(distribution(&String::from_utf8_lossy(&text)).map(|named| format!("{form}/{named}")));
    }
    Ok(None)
}

/// `debian-13`; without a release where there is none, as Debian's unstable has none.
fn distribution(text: &str) -> Option<String> {
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        let value = value.trim().trim_matches(['"', '\'']);
        let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        (!value.is_empty() && value.chars().all(is_safe)).then_some(value)
    };
    let id = field("ID")?;
    Some(field("VERSION_ID").map_or_else(|| id.to_owned(), |release| format!("{id}-{release}")))
}

/// By package, from dpkg's record of what is installed.
fn installed(status: &str) -> BTreeMap<&str, Owner> {
    let mut owners = BTreeMap::new();
    for stanza in status.split("\n\n") {
        let field = |name: &str| {
            stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::trim)
        };
        let (Some(package), Some(version)) = (field("Package"), field("Version")) else { continue };
        // Absent where it is the package's own name; the version only where it is another.
        let (source, source_version) = match field("Source").map(|source| source.split_once(" (")) {
            Some(Some((source, version))) => (source, version.trim_end_matches(')')),
            Some(None) => (field("Source").unwrap_or(package), version),
            None => (package, version),
        };
        let owner = Owner {
            package: package.to_owned(),
            version: version.to_owned(),
            source: source.to_owned(),
            source_version: source_version.to_owned(),
            licenses: Vec::new(),
            system: None,
        };
        owners.insert(package, owner);
    }
    owners
}

/// A package's copyright file, or its licences, which have to go where its libraries go.
///
/// # Errors
///
/// Where it is there and cannot be read.
pub fn copyright(package: &str, rootfs: &RootFs) -> Result<Option<Vec<u8>>, TargetError> {
    if let Some(path) = rootfs.resolve(&format!("usr/share/doc/{package}/copyright"))? {
        return Ok(fs::read_if_there(&path)?);
    }
    let Some(folder) = rootfs.resolve(&format!("usr/share/licenses/{package}"))? else { return Ok(None) };
    let mut all = Vec::new();
    for entry in fs::sorted_entries(&folder)? {
        all.extend(fs::read_if_there(&entry.path())?.unwrap_or_default());
    }
    Ok((!all.is_empty()).then_some(all))
}

/// From a copyright file in the form that programs can read (DEP-5).
fn licenses(package: &str, rootfs: &RootFs) -> Result<Vec<String>, TargetError> {
    let Some(bytes) = copyright(package, rootfs)? else { return Ok(Vec::new()) };
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter_map(|line| line.strip_prefix("License:")).map(str::trim);
    let names: BTreeSet<&str> = lines.filter(|name| !name.is_empty()).collect();
    Ok(names.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_told_by_its_own_file() {
        let cases = [
            ("ID=debian\nVERSION_ID=\"13\"\n", Some("debian-13")),
            (
                "NAME=\"Amazon Linux\"\nVERSION=\"2023\"\nID=\"amzn\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"2023\"\n",
                Some("amzn-2023"),
            ),
            ("ID=debian\nVERSION_CODENAME=forky\n", Some("debian")),
            ("ID='rocky'\nVERSION_ID='9.3'\n", Some("rocky-9.3")),
            ("ID=\"a/b?c\"\n", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(distribution(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_source_of_a_package_is_its_own_name_where_dpkg_names_none() {
        let status = "Package: libxml2\nStatus: install ok installed\nVersion: 2.12.7+dfsg-3\n\n\
            Package: libssl3t64\nSource: openssl\nVersion: 3.5.1-1\n\n\
            Package: libgcc-s1\nSource: gcc-14 (14.2.0-19)\nVersion: 14.2.0-19+b1\n";
        let told: Vec<_> = installed(status)
            .into_values()
            .map(|owner| {
                format!("{} {} of {} {}", owner.package, owner.version, owner.source, owner.source_version)
            })
            .collect();
        let expected = [
            "libgcc-s1 14.2.0-19+b1 of gcc-14 14.2.0-19",
            "libssl3t64 3.5.1-1 of openssl 3.5.1-1",
            "libxml2 2.12.7+dfsg-3 of libxml2 2.12.7+dfsg-3",
        ];
        assert_eq!(told, expected);
    }
}
