//! A layer's description and licence texts, as AWS's console shows them. Pure.

use std::collections::BTreeSet;

use crate::manifest::{Manifest, ManifestLayer};

/// Characters of `Description` and `LicenseInfo`. Source: `PublishLayerVersion` in the AWS
/// Lambda API Reference.
const MAX_DESCRIPTION: usize = 256;
const MAX_LICENSE: usize = 512;

/// What is in the layer, which R it is for, and which layr.lock it comes from.
pub(super) fn description(layer: &ManifestLayer, manifest: &Manifest) -> String {
    let lock = manifest.layr_lock_sha256.map(|lock| format!("; layr.lock {}", &lock.to_hex()[..16]));
    let digest = &layer.digest.to_hex()[..16];
    let tail = format!("; content {digest}{}; by layr", lock.unwrap_or_default());
    let head = format!("R {}: ", manifest.r);
    let packages = if layer.packages.is_empty() {
        "R itself and what Lambda starts".to_owned()
    } else {
        listed(&layer.packages, ", ", MAX_DESCRIPTION.saturating_sub(head.len() + tail.len()))
    };
    format!("{head}{packages}{tail}")
}

/// What a description of ours says: the R, and the packages where all are listed.
pub(super) fn read(description: &str) -> Option<(String, Option<Vec<String>>)> {
    let (r, rest) = description.strip_prefix("R ")?.split_once(": ")?;
    let (packages, _) = rest.split_once("; content ")?;
    let listed: Vec<String> = packages.split(", ").map(str::to_owned).collect();
    let is_package = |text: &String| {
        let mut words = text.split(' ');
        words.next().is_some_and(|name| !name.is_empty()) && words.next().is_some() && words.next().is_none()
    };
    Some((r.to_owned(), listed.iter().all(is_package).then_some(listed)))
}

/// The different licences of the layer's packages.
pub(super) fn license(layer: &ManifestLayer, manifest: &Manifest) -> String {
    let packages = manifest.functions.iter().flat_map(|function| &function.packages);
    let licenses: BTreeSet<&str> = packages
        .filter(|package| package.layer == layer.name)
        .filter_map(|package| package.license.as_deref())
        .collect();
    let licenses: Vec<String> = licenses.into_iter().map(ascii).collect();
    listed(&licenses, "; ", MAX_LICENSE)
}

/// As many of the items as there is room for, and how many there are more.
fn listed(items: &[String], separator: &str, room: usize) -> String {
    let mut text = String::new();
    for (at, item) in items.iter().enumerate() {
        let before = if at == 0 { "" } else { separator };
        let left = items.len() - at;
        let more = format!("{before}and {left} more");
        let after = if left > 1 { format!("{separator}and {} more", left - 1).len() } else { 0 };
        if text.len() + before.len() + item.len() + after > room {
            text.push_str(&more);
            break;
        }
        text.push_str(before);
        text.push_str(item);
    }
    text
}

/// AWS counts characters and we count bytes: the same for ASCII alone.
fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> Manifest {
        Manifest::parse(include_bytes!("../../tests/fixtures/layers.json"), "").unwrap()
    }

    #[test]
    fn a_description_names_packages_r_content_and_lock() {
        let manifest = fixture();
        assert_eq!(
            description(&manifest.layers[0], &manifest),
            "R 4.5.0: R6 2.6.1; content 12a523c9d44303e1; layr.lock 9f86d081884c7d65; by layr"
        );
        assert_eq!(license(&manifest.layers[0], &manifest), "MIT + file LICENSE");
    }

    #[test]
    fn a_description_is_read_back_where_it_lists_all() {
        let mut manifest = fixture();
        let told = read(&description(&manifest.layers[0], &manifest)).unwrap();
        assert_eq!(told, ("4.5.0".to_owned(), Some(vec!["R6 2.6.1".to_owned()])));
        manifest.layers[0].packages = (0..200).map(|n| format!("package{n} 1.0")).collect();
        assert_eq!(read(&description(&manifest.layers[0], &manifest)).unwrap().1, None);
        assert_eq!(read("somebody else's layer"), None);
    }

    #[test]
    fn long_lists_stay_within_aws_s_limits_and_count_the_rest() {
        let mut manifest = fixture();
        manifest.layers[0].packages = (0..200).map(|n| format!("package{n} 1.0")).collect();
        let text = description(&manifest.layers[0], &manifest);
        assert!(text.len() <= MAX_DESCRIPTION && text.contains("more; content"), "{text}");
        let many: Vec<String> = (0..100).map(|n| format!("License-{n}")).collect();
        let text = listed(&many, "; ", MAX_LICENSE);
        assert!(text.len() <= MAX_LICENSE && text.ends_with(" more"), "{text}");
    }
}
