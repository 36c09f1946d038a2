//! layers.json: what a build has made and where it was published, to text and back. Pure.
//!
//! docs/layers-json.md has the fields.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::model::{
    Architecture, ArchiveDigest, BaseDigest, LayerDigest, LayerVersionArn, Sha256Digest, TreeDigest,
};

/// In place of a layer's name, for packages that lie in a function's code.
pub const IN_CODE: &str = "code";

/// Its file in the output folder.
pub const FILE_NAME: &str = "layers.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub schema: u32,
    /// The base's R.
    pub r: String,
    pub arch: Architecture,
    /// The name of what the layers run on.
    #[serde(default)]
    pub target: String,
    pub base: ManifestBase,
    /// Of layr.lock as the build left it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layr_lock_sha256: Option<Sha256Digest>,
    pub functions: Vec<ManifestFunction>,
    /// Every layer once, sorted by name.
    pub layers: Vec<ManifestLayer>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestBase {
    pub recipe: String,
    pub digest: BaseDigest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFunction {
    pub name: String,
    pub lockfile: String,
    /// Names, in attach order.
    pub layers: Vec<String>,
    /// It is deployed as a container image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_image: bool,
    pub code_bytes: u64,
    pub unzipped_bytes: u64,
    pub packages: Vec<ManifestPackage>,
    /// Packages that lie in its code instead of in a layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_code: Option<ManifestCode>,
    /// Libraries of the base that came along with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<ManifestLibrary>,
    /// What packages were built against and that is in no layer, such as headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub build_only: Vec<ManifestSource>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestCode {
    /// Of the packages, as of a layer.
    pub digest: LayerDigest,
    /// The code with the packages in it.
    pub zip: String,
    /// Of the packages alone.
    pub unzipped_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestLibrary {
    /// Its folder in the layer; says its content.
    pub name: String,
    /// What it is called in the base.
    pub soname: String,
    pub layer: String,
    pub tree: TreeDigest,
    pub unzipped_bytes: u64,
    /// The system package it is part of, where the base says.
    pub package: Option<String>,
    pub version: Option<String>,
    /// The source package that it was built of; absent in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_version: Option<String>,
    /// The form of these packages and the distribution; absent where the base does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    pub licenses: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestPackage {
    pub name: String,
    pub version: String,
    pub layer: String,
    pub tree: TreeDigest,
    pub unzipped_bytes: u64,
    pub source_url: String,
    pub source_sha256: Sha256Digest,
    pub license: Option<String>,
    /// `Depends`, `Imports` and `LinkingTo`, as `name version`; absent in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<Vec<String>>,
    /// Names of the libraries that came along with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<String>,
}

/// A package that is built and not shipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestSource {
    pub name: String,
    pub version: String,
    pub source_url: String,
    pub source_sha256: Sha256Digest,
    pub license: Option<String>,
    /// As `name version`.
    pub dependencies: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestLayer {
    pub name: String,
    pub digest: LayerDigest,
    pub zip: String,
    pub zip_sha256: ArchiveDigest,
    pub zip_bytes: u64,
    pub unzipped_bytes: u64,
    /// As `name version`.
    pub packages: Vec<String>,
    /// By region, the version that holds these very bytes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub published: BTreeMap<String, LayerVersionArn>,
}

/// runtime.json, which `layr runtime build` leaves beside it; docs/runtime-layer.md has the
/// fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RuntimeFile {
    pub r: String,
    pub arch: Architecture,
    pub layer: RuntimeLayer,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RuntimeLayer {
    pub name: String,
    pub digest: LayerDigest,
    pub zip: String,
    pub zip_sha256: ArchiveDigest,
    pub zip_bytes: u64,
    pub unzipped_bytes: u64,
}

impl RuntimeFile {
    pub const FILE_NAME: &str = "runtime.json";

    /// # Errors
    ///
    /// Where the text is not of this form.
    pub fn parse(bytes: &[u8], path: &str) -> Result<Self, ManifestError> {
        let syntax = |source| ManifestError::Syntax { path: path.to_owned(), source };
        serde_json::from_slice(bytes).map_err(syntax)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("there is no `{path}`")]
    Missing { path: String },
    #[error("`{path}` is not of the form that layr writes")]
    Syntax { path: String, source: serde_json::Error },
    #[error("the runtime layer is R {runtime}, but the packages are for R {packages}")]
    OtherR { runtime: String, packages: String },
    #[error("`{path}` has schema {found}, but this layr knows schema {}", Manifest::SCHEMA)]
    Schema { path: String, found: u64 },
}

impl ManifestError {
    /// What the user can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Missing { .. } => "run `layr build` first, or say with --dist where its output is",
            Self::Syntax { .. } => "run `layr build` again: it writes the file anew",
            Self::OtherR { .. } => "run `layr runtime build` again, with the base of the packages",
            Self::Schema { .. } => "use the layr that wrote it, or build again with this one",
        }
        .to_owned()
    }
}

impl Manifest {
    pub const SCHEMA: u32 = 1;

    /// Whether these bytes are a manifest of whichever schema, rather than a lockfile.
    pub fn is_one(bytes: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Head {
            #[expect(dead_code, reason = "that it is there is all that is asked")]
            schema: u64,
            #[expect(dead_code, reason = "the same")]
            layers: IgnoredAny,
        }
        serde_json::from_slice::<Head>(bytes).is_ok()
    }

    /// `path` is for messages.
    ///
    /// # Errors
    ///
    /// Where the text is of another schema, or not of this form.
    pub fn parse(bytes: &[u8], path: &str) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Head {
            schema: u64,
        }
        let syntax = |source| ManifestError::Syntax { path: path.to_owned(), source };
        let Head { schema } = serde_json::from_slice(bytes).map_err(syntax)?;
        if schema != u64::from(Self::SCHEMA) {
            return Err(ManifestError::Schema { path: path.to_owned(), found: schema });
        }
        serde_json::from_slice(bytes).map_err(syntax)
    }

    pub fn render(&self) -> String {
        // Serializing plain strings and numbers to JSON cannot fail.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    pub fn layer(&self, name: &str) -> Option<&ManifestLayer> {
        self.layers.iter().find(|layer| layer.name == name)
    }

    /// Without functions that are container images, and layers that only those have: these
    /// may be larger than Lambda takes.
    #[must_use]
    pub fn for_lambda(mut self) -> Self {
        let has = |function: &ManifestFunction, layer: &ManifestLayer| function.layers.contains(&layer.name);
        let (images, functions): (Vec<_>, Vec<_>) =
            self.functions.into_iter().partition(|function| function.is_image);
        self.layers.retain(|layer| {
            let of_image = images.iter().any(|function| has(function, layer));
            !of_image || functions.iter().any(|function| has(function, layer))
        });
        self.functions = functions;
        self
    }

    /// Puts the runtime layer before each function's other layers.
    ///
    /// # Errors
    ///
    /// Where it is another R than the packages were built for, or for another architecture.
    pub fn attach_runtime(&mut self, runtime: RuntimeFile) -> Result<(), ManifestError> {
        let series = |r: &str| r.split('.').take(2).map(str::to_owned).collect::<Vec<_>>();
        if runtime.arch != self.arch || series(&runtime.r) != series(&self.r) {
            let shown = |r: &str, arch: Architecture| format!("{r} on {arch}");
            let (runtime, packages) = (shown(&runtime.r, runtime.arch), shown(&self.r, self.arch));
            return Err(ManifestError::OtherR { runtime, packages });
        }
        let RuntimeLayer { name, digest, zip, zip_sha256, zip_bytes, unzipped_bytes } = runtime.layer;
        for function in self.functions.iter_mut().filter(|function| !function.layers.contains(&name)) {
            function.layers.insert(0, name.clone());
            function.unzipped_bytes += unzipped_bytes;
        }
        if self.layer(&name).is_none() {
            let (packages, published) = (Vec::new(), BTreeMap::new());
            let layer = ManifestLayer {
                name,
                digest,
                zip,
                zip_sha256,
                zip_bytes,
                unzipped_bytes,
                packages,
                published,
            };
            self.layers.push(layer);
            self.layers.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(())
    }

    /// Takes over where the same bytes were published before.
    pub fn remember(&mut self, before: &Self) {
        for layer in &mut self.layers {
            // By content alone: somebody else's prefix is another name for the same bytes.
            let same = before.layers.iter().find(|old| old.zip_sha256 == layer.zip_sha256);
            if let Some(old) = same {
                layer.published.clone_from(&old.published);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = include_str!("../tests/fixtures/layers.json");

    #[test]
    fn a_manifest_is_rendered_as_it_was_read() {
        let manifest = Manifest::parse(TEXT.as_bytes(), "layers.json").unwrap();
        assert_eq!(manifest.render(), TEXT);
    }

    #[test]
    fn another_schema_is_an_error_that_names_both() {
        let error = Manifest::parse(br#"{"schema": 2, "layers": {}}"#, "dist/layers.json").unwrap_err();
        assert_eq!(error.to_string(), "`dist/layers.json` has schema 2, but this layr knows schema 1");
    }

    #[test]
    fn arns_are_kept_for_the_same_bytes_alone() {
        let published = Manifest::parse(TEXT.as_bytes(), "").unwrap();
        let mut built = published.clone();
        built.layers.iter_mut().for_each(|layer| layer.published.clear());
        built.layers[1].zip_sha256 = ArchiveDigest(Sha256Digest([7; 32]));
        built.remember(&published);
        assert_eq!(built.layers[0].published, published.layers[0].published);
        assert!(built.layers[1].published.is_empty());
    }

    #[test]
    fn the_runtime_comes_first_once_and_only_for_its_own_r() {
        let runtime = |r: &str| RuntimeFile {
            r: r.to_owned(),
            arch: Architecture::X86_64,
            layer: RuntimeLayer {
                name: "layr-runtime-00".to_owned(),
                digest: LayerDigest(Sha256Digest([1; 32])),
                zip: "layr-runtime-00.zip".to_owned(),
                zip_sha256: ArchiveDigest(Sha256Digest([2; 32])),
                zip_bytes: 10,
                unzipped_bytes: 30,
            },
        };
        let mut manifest = Manifest::parse(TEXT.as_bytes(), "").unwrap();
        manifest.attach_runtime(runtime("4.5.2")).unwrap();
        manifest.attach_runtime(runtime("4.5.2")).unwrap();
        assert_eq!(manifest.functions[1].layers, ["layr-runtime-00", "layr-r4-5-x86-64-12a523c9d44303e1"]);
        assert_eq!(manifest.layers.len(), 3);
        let error = manifest.attach_runtime(runtime("4.4.1")).unwrap_err();
        assert!(error.to_string().contains("4.4.1") && error.to_string().contains("4.5.0"), "{error}");
    }
}
