//! What the stages see of a cache: packages that others have built, and a place for those
//! that are built here. Sending goes on beside the build.

use std::collections::BTreeSet;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use super::note::State;
use super::notes::{Notes, Reservation};
use super::{Claim, Refusal, Remote, RemoteError, claim};
use crate::model::{BuildKey, PackageId, TreeDigest, counted};
use crate::report::{Event, Report};
use crate::store::{Blob, BuildRecord, IncomingTree, Kind, Parcel, SourceRecord, Store, StoreError};
use crate::sys::threads::try_in_parallel;

/// A cache, and the store that it gives to and takes from.
#[derive(Clone, Copy)]
pub struct Shared<'a> {
    remote: &'a Remote,
    store: &'a Store,
    report: &'a dyn Report,
    /// `None` where this machine only reads.
    outbox: Option<&'a Sender<Offer>>,
    /// Who is at which build; `None` where nothing is built.
    notes: Option<&'a Notes<'a>>,
}

/// A package that was built here.
struct Offer {
    key: BuildKey,
    record: BuildRecord,
    tarball: Option<Blob>,
}

/// How much of a store a cache has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    pub n_builds: usize,
    /// Of those, results that are there and believed.
    pub n_results: usize,
}

/// Questions at once.
const N_ASKED: usize = 16;
/// Builds that are sent at once.
const N_SENT: usize = 4;
/// A package's folders; thousands of files need less than a megabyte.
pub(super) const MOST_MESSAGE_BYTES: u64 = 16 << 20;
/// All files of a package: Lambda takes an eighth of it.
pub(super) const MOST_TREE_BYTES: u64 = 2 << 30;

/// Does `work` with the cache, if there is one, and then waits until what was built is there
/// as well.
pub fn sharing<T>(
    remote: Option<&Remote>,
    (store, report): (&Store, &dyn Report),
    work: impl FnOnce(Option<Shared<'_>>) -> T,
) -> T {
    let Some(remote) = remote else { return work(None) };
    let notes = Notes::new(remote, report);
    let shared = Shared { notes: Some(&notes), ..Shared::new(remote, store, report) };
    if !remote.may_write() {
        return work(Some(shared));
    }
    std::thread::scope(|scope| {
        let (outbox, offers) = mpsc::channel();
        scope.spawn(|| {
            let offers = offers;
            shared.send_offers(&offers);
            // What was sent is there for others to find, and only then nobody is at it.
            notes.close();
        });
        scope.spawn(|| notes.keep());
        work(Some(Shared { outbox: Some(&outbox), ..shared }))
    })
}

impl<'a> Shared<'a> {
    /// For a command that is about the cache itself.
    pub fn new(remote: &'a Remote, store: &'a Store, report: &'a dyn Report) -> Self {
        Self { remote, store, report, outbox: None, notes: None }
    }
}

impl Shared<'_> {
    /// What others say that these keys gave, where they are believed; the others are `None`.
    pub fn results(&self, wanted: &[(BuildKey, &PackageId)]) -> Result<Vec<Option<Claim>>, StoreError> {
        let asked = try_in_parallel(N_ASKED, wanted, |(key, id)| {
            self.remote
                .asking(|| self.remote.server.result(claim::action(*key)))
                .map(|message| message.and_then(|message| self.believed(&message, (*key, id))))
        });
        let found = self.remote.or_without(asked, self.report)?;
        Ok(found.unwrap_or_else(|| wanted.iter().map(|_| None).collect()))
    }

    fn believed(&self, message: &[u8], (key, id): (BuildKey, &PackageId)) -> Option<Claim> {
        match Claim::open(message, (key, id.name.as_str()), &self.remote.settings.trusted) {
            Ok(claim) => Some(claim),
            Err(refusal) => {
                self.refuse(&id.to_string(), &refusal);
                None
            }
        }
    }

    fn refuse(&self, package: &str, why: &dyn std::fmt::Display) {
        let address = &self.remote.settings.address;
        let text = format!("the result of {package} in remote cache {address} is refused: {why}");
        self.remote.warn_once(&text, self.report);
    }

    /// Brings packages into the store, and records them there. Gives the keys of those that
    /// are complete: a server may have lost some of their files.
    pub fn bring(&self, claims: &[Claim]) -> Result<BTreeSet<BuildKey>, StoreError> {
        let (fitting, too_large): (Vec<_>, Vec<_>) =
            claims.iter().partition(|claim| claim.message.n_bytes <= MOST_MESSAGE_BYTES);
        for claim in too_large {
            self.refuse(&claim.record.package, &"its list of files is too large");
        }
        let messages: BTreeSet<Blob> = fitting.iter().map(|claim| claim.message).collect();
        let messages = self.remote.bytes_of(&messages.into_iter().collect::<Vec<_>>());
        let Some(messages) = self.remote.or_without(messages, self.report)? else {
            return Ok(BTreeSet::new());
        };
        let mut trees: Vec<(&Claim, IncomingTree)> = Vec::new();
        for claim in fitting {
            let Some(message) = messages.get(&claim.message.digest) else { continue };
            match IncomingTree::read(message, Some(claim.tree)) {
                Ok(tree) if tree.unzipped_bytes > MOST_TREE_BYTES => {
                    self.refuse(&claim.record.package, &"its files are too large");
                }
                Ok(tree) if tree.unzipped_bytes != claim.record.unzipped_bytes => {
                    let (stated, actual) =
                        (claim.record.unzipped_bytes.to_string(), tree.unzipped_bytes.to_string());
                    self.refuse(&claim.record.package, &Refusal::OtherTree { stated, actual });
                }
                Ok(tree) => trees.push((claim, tree)),
                Err(flaw) => self.refuse(&claim.record.package, &flaw),
            }
        }
        let files: BTreeSet<Blob> = trees.iter().flat_map(|(_, tree)| tree.files.iter().copied()).collect();
        self.bring_blobs(&files.into_iter().collect::<Vec<_>>())?;
        let mut complete = BTreeSet::new();
        for (claim, tree) in trees {
            if tree.files.iter().all(|blob| self.store.has(*blob)) {
                self.store.keep_tree(&tree)?;
                self.store.put_record(Kind::Build, &claim.key.to_hex(), &claim.record)?;
                complete.insert(claim.key);
            }
        }
        Ok(complete)
    }

    /// Brings blobs whose names are known, as far as the cache has them.
    pub fn bring_blobs(&self, blobs: &[Blob]) -> Result<(), StoreError> {
        let brought = self.remote.bring_blobs(blobs, self.store);
        self.remote.or_without(brought, self.report).map(drop)
    }

    /// Asks whether another machine is at this build; if not, says that this one is. At most
    /// `limit` is waited for others, in all.
    pub fn reserve(&self, key: BuildKey, limit: Duration) -> Result<Reservation, StoreError> {
        self.notes.map_or(Ok(Reservation::Ours), |notes| notes.reserve(key, limit))
    }

    /// Says that this machine is not at this build any more. Others need not wait for one
    /// another if it cannot be built.
    pub fn release(&self, key: BuildKey, has_failed: bool) {
        if let Some(notes) = self.notes {
            notes.release(key, if has_failed { State::Failed } else { State::Ended });
        }
    }

    /// Hands over a package that was built here, with the tarball that it was built from.
    pub fn offer(&self, key: BuildKey, record: BuildRecord, tarball: Blob) {
        if let Some(outbox) = self.outbox {
            // Should nobody listen any more, it was given up, and that was said.
            _ = outbox.send(Offer { key, record, tarball: Some(tarball) });
        }
    }

    /// Sends what is handed over until nothing more can come. Failing is no failure of the
    /// build's.
    fn send_offers(&self, offers: &Receiver<Offer>) {
        let mut n_sent = 0;
        for offer in offers {
            let sent = self.send(&offer);
            match self.remote.or_without(sent, self.report) {
                Ok(Some(())) => n_sent += 1,
                Ok(None) => {}
                Err(error) => {
                    let text = format!("{} was not sent to the remote cache: {error}", offer.record.package);
                    self.report.report(&Event::Warning { text: &text });
                }
            }
            self.release(offer.key, false);
        }
        if n_sent > 0 {
            let packages = counted(n_sent, "package");
            let text = format!("sent {packages} to {}", self.remote.settings.address);
            self.report.report(&Event::Note { text: &text });
        }
    }

    /// The result comes last: whoever finds it finds the rest.
    fn send(&self, offer: &Offer) -> Result<(), RemoteError> {
        let Offer { key, record, tarball } = offer;
        let Ok(tree) = record.tree.parse::<TreeDigest>() else { return Ok(()) };
        let message = self.store.tree_message(tree)?;
        let mut parcel = Parcel::over(self.store);
        let named = parcel.put(message);
        // Folders by themselves, too: servers look whether a result has all that it leads to.
        let mut blobs = self.store.closure_of(tree)?;
        blobs.push(named);
        blobs.extend(tarball);
        self.remote.send_blobs(&blobs, &parcel)?;
        let claim = Claim { key: *key, tree, message: named, record: record.clone() };
        let sealed = claim.seal(self.remote.settings.signing_key.as_ref());
        let sealed = sealed.map_err(|error| StoreError::Write(error.into()))?;
        self.remote.asking(|| self.remote.put_result(claim::action(*key), &sealed))
    }

    /// Sends all that the store has and the cache lacks: packages, and their sources. Gives
    /// the number of packages that were sent.
    ///
    /// # Errors
    ///
    /// What the cache fails with: here it is what the user asked for.
    pub fn push(&self) -> Result<usize, RemoteError> {
        let pushed = self.push_all();
        pushed.map_err(|error| self.remote.at(error))
    }

    fn push_all(&self) -> Result<usize, RemoteError> {
        let sources: Vec<(String, SourceRecord)> = self.store.all_records(Kind::Source)?;
        let tarballs = sources.into_iter().filter_map(|(_, record)| {
            Some(Blob { digest: record.sha256.parse().ok()?, n_bytes: record.n_bytes })
        });
        let tarballs: Vec<Blob> = tarballs.filter(|blob| self.store.has(*blob)).collect();
        self.remote.send_blobs(&tarballs, &Parcel::over(self.store))?;
        let builds = self.builds()?;
        let sent = try_in_parallel(N_SENT, &builds, |(key, record)| {
            if self.has_result(*key, &record.package)? {
                return Ok(0);
            }
            self.send(&Offer { key: *key, record: record.clone(), tarball: None }).map(|()| 1)
        });
        Ok(sent?.into_iter().sum())
    }

    /// How much of what the store has is there.
    ///
    /// # Errors
    ///
    /// What the cache fails with.
    pub fn stats(&self) -> Result<Stats, RemoteError> {
        let builds = self.builds()?;
        let there = try_in_parallel(N_ASKED, &builds, |(key, record)| self.has_result(*key, &record.package));
        let there = there.map_err(|error| self.remote.at(error))?;
        Ok(Stats {
            n_builds: builds.len(),
            n_results: there.into_iter().filter(|is_there| *is_there).count(),
        })
    }

    /// Whether somebody's word for it is there already, that is believed.
    fn has_result(&self, key: BuildKey, package: &str) -> Result<bool, RemoteError> {
        let message = self.remote.asking(|| self.remote.server.result(claim::action(key)))?;
        let trusted = &self.remote.settings.trusted;
        Ok(message.is_some_and(|message| Claim::open(&message, (key, package), trusted).is_ok()))
    }

    /// The packages of the store that are complete.
    fn builds(&self) -> Result<Vec<(BuildKey, BuildRecord)>, StoreError> {
        let records: Vec<(String, BuildRecord)> = self.store.all_records(Kind::Build)?;
        let complete = records.into_iter().filter_map(|(key, record)| {
            let tree: TreeDigest = record.tree.parse().ok()?;
            self.store.has_tree(tree.0).then_some((key.parse().ok()?, record))
        });
        Ok(complete.collect())
    }
}
