//! What the container verbs share: the table of containers, the parts they work on, and the rules of access.
//!
//! * [`Container::transition`] is held by whoever changes one container's state; it says nothing about the others.
//! * [`Container::snapshot`] is an immutable value that readers take without waiting for anybody.
//! * The table's own lock is held for the length of a map operation, never across an await or a system call.

use super::attach::Attachers;
use super::disk;
use super::record::Record;
use crate::engine::Config;
use crate::error::{Error, Result};
use crate::exec::ExecTable;
use crate::metrics::Metrics;
use crate::parts::{ImageSource, Rootfs, Sandboxes};
use crate::runtimes::Runtimes;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;
use tierce_events::{Events, Subject};
use tierce_lifecycle::{Backoff, Change, Illegal};
use tierce_oci::container::HostConfig;
use tierce_spec::HostFacts;
use tierce_spec::validate::Capacity;
use tierce_store::Leases;
use tierce_task::{TaskControl, Tasks, TraceId};
use tokio::sync::{Mutex, MutexGuard, watch};
use tracing::Instrument;

/// A container as it is at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The persisted record.
    pub(crate) record: Arc<Record>,
    /// The persisted host configuration.
    pub(crate) host_config: Arc<HostConfig>,
    /// How often it ended since the daemon started.
    pub(crate) exits: u64,
    /// Status of its last end.
    pub(crate) last_exit: i32,
    /// The most memory that its last life used, where that is known.
    pub(crate) memory_peak: Option<u64>,
    /// How often it started since the daemon started; tells a waiting restart that somebody else was faster.
    pub(crate) starts: u64,
    /// When it started, by a clock that nobody sets; `None` if an earlier daemon started it.
    pub(crate) started: Option<Instant>,
    /// It does not exist any more.
    pub(crate) gone: bool,
    /// Why its last removal failed.
    pub(crate) removal_error: Option<String>,
}

/// What only the holder of the transition lock looks at.
#[derive(Debug, Default)]
pub(crate) struct Transient {
    /// Delay before its next automatic restart.
    pub(crate) backoff: Backoff,
    /// It is being ended so that it starts again, whatever its restart policy says.
    pub(crate) starts_again: bool,
}

/// One container of the table.
#[derive(Debug)]
pub(crate) struct Container {
    /// 64 hex digits.
    pub(crate) id: String,
    /// `DR/containers/<id>`.
    pub(crate) directory: PathBuf,
    /// Clients that wait for its task.
    pub(crate) attachers: Attachers,
    /// What joins the steps of its life in the log.
    pub(crate) trace: TraceId,
    transition: Mutex<Transient>,
    snapshot: watch::Sender<Arc<Snapshot>>,
}

impl Container {
    pub(crate) fn new(directory: PathBuf, record: Record, host_config: HostConfig) -> Self {
        let id = record.id.clone();
        let last_exit = record.state.exit_code;
        let snapshot = Snapshot {
            record: Arc::new(record),
            host_config: Arc::new(host_config),
            exits: 0,
            last_exit,
            memory_peak: None,
            starts: 0,
            started: None,
            gone: false,
            removal_error: None,
        };
        Self {
            trace: TraceId::of_container(&id),
            id,
            directory,
            attachers: Attachers::default(),
            transition: Mutex::default(),
            snapshot: watch::Sender::new(Arc::new(snapshot)),
        }
    }

    /// The container as it is now. Never waits.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Follows the container's changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.subscribe()
    }

    /// Waits until nobody else changes this container.
    pub(crate) async fn transition(&self) -> MutexGuard<'_, Transient> {
        self.transition.lock().await
    }

    /// Shows readers a changed container. The caller holds the transition lock.
    pub(crate) fn change(&self, edit: impl FnOnce(&mut Snapshot)) -> Arc<Snapshot> {
        let mut next = (*self.snapshot()).clone();
        edit(&mut next);
        let next = Arc::new(next);
        self.snapshot.send_replace(Arc::clone(&next));
        next
    }

    /// Changes the record only.
    pub(crate) fn change_record(&self, edit: impl FnOnce(&mut Record)) -> Arc<Snapshot> {
        self.change(|snapshot| edit(Arc::make_mut(&mut snapshot.record)))
    }

    /// Applies a change of state to the record, or says why it cannot be.
    pub(crate) fn apply(&self, change: Change) -> Result<Arc<Snapshot>, Illegal> {
        let state = self.snapshot().record.state.apply(change)?;
        Ok(self.change_record(|record| record.state = state))
    }
}

#[derive(Debug, Default)]
struct Table {
    by_id: BTreeMap<String, Arc<Container>>,
    /// Name with slash → id; also holds names of containers that are being made.
    by_name: HashMap<String, String>,
}

/// What changes while the daemon runs.
#[derive(Debug, Default)]
pub(crate) struct DaemonState {
    pub(crate) shutting_down: AtomicBool,
    /// Directories of containers whose records could not be read when it started.
    pub(crate) damaged: OnceLock<Vec<PathBuf>>,
    runtimes: RwLock<Arc<Runtimes>>,
}

/// Everything the container verbs need.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) images: Arc<dyn ImageSource>,
    pub(crate) rootfs: Arc<dyn Rootfs>,
    pub(crate) sandboxes: Arc<dyn Sandboxes>,
    pub(crate) volumes: Arc<tierce_volume::Volumes>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) tasks: Arc<dyn Tasks>,
    pub(crate) control: Arc<dyn TaskControl>,
    pub(crate) events: Arc<Events>,
    pub(crate) metrics: Metrics,
    pub(crate) execs: ExecTable,
    pub(crate) daemon: DaemonState,
    /// Facts about the host, looked up once.
    pub(crate) host: HostFacts,
    /// What limits are checked against.
    pub(crate) capacity: Capacity,
    table: RwLock<Table>,
}

impl Context {
    #[allow(
        clippy::too_many_arguments,
        reason = "the composition root hands over each part once"
    )]
    pub(crate) fn new(
        config: Config,
        images: Arc<dyn ImageSource>,
        rootfs: Arc<dyn Rootfs>,
        sandboxes: Arc<dyn Sandboxes>,
        volumes: Arc<tierce_volume::Volumes>,
        leases: Arc<Leases>,
        tasks: Arc<dyn Tasks>,
        control: Arc<dyn TaskControl>,
    ) -> Self {
        Self {
            daemon: DaemonState {
                runtimes: RwLock::new(Arc::new(config.runtimes.clone())),
                ..DaemonState::default()
            },
            config,
            images,
            rootfs,
            sandboxes,
            volumes,
            leases,
            tasks,
            control,
            events: Arc::default(),
            metrics: Metrics::default(),
            execs: ExecTable::default(),
            host: HostFacts::look(),
            capacity: Capacity::of_host(),
            table: RwLock::default(),
        }
    }

    /// Whether the daemon is going down: nothing is restarted any more.
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.daemon.shutting_down.load(Ordering::Relaxed)
    }

    /// The runtimes that containers may choose now.
    pub(crate) fn runtimes(&self) -> Arc<Runtimes> {
        // The value is replaced as a whole.
        Arc::clone(&self.daemon.runtimes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on containers may choose these.
    pub(crate) fn set_runtimes(&self, runtimes: Runtimes) {
        *self.daemon.runtimes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(runtimes);
    }

    /// `DR/containers`.
    pub(crate) fn containers_directory(&self) -> PathBuf {
        self.config.data_root.join("containers")
    }

    // Map operations do not panic; the table is consistent between any two of them.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every container, by id.
    pub(crate) fn all(&self) -> Vec<Arc<Container>> {
        self.read().by_id.values().cloned().collect()
    }

    /// The container with exactly this id.
    pub(crate) fn by_id(&self, id: &str) -> Option<Arc<Container>> {
        self.read().by_id.get(id).cloned()
    }

    /// The container that an id, a name or a unique id prefix means, in this order (moby `GetContainer`).
    pub(crate) fn find(&self, name: &str) -> Result<Arc<Container>> {
        let missing = || Error::NoSuchContainer(name.to_owned());
        if name.is_empty() {
            return Err(Error::Invalid(
                "invalid container name or ID: value is empty".to_owned(),
            ));
        }
        let table = self.read();
        if let Some(container) = table.by_id.get(name) {
            return Ok(Arc::clone(container));
        }
        let slashed = if name.starts_with('/') {
            name.to_owned()
        } else {
            format!("/{name}")
        };
        if let Some(id) = table.by_name.get(&slashed) {
            // A reserved name has no container yet.
            return table.by_id.get(id).cloned().ok_or_else(missing);
        }
        let mut matches = table
            .by_id
            .range(name.to_owned()..)
            .take_while(|(id, _)| id.starts_with(name));
        match (matches.next(), matches.next()) {
            (Some((_, container)), None) => Ok(Arc::clone(container)),
            (Some(_), Some(_)) => Err(Error::AmbiguousPrefix(name.to_owned())),
            (None, _) => {
                drop(table);
                super::links::find(self, name).ok_or_else(missing)
            }
        }
    }

    /// Takes a name (with slash) for an id, or says who has it.
    pub(crate) fn reserve_name(&self, name: &str, id: &str) -> Result<()> {
        let mut table = self.write();
        if let Some(holder) = table.by_name.get(name) {
            return Err(Error::NameInUse {
                name: name.to_owned(),
                holder: holder.clone(),
            });
        }
        table.by_name.insert(name.to_owned(), id.to_owned());
        Ok(())
    }

    /// Frees a name if `id` has it.
    pub(crate) fn release_name(&self, name: &str, id: &str) {
        let mut table = self.write();
        if table.by_name.get(name).is_some_and(|holder| holder == id) {
            table.by_name.remove(name);
        }
    }

    /// Puts a container whose name is reserved into the table.
    pub(crate) fn insert(&self, container: Arc<Container>) {
        self.write().by_id.insert(container.id.clone(), container);
    }

    /// Takes a container and its name out of the table.
    pub(crate) fn forget(&self, id: &str) {
        let mut table = self.write();
        table.by_id.remove(id);
        table.by_name.retain(|_, holder| holder != id);
    }

    /// Publishes an event about a container with the attributes that Docker gives it: its labels, image and name.
    pub(crate) fn publish(&self, record: &Record, action: &str, extra: &[(&str, &str)]) {
        let mut attributes = record.config.labels.clone().unwrap_or_default();
        attributes.insert("image".to_owned(), record.config.image.clone());
        attributes.insert("name".to_owned(), record.plain_name().to_owned());
        attributes.extend(
            extra
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        );
        self.events.publish(Subject::Container, action, &record.id, attributes);
    }

    /// Writes the record of a container.
    ///
    /// * `durable`: it must survive a power cut when this returns. Otherwise it survives a crash of the daemon only.
    pub(crate) async fn save(&self, container: &Container, durable: bool) -> Result<()> {
        self.save_snapshot(container, container.snapshot(), durable).await
    }

    /// Writes a record that readers do not see yet.
    pub(crate) async fn save_snapshot(
        &self,
        container: &Container,
        snapshot: Arc<Snapshot>,
        durable: bool,
    ) -> Result<()> {
        let directory = container.directory.clone();
        let runtime = self.runtimes().default.clone();
        blocking(move || disk::write(&directory, &snapshot, &runtime, durable)).await
    }

    /// Writes the record where failing to do so must not undo what happened already.
    pub(crate) async fn save_or_warn(&self, container: &Container, durable: bool) {
        if let Err(error) = self.save(container, durable).await {
            tracing::error!(container = %container.id, %error, "could not write the container's record");
        }
    }
}

/// Runs blocking work (files, netlink, mounts) away from the executor's threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Internal(format!("blocking work did not finish: {error}"))),
    }
}

/// Runs a verb to its end even if the one who asked goes away.
pub(crate) async fn run_to_end<T: Send + 'static>(verb: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    match tokio::spawn(verb.in_current_span()).await {
        Ok(result) => result,
        Err(error) => Err(Error::Internal(format!("the operation did not finish: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::context;

    fn container(id: &str, name: &str) -> Arc<Container> {
        let mut record: Record =
            serde_json::from_str(include_str!("../../tests/fixtures/plain.config.v2.json")).unwrap();
        id.clone_into(&mut record.id);
        name.clone_into(&mut record.name);
        Arc::new(Container::new(PathBuf::from("/nowhere"), record, HostConfig::default()))
    }

    #[tokio::test]
    async fn row_092_containers_are_found_by_id_name_and_unique_prefix() {
        let (context, _directory) = context();
        for (id, name) in [("aabb", "/web"), ("aacc", "/db"), ("bbcc", "/aac")] {
            context.reserve_name(name, id).unwrap();
            context.insert(container(id, name));
        }
        assert_eq!(context.find("web").unwrap().id, "aabb");
        assert_eq!(context.find("/web").unwrap().id, "aabb");
        assert_eq!(context.find("aabb").unwrap().id, "aabb");
        assert_eq!(context.find("b").unwrap().id, "bbcc");
        // A name wins over an id prefix.
        assert_eq!(context.find("aac").unwrap().id, "bbcc");
        assert!(matches!(context.find("aa"), Err(Error::AmbiguousPrefix(_))));
        assert_eq!(context.find("nope").unwrap_err().to_string(), "No such container: nope");
    }

    #[tokio::test]
    async fn a_taken_name_is_a_conflict_in_dockers_words() {
        let (context, _directory) = context();
        context.reserve_name("/web", "aabb").unwrap();
        assert_eq!(
            context.reserve_name("/web", "ccdd").unwrap_err().to_string(),
            "Conflict. The container name \"/web\" is already in use by container \"aabb\". You have to remove (or \
             rename) that container to be able to reuse that name."
        );
        context.release_name("/web", "ccdd");
        assert!(context.reserve_name("/web", "ccdd").is_err());
        context.release_name("/web", "aabb");
        assert!(context.reserve_name("/web", "ccdd").is_ok());
    }
}
