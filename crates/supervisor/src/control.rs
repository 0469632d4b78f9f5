//! What else can be done to a living task.

use async_trait::async_trait;
use prost::Message;
use tierce_task::messages::{
    Any, CheckpointTaskRequest, CloseIoRequest, Empty, Metrics, PauseRequest, PidsRequest, PidsResponse,
    ResizePtyRequest, ResumeRequest, StatsRequest, StatsResponse, UpdateTaskRequest,
};
use tierce_task::method::Method;
use tierce_task::options::CheckpointOptions;
use tierce_task::{Error, ProcessId, Resources, Result, TaskControl, TaskStatus};

use crate::supervisor::Supervisor;

impl Supervisor {
    /// A call with an empty answer.
    async fn tell(&self, container: &str, verb: &'static str, method: Method, request: &impl Message) -> Result<()> {
        let client = self.table.get(container)?.client(verb)?;
        client
            .call::<Empty>(verb, method, request, Some(self.config.short))
            .await
            .map(drop)
    }

    /// A reading of the container's cgroup; `full`: as [`Metrics`], else as containerd's messages.
    pub(crate) async fn reading(&self, container: &str, full: bool) -> Result<Any> {
        let client = self.table.get(container)?.client("measure")?;
        let id = container.to_owned();
        let answer = client
            .call::<StatsResponse>(
                "measure",
                Method::Stats,
                &StatsRequest { id, full },
                Some(self.config.short),
            )
            .await?;
        answer.stats.ok_or_else(|| Error::Malformed {
            what: "reading of a control group",
            cause: "it is missing".to_owned(),
        })
    }
}

#[async_trait]
impl TaskControl for Supervisor {
    async fn resize(&self, process: &ProcessId, rows: u16, columns: u16) -> Result<()> {
        let request = ResizePtyRequest {
            id: process.container.clone(),
            exec_id: process.exec_id().to_owned(),
            width: columns.into(),
            height: rows.into(),
        };
        self.tell(
            &process.container,
            "resize the terminal of",
            Method::ResizePty,
            &request,
        )
        .await
    }

    async fn close_stdin(&self, process: &ProcessId) -> Result<()> {
        let request = CloseIoRequest {
            id: process.container.clone(),
            exec_id: process.exec_id().to_owned(),
            stdin: true,
        };
        self.tell(&process.container, "close the input of", Method::CloseIo, &request)
            .await
    }

    async fn pause(&self, container: &str) -> Result<()> {
        let request = PauseRequest {
            id: container.to_owned(),
        };
        self.tell(container, "pause", Method::Pause, &request).await?;
        self.table.get(container)?.set_status(TaskStatus::Paused);
        self.tell_paused(container);
        Ok(())
    }

    async fn resume(&self, container: &str) -> Result<()> {
        let request = ResumeRequest {
            id: container.to_owned(),
        };
        self.tell(container, "resume", Method::Resume, &request).await?;
        self.table.get(container)?.set_status(TaskStatus::Running);
        self.tell_resumed(container);
        Ok(())
    }

    async fn update(&self, container: &str, resources: Resources) -> Result<()> {
        let value = serde_json::to_vec(&resources).map_err(|error| Error::Malformed {
            what: "resources",
            cause: error.to_string(),
        })?;
        let type_url = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources".to_owned();
        let request = UpdateTaskRequest {
            id: container.to_owned(),
            resources: Some(Any { type_url, value }),
            ..UpdateTaskRequest::default()
        };
        self.tell(container, "update", Method::Update, &request).await
    }

    async fn stats(&self, container: &str) -> Result<Metrics> {
        let any = self.reading(container, true).await?;
        let malformed = |cause: String| Error::Malformed {
            what: "reading of a control group",
            cause,
        };
        if any.name() != Metrics::NAME {
            return Err(malformed(format!("its type is {}", any.name())));
        }
        Metrics::decode(&any.value[..]).map_err(|error| malformed(error.to_string()))
    }

    async fn checkpoint(&self, container: &str, options: CheckpointOptions) -> Result<()> {
        let client = self.table.get(container)?.client("checkpoint")?;
        let request = CheckpointTaskRequest {
            id: container.to_owned(),
            path: options.image_path.clone(),
            options: Some(options.to_any()),
        };
        client
            .call::<Empty>("checkpoint", Method::Checkpoint, &request, Some(self.config.long))
            .await?;
        self.tell_checkpointed(container, options.image_path);
        Ok(())
    }

    async fn pids(&self, container: &str) -> Result<Vec<u32>> {
        let client = self.table.get(container)?.client("list the processes of")?;
        let request = PidsRequest {
            id: container.to_owned(),
        };
        let limit = Some(self.config.short);
        let answer = client
            .call::<PidsResponse>("list the processes of", Method::Pids, &request, limit)
            .await?;
        Ok(answer.processes.into_iter().map(|process| process.pid).collect())
    }
}
