//! Owners of libraries on systems of RPM packages, from a list that the system's own `rpm`
//! has printed: its database is not for others to read.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::Owner;

/// What `rpm` is asked: a line for each file, with tabs between path, package, version,
/// source package and licence.
pub const RPM_QUERY: [&str; 4] = [
    "rpm",
    "-qa",
    "--queryformat",
    "[%{FILENAMES}\\t%{=NAME}\\t%{=EPOCHNUM}:%{=VERSION}-%{=RELEASE}\\t%{=SOURCERPM}\\t%{=LICENSE}\\n]",
];

/// Where systems keep the records that `rpm` reads, and the file in there by which they are
/// known.
pub const RPM_RECORDS: [&str; 3] = ["usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm"];
pub const RPM_RECORD_FILES: [&str; 3] = ["rpmdb.sqlite", "Packages.db", "Packages"];

/// Where the list lies in a folder of a base's libraries.
pub const RPM_LIST: &str = "var/lib/rpm/files.tsv";

/// The owners of files, by path relative to the root.
pub(super) fn owners(paths: &BTreeSet<String>, list: &str, system: Option<&str>) -> BTreeMap<String, Owner> {
    let mut owners = BTreeMap::new();
    for (path, owner) in list.lines().filter_map(line) {
        // Lists may name folders as they were before /lib64 became a link to /usr/lib64.
        let path = path.trim_start_matches('/');
        for path in [path.to_owned(), format!("usr/{path}")] {
            if paths.contains(&path) {
                owners.insert(path, Owner { system: system.map(str::to_owned), ..owner.clone() });
            }
        }
    }
    owners
}

fn line(line: &str) -> Option<(&str, Owner)> {
    let mut fields = line.split('\t');
    let (path, package, version) = (fields.next()?, fields.next()?, fields.next()?);
    let (source, licence) = (fields.next()?, fields.next()?);
    // An epoch of none is not written.
    let version = version.strip_prefix("0:").unwrap_or(version);
    // openssl-3.0.8-1.amzn2023.0.20.src.rpm
    let parts = source.strip_suffix(".src.rpm").and_then(|stem| {
        let (rest, release) = stem.rsplit_once('-')?;
        let (name, version) = rest.rsplit_once('-')?;
        Some((name.to_owned(), format!("{version}-{release}")))
    });
    let (source, source_version) = parts.unwrap_or_else(|| (package.to_owned(), version.to_owned()));
    let licenses: BTreeSet<&str> = licence.split(" AND ").flat_map(|part| part.split(" and ")).collect();
    let owner = Owner {
        package: package.to_owned(),
        version: version.to_owned(),
        source,
        source_version,
        licenses: licenses.into_iter().map(str::to_owned).collect(),
        system: None,
    };
    Some((path, owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As rpm 4.18 prints it.
    const LIST: &str = "/usr/lib64/libssl.so.3.0.8\topenssl-libs\t1:3.0.8-1.amzn2023.0.20\topenssl-3.0.8-1.amzn2023.0.20.src.rpm\tApache-2.0\n\
        /lib64/libx.so.1.2\txlibs\t0:1.2-3.amzn2023.0.1\tlibx-1.2-3.amzn2023.0.1.src.rpm\tLGPL-2.1-or-later AND MIT\n\
        /usr/lib64/liby.so\town\t1-1\t(none)\tMIT\n";

    #[test]
    fn a_library_s_package_source_and_licences_are_those_that_rpm_names() {
        let paths =
            ["usr/lib64/libssl.so.3.0.8", "usr/lib64/libx.so.1.2", "usr/lib64/liby.so", "usr/lib64/z.so"];
        let found = owners(&paths.map(str::to_owned).into(), LIST, Some("rpm/amzn-2023"));
        let told: Vec<String> = found
            .into_iter()
            .map(|(path, owner)| {
                let Owner { package, version, source, source_version, licenses, system } = owner;
                assert_eq!(system.as_deref(), Some("rpm/amzn-2023"));
                format!("{path}: {package} {version} of {source} {source_version}, {}", licenses.join(" & "))
            })
            .collect();
        let expected = [
            "usr/lib64/libssl.so.3.0.8: openssl-libs 1:3.0.8-1.amzn2023.0.20 of openssl 3.0.8-1.amzn2023.0.20, Apache-2.0",
            "usr/lib64/libx.so.1.2: xlibs 1.2-3.amzn2023.0.1 of libx 1.2-3.amzn2023.0.1, LGPL-2.1-or-later & MIT",
            "usr/lib64/liby.so: own 1-1 of own 1-1, MIT",
        ];
        assert_eq!(told, expected);
    }
}
