//! A function's layers to a container image: the same trees, one image layer each, over a
//! base that is named by digest.
//!
//! ```text
//! DIR/                    an OCI image layout, which `docker load` takes as well
//!   oci-layout  index.json  manifest.json
//!   blobs/sha256/…        manifest, config, the base's layers, then ours
//! ```
//!
//! Lambda wants one manifest for one architecture, gzip, and a history entry for each layer.

mod archive;
mod error;
mod layout;

use std::io;
use std::path::Path;

pub use error::ImageError;
use layout::Blobs;
use serde_json::{Value, json};

use crate::engine::Container;
use crate::model::{Architecture, Sha256Digest};
use crate::store::{Entry, Store};

/// What goes into an image. No `Default`: each field is the caller's decision.
pub struct ImageRequest<'a> {
    /// An image by digest, e.g. `public.ecr.aws/lambda/provided@sha256:…`.
    pub base: &'a str,
    pub arch: Architecture,
    /// In attach order: layers of one plan, so that functions share them.
    pub layers: &'a [ImageLayer],
    /// `file.function`: the image's command.
    pub handler: &'a str,
    /// How the image is called where it is loaded.
    pub tag: &'a str,
    /// Tell Lambda that snapshots are fine.
    pub snapstart: bool,
}

/// A tree's entries, and where they lie.
pub struct ImageLayer {
    pub name: String,
    pub entries: Vec<Entry>,
    /// `opt`, or `var/task`.
    pub path: &'static str,
}

/// Writes the image into a folder; the digest of its manifest.
///
/// # Errors
///
/// Where the folder has other files, the base cannot be had or is for another architecture,
/// or a tree is not in the store.
pub fn write(
    request: &ImageRequest<'_>,
    container: &Container,
    store: &Store,
    folder: &Path,
) -> Result<Sha256Digest, ImageError> {
    let unavailable = |source| ImageError::Base { base: request.base.to_owned(), source };
    let blobs = Blobs::open(folder)?;
    if container.image_id(request.base).is_none() {
        container.pull(request.base, Some(&request.arch.platform())).map_err(unavailable)?;
    }
    let saved = store.temp_file()?;
    container.save(request.base, saved.path()).map_err(unavailable)?;
    let base = archive::read(saved.path(), &blobs)?;
    let mut config = base.config;
    let found = config["architecture"].as_str().unwrap_or_default().to_owned();
    if found != request.arch.oci() {
        let (base, wanted) = (request.base.to_owned(), request.arch.oci());
        return Err(ImageError::OtherArchitecture { base, found, wanted });
    }
    let mut descriptors = base.layers;
    for layer in request.layers {
        let (descriptor, diff_id) = layout::layer(layer, store, &blobs)?;
        descriptors.push(descriptor);
        append(&mut config["rootfs"]["diff_ids"], json!(format!("sha256:{diff_id}")));
        let created = config["created"].clone();
        append(
            &mut config["history"],
            json!({ "created": created, "created_by": format!("layr {}", layer.name) }),
        );
    }
    config["config"]["Cmd"] = json!([request.handler]);
    if request.snapstart {
        config["config"]["Labels"]["com.amazonaws.lambda.feature.snapstart"] = json!("Allow");
    }
    layout::finish(&blobs, &config, &descriptors, request.tag)
}

/// Hands a layout to the container program.
///
/// # Errors
///
/// Where it cannot be read, or the program does not take it.
pub fn load(folder: &Path, container: &Container) -> Result<(), ImageError> {
    let write = |stdin: &mut dyn io::Write| {
        let mut tar = tar::Builder::new(stdin);
        tar.append_dir_all("", folder)?;
        tar.finish()
    };
    container.load(write).map_err(ImageError::Load)
}

/// Adds to a list, which is made where there is none.
fn append(list: &mut Value, item: Value) {
    if let Value::Array(items) = list {
        items.push(item);
    } else {
        *list = json!([item]);
    }
}
