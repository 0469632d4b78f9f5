//! The transfer of one layer, shared by all pulls that need it.
//!
//! ```text
//!              first join                 permit              last byte, digest right         parent registered
//!  (no entry) ─────> New, Queued ────────────────> Fetching ──────────────────────> Fetched ───────────────────> Ended Ok
//!                             │                        │                                │
//!                             └────────────────────────┴── error, or nobody watches ────┴──────────────────────> Ended Err
//! ```
//! A transfer is a task of its own. It is watched through [`Watch`]es, which are what pulls hold; when the last one is
//! dropped the transfer is given up. A transfer watches the one of the layer below, so a stack lives as long as its top
//! is wanted.

use super::{blocking, unpack};
use crate::distribution::Home;
use crate::{Error, Images};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tierce_oci::{ChainId, Descriptor, DiffId};
use tierce_registry::Repository;
use tierce_store::{Lease, Resource};
use tokio::sync::{Semaphore, oneshot, watch};

/// What to transfer.
#[derive(Debug, Clone)]
pub(crate) struct Blueprint {
    /// Chains up to and with this layer's, bottom first.
    pub(crate) stack: Vec<ChainId>,
    /// What it must unpack to.
    pub(crate) diff_id: DiffId,
    /// Where it is.
    pub(crate) blob: Descriptor,
    /// Who has it.
    pub(crate) repository: Repository,
    /// Set when nobody wants it any more: then nothing is kept for another try.
    pub(crate) given_up: Arc<AtomicBool>,
}

/// How far a transfer is.
#[derive(Debug, Clone)]
pub(crate) enum State {
    /// It is about to begin.
    New,
    /// Waits for others to end.
    Queued,
    /// So many bytes have come and are being unpacked as they come.
    Fetching(u64),
    /// All bytes are unpacked and right.
    Fetched,
    /// It is over.
    Ended(Result<(), Arc<Error>>),
}

/// Somebody's interest in a transfer.
pub(crate) struct Watch {
    pub(crate) state: watch::Receiver<State>,
    /// Bytes of the blob.
    pub(crate) total: u64,
    // Dropped with the last watch; its other half gives the transfer up.
    _interest: oneshot::Sender<()>,
}

impl Watch {
    /// Waits for the end.
    async fn ended(&self) -> Result<(), Error> {
        let mut state = self.state.clone();
        let end = state.wait_for(|state| matches!(state, State::Ended(_))).await;
        match end.as_deref() {
            Ok(State::Ended(Err(error))) => Err(Error::Shared(error.clone())),
            Ok(_) => Ok(()),
            // The task died without a word.
            Err(_) => Err(Error::Cancelled),
        }
    }
}

/// The transfers under way.
#[derive(Default)]
pub(crate) struct Transfers {
    table: Mutex<HashMap<ChainId, Weak<Watch>>>,
}

impl Transfers {
    /// Joins the transfer of a layer, or begins it.
    pub(crate) fn join(
        &self,
        images: &Arc<Images>,
        below: Option<Arc<Watch>>,
        blueprint: impl FnOnce() -> Blueprint,
    ) -> Arc<Watch> {
        let blueprint = blueprint();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.retain(|_, watch| watch.strong_count() > 0);
        let chain = top(&blueprint).cloned();
        if let Some(watch) = chain
            .as_ref()
            .and_then(|chain| table.get(chain))
            .and_then(Weak::upgrade)
            && !matches!(*watch.state.borrow(), State::Ended(Err(_)))
        {
            return watch;
        }
        let (sender, state) = watch::channel(State::New);
        let (interest, abandoned) = oneshot::channel();
        let watch = Arc::new(Watch {
            state,
            total: blueprint.blob.size,
            _interest: interest,
        });
        if let Some(chain) = chain {
            table.insert(chain, Arc::downgrade(&watch));
        }
        let task = Task {
            images: images.clone(),
            blueprint,
            below,
            state: sender,
            permits: images.reach.terms().downloads,
        };
        tokio::spawn(task.run(abandoned));
        watch
    }
}

fn top(blueprint: &Blueprint) -> Option<&ChainId> {
    blueprint.stack.last()
}

struct Task {
    images: Arc<Images>,
    blueprint: Blueprint,
    below: Option<Arc<Watch>>,
    state: watch::Sender<State>,
    permits: Arc<Semaphore>,
}

impl Task {
    async fn run(self, mut abandoned: oneshot::Receiver<()>) {
        let work = self.images.work_name("transfer");
        for chain in &self.blueprint.stack {
            self.images
                .leases
                .hold(Resource::layer(chain.to_string()), Lease::new(&work));
        }
        let given_up = async {
            // An error is what a dropped sender gives.
            let _ = (&mut abandoned).await;
            // Said before the download is dropped, so that the thread that unpacks knows why nothing more comes.
            self.blueprint.given_up.store(true, Ordering::SeqCst);
        };
        let fetched = tokio::select! {
            fetched = self.fetch() => fetched,
            () = given_up => Err(Error::Cancelled),
        };
        // From here on it is short and not given up half-way.
        let ended = match fetched {
            Ok(ingest) => self.register(ingest).await,
            Err(error) => Err(error),
        };
        self.images.leases.release_all(&work);
        // The watchers hold the layer by their own lease from before they joined; without any, it must go again.
        let (images, stack) = (self.images.clone(), self.blueprint.stack.clone());
        if let Err(error) = blocking("take back layers", move || images.release_layers(&stack).map(drop)).await {
            tracing::warn!(%error, "layers of a transfer that nobody waits for cannot be removed");
        }
        self.state.send_replace(State::Ended(ended.map_err(Arc::new)));
    }

    /// Downloads and unpacks, then waits for the layer below.
    async fn fetch(&self) -> Result<Option<tierce_layer::Ingest>, Error> {
        let permit = if let Ok(permit) = self.permits.try_acquire() {
            permit
        } else {
            self.state.send_replace(State::Queued);
            self.permits.acquire().await.map_err(|_| Error::Cancelled)?
        };
        if top(&self.blueprint).is_some_and(|chain| self.images.layers.has(chain)) {
            return Ok(None);
        }
        let report = |bytes| {
            self.state.send_replace(State::Fetching(bytes));
        };
        report(0);
        let ingest = match unpack::fetch(&self.images, &self.blueprint, false, &report).await {
            Err(Error::Content(tierce_content::Error::WrongDigest { resumed: true, .. })) => {
                tracing::info!(blob = %self.blueprint.blob.digest, "a staged part was spoilt, fetching the whole again");
                unpack::fetch(&self.images, &self.blueprint, true, &report).await?
            }
            other => other?,
        };
        drop(permit);
        self.state.send_replace(State::Fetched);
        if let Some(below) = &self.below {
            below.ended().await?;
        }
        Ok(Some(ingest))
    }

    async fn register(&self, ingest: Option<tierce_layer::Ingest>) -> Result<(), Error> {
        let (images, blueprint) = (self.images.clone(), self.blueprint.clone());
        blocking("register a layer", move || {
            let below = blueprint
                .stack
                .len()
                .checked_sub(2)
                .map(|index| &blueprint.stack[index]);
            if let Some(ingest) = ingest.filter(|_| top(&blueprint).is_some_and(|chain| !images.layers.has(chain))) {
                images.layers.register(ingest, below)?;
            }
            let repository = format!("{}/{}", blueprint.repository.domain(), blueprint.repository.path());
            images
                .distribution
                .note(&blueprint.diff_id, Home::of(&blueprint.blob.digest, &repository))
        })
        .await
    }
}
