//! What all builds of a run share, made when the first package has to be built.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::tokens::Tokens;
use super::{BuildError, FarmSite, Instead, Scheduler, Site, Venue, recipe};
use crate::engine::{Engine, Root};
use crate::model::TreeDigest;
use crate::sys::fs;

#[derive(Clone)]
pub(super) struct Workshop<'a> {
    pub(super) ground: Ground<'a>,
    /// Where packages go that are not built by other machines, and which these are.
    pub(super) instead: Option<(Here<'a>, Instead<'a>)>,
    /// A folder with the recipe's files.
    pub(super) recipe: PathBuf,
    tokens: Arc<Tokens>,
    _folder: Arc<TempDir>,
}

/// What every build of a run begins with.
#[derive(Clone)]
pub(super) enum Ground<'a> {
    Here(Here<'a>),
    Farm(FarmSite<'a>, FarmGround),
    Jobs(&'a Scheduler),
}

/// What jobs of a farm share.
#[derive(Clone)]
pub(super) struct FarmGround {
    /// What every job finds besides its own.
    pub(super) tree: TreeDigest,
    /// A token for each core: so many jobs are prepared at once. Those that wait are begun no
    /// later for it, and the first are on their way.
    pub(super) preparing: Arc<Tokens>,
}

/// This machine.
#[derive(Clone)]
pub(super) struct Here<'a> {
    pub(super) engine: &'a Engine,
    pub(super) root: Root,
    pub(super) tokens: Arc<Tokens>,
}

impl<'a> Workshop<'a> {
    pub(super) fn new(site: Site<'a>, n_tokens: NonZeroUsize) -> Result<Self, BuildError> {
        let folder = site.store.temp_dir("build-")?;
        let tokens = Arc::new(Tokens::new(folder.path(), n_tokens.get()).map_err(BuildError::Tokens)?);
        let recipe = folder.path().join("recipe");
        fs::create_dir_all(&recipe)?;
        // Modes of their own, whatever the umask: the build's user reads them.
        fs::set_mode(&recipe, 0o755)?;
        for (name, text) in recipe::FILES {
            fs::write_atomic(&recipe.join(name), text.as_bytes())?;
            fs::set_mode(&recipe.join(name), 0o644)?;
        }
        let here = |engine: &'a Engine| -> Result<Here<'a>, BuildError> {
            let root = site.base.root_for(engine, site.report)?;
            Ok(Here { engine, root, tokens: Arc::clone(&tokens) })
        };
        let ground = match site.venue {
            Venue::Here(engine) => Ground::Here(here(engine)?),
            Venue::Farm(farm) => {
                let cores = folder.path().join("preparing");
                fs::create_dir_all(&cores)?;
                let preparing = Tokens::new(&cores, n_tokens.get()).map_err(BuildError::Tokens)?;
                Ground::Farm(farm, FarmGround { tree: farm.ground(site)?, preparing: preparing.into() })
            }
            Venue::Jobs(scheduler) => Ground::Jobs(scheduler),
        };
        let instead = site.instead.map(|instead| Ok::<_, BuildError>((here(instead.engine)?, instead)));
        let instead = instead.transpose()?;
        Ok(Self { ground, instead, recipe, tokens, _folder: folder.into() })
    }

    /// Puts back the tokens of builds that were killed; only while none runs.
    pub(super) fn refill(&self) -> Result<(), BuildError> {
        self.tokens.refill().map_err(BuildError::Tokens)
    }
}
