//! Finding the shims of an earlier supervisor again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tierce_task::messages::{StateRequest, StateResponse};
use tierce_task::method::Method;
use tierce_task::{Error, ProcessId, Result, TaskState, TaskStatus, Tasks};

use crate::client::Client;
use crate::supervisor::{Supervisor, blocking};
use crate::table::Task;
use crate::{bundle, convert, launch, watch};

/// What was found in a bundle.
enum Found {
    /// A shim that answers, with the states of its init and its execs.
    Alive {
        client: Client,
        init: Box<StateResponse>,
        execs: Vec<StateResponse>,
    },
    /// A shim that does not answer, of a task that was made: it may be stopped, or waits for a disk.
    Silent(Client, bundle::Made),
    /// A shim without container: it was being created or deleted.
    Empty(Client),
    /// Nobody listens.
    Dead,
}

impl Supervisor {
    /// Adopts every task of an earlier supervisor; gives them as they are now, exits that happened meanwhile included.
    /// A task whose shim has died is cleaned up and shown as stopped with status 137; it is to be deleted like any
    /// other. One whose shim does not answer in time counts as running: what is true is learned when it answers.
    pub async fn recover(&self) -> Vec<TaskState> {
        let mut looking = Vec::new();
        for (id, place) in bundle::list(&self.config.tasks()) {
            let Some(this) = self.this.upgrade() else { continue };
            if self.state(&id).is_err() {
                looking.push(tokio::spawn(async move { this.adopt(id, place).await }));
            }
        }
        let mut adopted = Vec::new();
        for look in looking {
            adopted.extend(look.await.ok().flatten());
        }
        adopted
    }

    async fn adopt(&self, id: String, place: PathBuf) -> Option<TaskState> {
        let found = match self.look(&id, &place).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(container = id, %error, "cannot adopt the container");
                return None;
            }
        };
        let reservation = self.table.reserve(&id).ok()?;
        match found {
            Found::Empty(client) => {
                self.dismiss(&id, &client).await;
                self.sweep(&id, place, true).await;
                None
            }
            Found::Dead => {
                let (config, name, bundle) = (self.config.clone(), id.clone(), place.clone());
                if let Err(error) = blocking(move || launch::delete(&config, &name, &bundle)).await {
                    tracing::warn!(container = id, %error, "not everything of the container could be removed");
                }
                let task = Arc::new(Task::new(id, place, PathBuf::new(), 0, None));
                reservation.fill(task.clone());
                watch::bury(self, &task);
                Some(task.state())
            }
            Found::Silent(client, made) => {
                tracing::warn!(
                    container = id,
                    pid = made.pid,
                    "its shim does not answer; it counts as running"
                );
                let task = Arc::new(Task::new(id, place, made.io, made.pid, Some(client)));
                task.set_status(TaskStatus::Running);
                reservation.fill(task.clone());
                watch::shim(self, &task);
                watch::process(self, &task, ProcessId::init(&task.id));
                Some(task.state())
            }
            Found::Alive { client, init, execs } => {
                let task = Task::new(id, place, PathBuf::from(&init.io), init.pid, Some(client));
                let task = Arc::new(task);
                let (status, exit) = convert::status_of(&init);
                task.set_status(status);
                task.set_health(init.health.map(Into::into));
                if let Some(exit) = exit {
                    task.set_exit(&ProcessId::init(&task.id), exit);
                }
                for exec in &execs {
                    task.add_exec(&exec.exec_id);
                    if exec.pid != 0 {
                        task.set_pid(&exec.exec_id, exec.pid);
                    }
                    if let Some(exit) = convert::status_of(exec).1 {
                        task.set_exit(&ProcessId::exec(&task.id, &exec.exec_id), exit);
                    }
                }
                reservation.fill(task.clone());
                watch::shim(self, &task);
                for process in task.processes() {
                    watch::process(self, &task, process);
                }
                Some(task.state())
            }
        }
    }

    async fn look(&self, id: &str, place: &Path) -> Result<Found> {
        // Without a bootstrap document the shim never came up, or never told where it is.
        let Ok(bootstrap) = bundle::read_bootstrap(place) else {
            return Ok(Found::Dead);
        };
        let client = match Client::connect(id, &bootstrap.socket(), bootstrap.version).await {
            Ok(client) => client,
            Err(Error::Disconnected { .. }) => return Ok(Found::Dead),
            Err(error) => return Err(error),
        };
        let state = |exec: String| {
            let (client, limit) = (&client, Some(self.config.patience));
            async move {
                let request = StateRequest {
                    id: id.to_owned(),
                    exec_id: exec,
                };
                client
                    .call::<StateResponse>("find", Method::State, &request, limit)
                    .await
            }
        };
        let init = match state(String::new()).await {
            Ok(init) => Box::new(init),
            Err(error) if tierce_fault::Fault::kind(&error) == tierce_fault::Kind::NotFound => {
                return Ok(Found::Empty(client));
            }
            // It died between the connection and its answer.
            Err(Error::Disconnected { .. }) => return Ok(Found::Dead),
            Err(error @ Error::Timeout { .. }) => {
                let made = bundle::read_made(place).ok_or(error)?;
                return Ok(Found::Silent(client, made));
            }
            Err(error) => return Err(error),
        };
        let mut execs = Vec::new();
        for exec in &init.execs {
            execs.push(state(exec.clone()).await?);
        }
        Ok(Found::Alive { client, init, execs })
    }
}
