//! `Containers`: the records.

use prost::Message as _;
use tierce_grpc::{Answer, Status};
use tierce_task::messages::{Any, Empty, Envelope};
use tierce_task::services::containers::{
    Container, ContainerId, ListContainersRequest, ListContainersResponse, OneContainer, SERVICE,
    UpdateContainerRequest,
};
use tierce_task::services::{ContainerEvent, RuntimeName, SPEC};
use tierce_task::status::Code;
use tierce_task::{TaskState, Tasks as _};
use tokio::sync::mpsc;

use super::{Reply, Server, answer, decode, unknown};
use crate::bundle;
use crate::records::Records;
use crate::supervisor::blocking;

/// The name of our shim for containerd.
pub(super) const RUNTIME: &str = "io.containerd.tierce.v2";

impl Server {
    pub(super) async fn containers(&self, method: &str, message: &[u8]) -> Reply {
        match method {
            "Get" => {
                let id = decode::<ContainerId>(message)?.id;
                one(self.with_records(move |records| records.get(&id)).await?)
            }
            "List" => {
                let containers = self.matching(&decode::<ListContainersRequest>(message)?).await?;
                answer(&ListContainersResponse { containers })
            }
            "ListStream" => {
                let containers = self.matching(&decode::<ListContainersRequest>(message)?).await?;
                let (sender, receiver) = mpsc::channel(1);
                tokio::spawn(async move {
                    for container in containers {
                        let container = Some(container);
                        if sender.send(OneContainer { container }.encode_to_vec()).await.is_err() {
                            return;
                        }
                    }
                });
                Ok(Answer::Many(receiver))
            }
            "Create" => {
                let container = decode::<OneContainer>(message)?.container.unwrap_or_default();
                let made = self.with_records(move |records| records.create(container)).await?;
                self.supervisor.announce(Envelope::CONTAINER_CREATE, &event(&made));
                one(made)
            }
            "Update" => {
                let request: UpdateContainerRequest = decode(message)?;
                let paths = request.update_mask.unwrap_or_default().paths;
                let container = request.container.unwrap_or_default();
                let changed = self
                    .with_records(move |records| records.update(&container, &paths))
                    .await?;
                self.supervisor.announce(Envelope::CONTAINER_UPDATE, &event(&changed));
                one(changed)
            }
            "Delete" => {
                let id = decode::<ContainerId>(message)?.id;
                if self.supervisor.table.is_taken(&id) {
                    let text = format!("cannot delete container {id}: it has a task; delete that first");
                    return Err(Status::new(Code::FailedPrecondition as i32, text));
                }
                let name = id.clone();
                self.with_records(move |records| records.remove(&name)).await?;
                let gone = ContainerEvent {
                    id,
                    ..ContainerEvent::default()
                };
                self.supervisor.announce(Envelope::CONTAINER_DELETE, &gone);
                answer(&Empty {})
            }
            _ => unknown(SERVICE, method),
        }
    }

    /// What is in a namespace that is not ours: nothing.
    pub(super) fn containers_elsewhere(&self, method: &str) -> Reply {
        match method {
            "List" => answer(&ListContainersResponse::default()),
            "ListStream" => Ok(Answer::Many(mpsc::channel(1).1)),
            _ => Err(self.elsewhere()),
        }
    }

    /// `id==…` is the one filter that is served.
    async fn matching(&self, request: &ListContainersRequest) -> Result<Vec<Container>, Status> {
        let ids = ids_of(&request.filters)?;
        let all = self.with_records(Records::list).await?;
        let wanted = |container: &Container| ids.is_empty() || ids.contains(&container.id);
        Ok(all.into_iter().filter(wanted).collect())
    }

    /// Writes records of tasks that have none: those of a supervisor in an engine's process.
    pub(super) async fn record_strays(&self) {
        for task in self.supervisor.list() {
            let id = task.id.clone();
            // `create` looks again, and does not replace one that cannot be read.
            if self.with_records(move |records| records.get(&id)).await.is_ok() {
                continue;
            }
            let written = self.record_stray(&task).await;
            match written {
                Ok(_) => tracing::info!(container = task.id, "a record is made of what its task runs by"),
                Err(error) => tracing::warn!(container = task.id, %error, "a container has no record"),
            }
        }
    }

    async fn record_stray(&self, task: &TaskState) -> Result<Container, Status> {
        let place = task.bundle.clone();
        let spec = blocking(move || bundle::read_spec(&place)).await;
        let container = Container {
            id: task.id.clone(),
            // It is an engine's: nobody else uses a supervisor in its own process.
            labels: [(crate::remote::LABEL.to_owned(), String::new())].into(),
            runtime: Some(RuntimeName {
                name: RUNTIME.to_owned(),
                options: None,
            }),
            spec: Some(Any {
                type_url: SPEC.to_owned(),
                value: spec.map_err(|error| super::refusal(&error))?,
            }),
            ..Container::default()
        };
        self.with_records(move |records| records.create(container)).await
    }
}

/// The ids that filters of the form `id==…` name; others are refused rather than ignored.
pub(super) fn ids_of(filters: &[String]) -> Result<Vec<String>, Status> {
    let filters = filters.iter().filter(|filter| !filter.is_empty());
    let ids = filters.map(|filter| {
        let id = filter.strip_prefix("id==").map(|id| id.trim_matches('"').to_owned());
        id.filter(|id| !id.contains([',', '=', '~'])).ok_or_else(|| {
            let text = format!("the filter {filter:?} is not served, only id==ID");
            Status::new(Status::UNIMPLEMENTED, text)
        })
    });
    ids.collect()
}

fn one(container: Container) -> Reply {
    answer(&OneContainer {
        container: Some(container),
    })
}

fn event(container: &Container) -> ContainerEvent {
    ContainerEvent {
        id: container.id.clone(),
        image: container.image.clone(),
        runtime: container.runtime.clone(),
    }
}
