//! The last step of a run: the packages of every function, loaded from its zips.

use std::path::PathBuf;

use super::finishing::Finishing;
use super::run::Run;
use super::runtime::{packed, runtime_tree};
use super::{FunctionReport, LoadTest, Services};
use crate::base::{self, Base};
use crate::engine::EngineError;
use crate::error::Error;
use crate::loading::{self, LoadError, Site};
use crate::model::{LayerDigest, PackageName, Sha256Digest, TreeDigest, counted};
use crate::report::Event;
use crate::store::{Kind, LoadRecord};
use crate::sys::hash::sha256_of_list;
use crate::sys::process::ProcessError;

/// Part of every key: another way of testing, other records.
const VERSION: &str = "layr load 2";

impl Run<'_> {
    /// Loads what was not loaded before. Where that cannot be tried at all, a warning says so.
    pub(super) fn load_test(
        &self,
        functions: &[FunctionReport],
        base: &Base,
        finishing: &Finishing,
    ) -> Result<(), Error> {
        if self.request.load_test == LoadTest::Skip {
            return Ok(());
        }
        match self.load_functions(functions, base, finishing) {
            Err(Error::Load(LoadError::Engine(EngineError::Process(ProcessError::Interrupted)))) => {
                Err(Error::Interrupted)
            }
            Err(error @ (Error::Runtime(_) | Error::Engine(_) | Error::Load(LoadError::NoStart { .. }))) => {
                let text = format!("the layers were not tried: {error}");
                self.services.report.report(&Event::Warning { text: &text });
                Ok(())
            }
            result => result,
        }
    }

    fn load_functions(
        &self,
        functions: &[FunctionReport],
        base: &Base,
        finishing: &Finishing,
    ) -> Result<(), Error> {
        let store = &self.services.store;
        let runtime = runtime_tree(base, self)?.1;
        let root = loading::root(&finishing.policy, &finishing.rootfs, store).map_err(LoadError::from)?;
        let folder = store.temp_dir("zips-")?;
        let mut runtime_zip = None;
        for function in functions {
            let packages = packages_of(function);
            let layers = [runtime.digest].into_iter().chain(function.layers.iter().map(|layer| layer.digest));
            let in_code = function.in_code.as_ref().map(|packages| TreeDigest(packages.digest.0));
            let key = key(&packages, (layers, in_code), root).to_hex();
            if packages.is_empty() || store.record::<LoadRecord>(Kind::Load, &key)?.is_some() {
                continue;
            }
            let runtime_zip = match &runtime_zip {
                Some(layer) => layer,
                None => runtime_zip.insert(packed(&runtime, base, self, folder.path())?),
            };
            let own = function.layers.iter().map(|layer| self.request.out.join(layer.file_name()));
            let zips: Vec<_> = [folder.path().join(runtime_zip.file_name())].into_iter().chain(own).collect();
            self.load_function((&function.name, &packages), (&zips, in_code), root)?;
            store.put_record(Kind::Load, &key, &LoadRecord { n_packages: packages.len() })?;
        }
        Ok(())
    }

    fn load_function(
        &self,
        (function, packages): (&str, &[PackageName]),
        (zips, in_code): (&[PathBuf], Option<TreeDigest>),
        root: TreeDigest,
    ) -> Result<(), Error> {
        let Services { store, report, interrupt, .. } = self.services;
        report.report(&Event::Note {
            text: &format!("loading {} of {function}", counted(packages.len(), "package")),
        });
        let unpacked = store.temp_dir("opt-")?;
        let opt = unpacked.path().join("opt");
        loading::unpack(zips, &opt)?;
        let task = in_code.map(|packages| store.materialise(packages)).transpose()?;
        let engine = self.engine()?;
        let tag = format!("layr-target:{}", &root.to_hex()[..16]);
        let root = base::folder_as_root(&store.materialise(root)?, &tag, engine)?;
        let site = Site { store, engine, interrupt, root: &root, opt: &opt, task: task.as_deref() };
        let failures = loading::load(packages, site)?;
        if failures.is_empty() {
            return Ok(());
        }
        Err(LoadError::Failed { function: function.to_owned(), failures }.into())
    }
}

fn packages_of(function: &FunctionReport) -> Vec<PackageName> {
    let shipped = function.packages.iter().filter(|package| package.finished.is_some());
    shipped.map(|package| package.built.id.name.clone()).collect()
}

/// All that decides whether packages load.
fn key(
    packages: &[PackageName],
    (layers, in_code): (impl Iterator<Item = LayerDigest>, Option<TreeDigest>),
    root: TreeDigest,
) -> Sha256Digest {
    let mut parts = vec![VERSION.to_owned(), root.to_hex()];
    parts.extend(layers.map(|layer| format!("layer {}", layer.to_hex())));
    parts.extend(in_code.map(|packages| format!("in code {}", packages.to_hex())));
    parts.extend(packages.iter().map(ToString::to_string));
    sha256_of_list(&parts)
}
