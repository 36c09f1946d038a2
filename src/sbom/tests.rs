//! Bills of materials of a manifest that has one of everything.

use serde_json::Value;

use super::*;
use crate::inventory;

fn read() -> Inventory {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/layers-full.json");
    inventory::read(std::path::Path::new(path), "").unwrap()
}

fn render(subject: Subject<'_>, format: Format) -> Value {
    let stamp = Stamp { version: "0.1.0", created: None };
    let inventory = read();
    serde_json::from_str(&Bom::of(&inventory, subject).unwrap().render(format, &stamp)).unwrap()
}

fn texts<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().filter_map(|value| value[field].as_str()).collect()
}

#[test]
fn a_function_s_bill_names_all_that_is_in_its_layers_and_what_they_were_built_against() {
    let bill = render(Subject::Function("report"), Format::CycloneDx);
    let purls = texts(&bill["components"], "purl");
    for purl in [
        "pkg:cran/xml2@1.3.6",
        "pkg:cran/own1@1.0?repository_url=https:%2F%2Facme.r-universe.dev",
        "pkg:github/r-lib/cli@0123456789012345678901234567890123456789",
        "pkg:bioconductor/limma@3.62.1",
        "pkg:cran/cpp11@0.5.2",
        "pkg:deb/debian/libxml2@2.12.7%2Bdfsg-3?arch=amd64&distro=trixie",
        "pkg:generic/R@4.5.0",
    ] {
        assert!(purls.contains(&purl), "{purl} is not in {purls:?}");
    }
    let component = |name: &str| {
        bill["components"].as_array().unwrap().iter().find(|component| component["name"] == name).unwrap()
    };
    assert_eq!(component("cpp11")["scope"], "excluded");
    assert_eq!(component("xml2")["licenses"][0]["expression"], "MIT");
    assert_eq!(component("xml2")["hashes"][0]["alg"], "SHA-256");
    let needs = |reference: &str| {
        let mut all = bill["dependencies"].as_array().unwrap().iter();
        all.find(|dependency| dependency["ref"] == reference).unwrap()["dependsOn"].clone()
    };
    assert_eq!(
        needs("package:xml2@1.3.6"),
        serde_json::json!(["library:libxml2-0123456789ab", "package:cli@3.6.5"])
    );
    assert_eq!(
        needs("function:report"),
        serde_json::json!([
            "R",
            "layer:layr-r4-5-x86-64-12a523c9d44303e1",
            "layer:layr-r4-5-x86-64-77ab0f3c5d61e208",
            "package:limma@3.62.1",
            "package:own1@1.0",
        ]),
        "what nothing else needs, and no more"
    );
}

#[test]
fn a_layer_s_bill_is_of_what_it_holds_alone() {
    let inventory = read();
    let layer = &inventory.layers[0];
    let bill = render(Subject::Layer(&layer.name), Format::CycloneDx);
    let zip = layer.zip_sha256.unwrap().to_hex();
    assert_eq!(bill["metadata"]["component"]["hashes"][0]["content"], zip);
    let names = texts(&bill["components"], "name");
    assert!(!names.contains(&"cpp11"), "{names:?}");
    for package in inventory.packages.iter().filter(|package| package.is_shipped) {
        let is_in = package.layers.contains(&layer.name);
        assert_eq!(names.contains(&package.id.name.as_str()), is_in, "{}", package.id);
    }
}

#[test]
fn spdx_says_how_things_relate_and_what_licences_it_has_no_name_for() {
    let bill = render(Subject::Function("report"), Format::Spdx);
    let relations: Vec<String> = bill["relationships"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            let field = |name: &str| r[name].as_str().unwrap().trim_start_matches("SPDXRef-").to_owned();
            format!(
                "{} {} {}",
                field("spdxElementId"),
                field("relationshipType"),
                field("relatedSpdxElement")
            )
        })
        .collect();
    for relation in [
        "DOCUMENT DESCRIBES Function-report",
        "Package-xml2-1.3.6 DEPENDS_ON Package-cli-3.6.5",
        "Package-xml2-1.3.6 DEPENDS_ON Library-libxml2-0123456789ab",
        "Package-cpp11-0.5.2 BUILD_DEPENDENCY_OF Package-own1-1.0",
        "Layer-layr-r4-5-x86-64-12a523c9d44303e1 CONTAINS Package-xml2-1.3.6",
    ] {
        assert!(relations.contains(&relation.to_owned()), "{relation} is not in {relations:#?}");
    }
    let names = texts(&bill["hasExtractedLicensingInfos"], "licenseId");
    assert_eq!(names, ["LicenseRef-file-LICENSE"]);
}

#[test]
fn the_same_content_has_the_same_number_and_other_content_another() {
    let number = |subject| render(subject, Format::CycloneDx)["serialNumber"].as_str().unwrap().to_owned();
    let report = number(Subject::Function("report"));
    assert_eq!(report, number(Subject::Function("report")));
    assert_ne!(report, number(Subject::Function("score")));
    assert_eq!(&report[23..24], "8", "a UUID of our own making, by RFC 9562: {report}");
}
