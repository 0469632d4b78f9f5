//! Containers: one verb a file, over a shared [`context::Context`].
//!
//! [`Containers`] only names the verbs and makes them independent of the asker: a client that hangs up in the middle of
//! a start does not leave half a container.

mod archive;
pub(crate) mod attach;
mod changes;
pub mod checkpoint;
pub(crate) mod connect;
pub(crate) mod context;
mod create;
mod defaults;
mod disk;
mod exec_process;
mod export;
mod failure;
mod files;
mod half_made;
mod health;
mod inspect;
mod kill;
mod links;
mod list;
mod log_options;
mod logs;
mod merge;
pub(crate) mod name;
mod on_exit;
pub(crate) mod pause;
mod pinned;
mod prepare;
mod prune;
pub mod record;
pub(crate) mod recover;
mod release;
mod remove;
mod rename;
pub mod requests;
mod resize;
mod restart;
mod root;
mod start;
mod stats;
mod stop;
pub(crate) mod stop_all;
mod top;
mod update;
mod volumes;
mod wait;
mod why;

pub(crate) use exec_process::exec_process;
pub(crate) use failure::runtime_failure;
pub(crate) use prune::{moment, until as prune_until};

pub use archive::{Archiving, Extract, PathStat};
pub use attach::{Attached, PendingStream};
pub use export::Exporting;
pub use stats::{Interface, Stats};
pub use tierce_processes::ProcessTable;
pub use wait::Waiting;
pub use why::Reason;

use crate::error::Result;
use crate::metrics::Action;
use context::Context;
use requests::{
    Attach, Create, Created, Difference, Inspection, List, LogRequest, Logs, Pruned, Remove, Stop, Summary, Update,
    WaitCondition,
};
use std::sync::Arc;
use tierce_events::Filters;

/// The container verbs. `name` is everywhere a name (with or without slash), an id, or a unique id prefix.
#[derive(Clone)]
pub struct Containers {
    pub(crate) context: Arc<Context>,
}

impl Containers {
    /// Makes a container; nothing is left behind when it fails.
    pub async fn create(&self, request: Create) -> Result<Created> {
        let context = Arc::clone(&self.context);
        context::run_to_end(async move {
            let created = Box::pin(create::create(&context, request));
            context.metrics.time(Action::Create, created).await
        })
        .await
    }

    /// Starts a container. [`crate::Error::NotModified`] when it runs already.
    pub async fn start(&self, name: &str) -> Result<()> {
        let (context, container) = (Arc::clone(&self.context), self.context.find(name)?);
        context::run_to_end(async move { start::start(&context, &container, None).await }).await
    }

    /// Stops a container. [`crate::Error::NotModified`] when it does not run.
    pub async fn stop(&self, name: &str, request: Stop) -> Result<()> {
        let (context, container) = (Arc::clone(&self.context), self.context.find(name)?);
        context::run_to_end(async move { stop::stop(&context, &container, &request).await }).await
    }

    /// Stops (if it runs) and starts a container.
    pub async fn restart(&self, name: &str, request: Stop) -> Result<()> {
        let (context, container) = (Arc::clone(&self.context), self.context.find(name)?);
        context::run_to_end(async move { restart::restart(&context, &container, &request).await }).await
    }

    /// Sends a signal (name or number; absent: SIGKILL). SIGKILL waits until the container ended.
    pub async fn kill(&self, name: &str, signal: Option<&str>) -> Result<()> {
        let (context, container) = (Arc::clone(&self.context), self.context.find(name)?);
        let signal = signal.map(str::to_owned);
        context::run_to_end(async move { kill::kill(&context, &container, signal.as_deref()).await }).await
    }

    /// Removes a container and what belongs to it; or a link, named `parent/alias`.
    pub async fn remove(&self, name: &str, request: Remove) -> Result<()> {
        if request.link {
            return links::remove(&self.context, name).await;
        }
        let (context, container) = (Arc::clone(&self.context), self.context.find(name)?);
        context::run_to_end(async move {
            let removed = remove::remove(&context, &container, request);
            context.metrics.time(Action::Delete, removed).await
        })
        .await
    }

    /// Gives a container another name.
    pub async fn rename(&self, name: &str, new_name: &str) -> Result<()> {
        rename::rename(&self.context, name, new_name).await
    }

    /// Registers a waiter at once (so that nothing is missed between the answer's head and its end); await
    /// [`Waiting::outcome`] for the end.
    pub fn wait(&self, name: &str, condition: WaitCondition) -> Result<Waiting> {
        wait::wait(&self.context, name, condition)
    }

    /// Attaches to a container. On one that does not run, the stream comes when it starts.
    pub async fn attach(&self, name: &str, request: Attach) -> Result<Attached> {
        attach::attach(&self.context, name, request).await
    }

    /// Reads the log of a container.
    pub fn logs(&self, name: &str, request: LogRequest) -> Result<Logs> {
        logs::logs(&self.context, name, request)
    }

    /// Lists containers, newest first.
    pub async fn list(&self, request: List) -> Result<Vec<Summary>> {
        list::list(&self.context, request).await
    }

    /// All that is known about one container; with `size`, its disk use too.
    pub async fn inspect(&self, name: &str, size: bool) -> Result<Inspection> {
        inspect::inspect(&self.context, name, size).await
    }

    /// The processes of a running container, as `ps` with these arguments would show them (empty: `-ef`).
    pub async fn top(&self, name: &str, ps_arguments: &str) -> Result<ProcessTable> {
        top::top(&self.context, name, ps_arguments).await
    }

    /// Why a container ended, does not start, or is not healthy, from evidence.
    pub async fn why(&self, name: &str) -> Result<Reason> {
        why::why(&self.context, name).await
    }

    /// Freezes a container.
    pub async fn pause(&self, name: &str) -> Result<()> {
        let (context, container) = (Arc::clone(&self.context), self.context.find(name)?);
        context::run_to_end(async move { pause::pause(&context, &container).await }).await
    }

    /// Thaws a container.
    pub async fn unpause(&self, name: &str) -> Result<()> {
        let (context, container) = (Arc::clone(&self.context), self.context.find(name)?);
        context::run_to_end(async move { pause::unpause(&context, &container).await }).await
    }

    /// Changes limits and restart policy; returns warnings.
    pub async fn update(&self, name: &str, request: Update) -> Result<Vec<String>> {
        let (context, container) = (Arc::clone(&self.context), self.context.find(name)?);
        context::run_to_end(async move { update::update(&context, &container, request).await }).await
    }

    /// Sets the size of a container's terminal.
    pub async fn resize(&self, name: &str, rows: u16, columns: u16) -> Result<()> {
        resize::resize(&self.context, name, rows, columns).await
    }

    /// One reading of a container's resource use; all zero when it does not run.
    pub async fn stats(&self, name: &str) -> Result<Stats> {
        stats::stats(&self.context, name).await
    }

    /// What the container changed in its file system (`docker diff`).
    pub async fn changes(&self, name: &str) -> Result<Vec<Difference>> {
        let changes = changes::changes(&self.context, name);
        self.context.metrics.time(Action::Changes, changes).await
    }

    /// What is at a path in the container.
    pub async fn stat_path(&self, name: &str, path: &str) -> Result<PathStat> {
        archive::stat(&self.context, name, path).await
    }

    /// A file or directory of the container, to be written as an archive.
    pub async fn archive(&self, name: &str, path: &str) -> Result<Archiving> {
        archive::archive(&self.context, name, path).await
    }

    /// Unpacks an archive into a directory of the container.
    pub async fn extract(
        &self,
        name: &str,
        path: &str,
        request: Extract,
        input: impl std::io::Read + Send + 'static,
    ) -> Result<()> {
        let (context, name, path) = (Arc::clone(&self.context), name.to_owned(), path.to_owned());
        context::run_to_end(async move { archive::extract(&context, &name, &path, request, input).await }).await
    }

    /// The container's whole file system, to be written as an archive.
    pub async fn export(&self, name: &str) -> Result<Exporting> {
        export::export(&self.context, name).await
    }

    /// Removes every container that does not run and passes the filters (`until`, `label`, `label!`).
    pub async fn prune(&self, filters: Filters) -> Result<Pruned> {
        prune::prune(&self.context, &filters).await
    }
}

/// Reads a text of a request as everything that it could be; for the fuzz targets.
pub(crate) fn read_words(text: &str) {
    tierce_spec::mount_points::read(text);
    let _ = tierce_spec::signal::parse(text);
    tierce_spec::validate::read_list(text);
}
