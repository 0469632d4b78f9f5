//! What else can be done to a living task, asked for over the connection.

use async_trait::async_trait;
use prost::Message;
use tierce_task::messages::{Any, CloseIoRequest, Empty, Metrics, ResizePtyRequest};
use tierce_task::options::CheckpointOptions;
use tierce_task::services::tasks::{
    CheckpointTaskRequest, ListPidsResponse, MetricsRequest, MetricsResponse, UpdateTaskRequest,
};
use tierce_task::{Error, ProcessId, Resources, Result, TaskControl, TaskStatus};

use super::Remote;
use super::verbs::request_of;

#[async_trait]
impl TaskControl for Remote {
    async fn resize(&self, process: &ProcessId, rows: u16, columns: u16) -> Result<()> {
        let request = ResizePtyRequest {
            id: process.container.clone(),
            exec_id: process.exec_id().to_owned(),
            width: columns.into(),
            height: rows.into(),
        };
        let method = "/containerd.services.tasks.v1.Tasks/ResizePty";
        let asked = self.short("resize the terminal of", &process.container, method);
        self.call::<Empty>(asked, &request).await.map(drop)
    }

    async fn close_stdin(&self, process: &ProcessId) -> Result<()> {
        let request = CloseIoRequest {
            id: process.container.clone(),
            exec_id: process.exec_id().to_owned(),
            stdin: true,
        };
        let method = "/containerd.services.tasks.v1.Tasks/CloseIO";
        let asked = self.short("close the input of", &process.container, method);
        self.call::<Empty>(asked, &request).await.map(drop)
    }

    async fn pause(&self, container: &str) -> Result<()> {
        let asked = self.short("pause", container, "/containerd.services.tasks.v1.Tasks/Pause");
        let request = request_of(&ProcessId::init(container));
        self.call::<Empty>(asked, &request).await?;
        self.mirror.set_status(container, TaskStatus::Paused);
        Ok(())
    }

    async fn resume(&self, container: &str) -> Result<()> {
        let asked = self.short("resume", container, "/containerd.services.tasks.v1.Tasks/Resume");
        let request = request_of(&ProcessId::init(container));
        self.call::<Empty>(asked, &request).await?;
        self.mirror.set_status(container, TaskStatus::Running);
        Ok(())
    }

    async fn update(&self, container: &str, resources: Resources) -> Result<()> {
        let value = serde_json::to_vec(&resources).map_err(|error| Error::Malformed {
            what: "resources",
            cause: error.to_string(),
        })?;
        let type_url = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources".to_owned();
        let request = UpdateTaskRequest {
            container_id: container.to_owned(),
            resources: Some(Any { type_url, value }),
            ..UpdateTaskRequest::default()
        };
        let asked = self.short("update", container, "/containerd.services.tasks.v1.Tasks/Update");
        self.call::<Empty>(asked, &request).await.map(drop)
    }

    async fn stats(&self, container: &str) -> Result<Metrics> {
        let request = MetricsRequest {
            filters: vec![format!("id=={container}")],
            full: true,
        };
        let asked = self.short("measure", container, "/containerd.services.tasks.v1.Tasks/Metrics");
        let answer: MetricsResponse = self.call(asked, &request).await?;
        let reading = answer.metrics.into_iter().next();
        let reading = reading.ok_or_else(|| Error::NotFound(ProcessId::init(container)))?;
        let malformed = |cause: String| Error::Malformed {
            what: "reading of a control group",
            cause,
        };
        let any = reading.data.unwrap_or_default();
        if any.name() != Metrics::NAME {
            return Err(malformed(format!("its type is {}", any.name())));
        }
        Metrics::decode(&any.value[..]).map_err(|error| malformed(error.to_string()))
    }

    async fn checkpoint(&self, container: &str, options: CheckpointOptions) -> Result<()> {
        let request = CheckpointTaskRequest {
            container_id: container.to_owned(),
            options: Some(options.to_any()),
        };
        let method = "/containerd.services.tasks.v1.Tasks/Checkpoint";
        let asked = self.long("checkpoint", container, method);
        // Once: when the connection breaks it may have been written, and the container be gone.
        let (_, outcome) = self.call_once::<Empty>(asked, &request, 0).await;
        Ok(outcome.map(drop)?)
    }

    async fn pids(&self, container: &str) -> Result<Vec<u32>> {
        let method = "/containerd.services.tasks.v1.Tasks/ListPids";
        let asked = self.short("list the processes of", container, method);
        let answer: ListPidsResponse = self.call(asked, &request_of(&ProcessId::init(container))).await?;
        Ok(answer.processes.into_iter().map(|process| process.pid).collect())
    }
}
