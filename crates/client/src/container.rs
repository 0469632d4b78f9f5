//! Operations on containers.

use hyper::Method;
use serde_json::value::RawValue;
use tierce_api_types::Filters;
use tierce_api_types::container::{
    Change, ContainerInspect, ContainerSummary, ContainersPruned, CreateRequest, CreateResponse, StatsResponse,
    TopResponse, UpdateRequest, UpdateResponse, WaitCondition, WaitResponse, WhyResponse,
};

use crate::connection::Call;
use crate::query::Target;
use crate::{ByteStream, Client, Error, Hijacked, JsonStream};

/// Operations on containers; each names its container by name, id or a unique beginning of the id.
#[derive(Debug, Clone, Copy)]
pub struct Containers<'a>(pub(crate) &'a Client);

/// What a new container is called and made for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateContainer {
    /// Its name; empty = one is made up.
    pub name: String,
    /// `os/architecture/variant`; empty = the host's.
    pub platform: String,
    /// A directory of the daemon's host instead of an image; empty = the image. Ours, not Docker's.
    pub rootfs: String,
}

/// Which containers are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListContainers {
    /// Also those that do not run.
    pub all: bool,
    /// Only so many of the latest, running or not.
    pub limit: Option<i64>,
    /// With sizes.
    pub size: bool,
    /// Only those that match.
    pub filters: Filters,
}

/// How a container is removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveContainer {
    /// Kill it first.
    pub force: bool,
    /// With its anonymous volumes.
    pub volumes: bool,
    /// Only the link.
    pub link: bool,
}

/// What is attached to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttachContainer {
    /// Send standard input.
    pub stdin: bool,
    /// Receive standard output.
    pub stdout: bool,
    /// Receive standard error.
    pub stderr: bool,
    /// Receive what comes from now on.
    pub stream: bool,
    /// First receive what was logged before.
    pub logs: bool,
    /// Key sequence that detaches; empty = the daemon's.
    pub detach_keys: String,
}

/// Which part of the log is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogsOptions {
    /// Wait for more until the container ends.
    pub follow: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// From then on: seconds since 1970, also with a fraction; empty = the beginning.
    pub since: String,
    /// Until then; empty = the end.
    pub until: String,
    /// With the time before each line.
    pub timestamps: bool,
    /// With the attributes of the log driver.
    pub details: bool,
    /// Only the last so many lines; empty or `all` = all.
    pub tail: String,
}

impl Containers<'_> {
    /// Makes a container.
    pub async fn create(&self, options: &CreateContainer, request: &CreateRequest) -> Result<CreateResponse, Error> {
        let target = Target::path(&["containers", "create"])
            .with_text("name", &options.name)
            .with_text("platform", &options.platform)
            .with_text("rootfs", &options.rootfs);
        self.0.document(Call::new(Method::POST, target).json(request)?).await
    }

    /// Starts it; `false` when it ran already.
    pub async fn start(&self, container: &str, detach_keys: &str) -> Result<bool, Error> {
        self.0
            .command(Call::new(
                Method::POST,
                at(container, "start").with_text("detachKeys", detach_keys),
            ))
            .await
    }

    /// Stops it: `signal` (empty = its own), then a kill after `timeout` seconds; `false` when it did not run.
    pub async fn stop(&self, container: &str, signal: &str, timeout: Option<i64>) -> Result<bool, Error> {
        let target = at(container, "stop")
            .with_text("signal", signal)
            .with_number("t", timeout);
        self.0.command(Call::new(Method::POST, target)).await
    }

    /// Stops and starts it.
    pub async fn restart(&self, container: &str, signal: &str, timeout: Option<i64>) -> Result<(), Error> {
        let target = at(container, "restart")
            .with_text("signal", signal)
            .with_number("t", timeout);
        self.0.command(Call::new(Method::POST, target)).await.map(drop)
    }

    /// Sends it a signal; empty = KILL.
    pub async fn kill(&self, container: &str, signal: &str) -> Result<(), Error> {
        self.0
            .command(Call::new(
                Method::POST,
                at(container, "kill").with_text("signal", signal),
            ))
            .await
            .map(drop)
    }

    /// Removes it.
    pub async fn remove(&self, container: &str, options: RemoveContainer) -> Result<(), Error> {
        let target = Target::path(&["containers", container])
            .with_flag("force", options.force)
            .with_flag("v", options.volumes)
            .with_flag("link", options.link);
        self.0.command(Call::new(Method::DELETE, target)).await.map(drop)
    }

    /// Renames it.
    pub async fn rename(&self, container: &str, name: &str) -> Result<(), Error> {
        self.0
            .command(Call::new(Method::POST, at(container, "rename").with("name", name)))
            .await
            .map(drop)
    }

    /// Freezes its processes.
    pub async fn pause(&self, container: &str) -> Result<(), Error> {
        self.0
            .command(Call::new(Method::POST, at(container, "pause")))
            .await
            .map(drop)
    }

    /// Thaws its processes.
    pub async fn unpause(&self, container: &str) -> Result<(), Error> {
        self.0
            .command(Call::new(Method::POST, at(container, "unpause")))
            .await
            .map(drop)
    }

    /// Begins to wait. The returned stream yields one answer when the condition holds; that it was returned means that
    /// the daemon waits already, so a start that follows cannot be missed.
    pub async fn wait(&self, container: &str, condition: WaitCondition) -> Result<JsonStream<WaitResponse>, Error> {
        let target = at(container, "wait").with("condition", &condition.to_string());
        self.stream(Call::new(Method::POST, target)).await.map(JsonStream::new)
    }

    /// Everything about it.
    pub async fn inspect(&self, container: &str, size: bool) -> Result<ContainerInspect, Error> {
        self.0
            .document(Call::new(Method::GET, at(container, "json").with_flag("size", size)))
            .await
    }

    /// Everything about it, as the daemon wrote it: for output that must not lose members or change their order.
    pub async fn inspect_raw(&self, container: &str, size: bool) -> Result<Box<RawValue>, Error> {
        self.0
            .document(Call::new(Method::GET, at(container, "json").with_flag("size", size)))
            .await
    }

    /// Why it is as it is; only a daemon of ours answers.
    pub async fn why(&self, container: &str) -> Result<WhyResponse, Error> {
        let target = Target::path(&["tierce", "containers", container, "why"]);
        self.0.document(Call::new(Method::GET, target)).await
    }

    /// Lists containers, the newest first.
    pub async fn list(&self, options: &ListContainers) -> Result<Vec<ContainerSummary>, Error> {
        let target = Target::path(&["containers", "json"])
            .with_flag("all", options.all)
            .with_number("limit", options.limit)
            .with_flag("size", options.size)
            .with_filters(&options.filters);
        self.0.document(Call::new(Method::GET, target)).await
    }

    /// Attaches to it.
    pub async fn attach(&self, container: &str, options: &AttachContainer) -> Result<Hijacked, Error> {
        let target = at(container, "attach")
            .with_flag("stdin", options.stdin)
            .with_flag("stdout", options.stdout)
            .with_flag("stderr", options.stderr)
            .with_flag("stream", options.stream)
            .with_flag("logs", options.logs)
            .with_text("detachKeys", &options.detach_keys);
        let call = Call::new(Method::POST, target).upgrade();
        let operation = call.operation();
        Hijacked::take(self.0.send(call).await?, &operation).await
    }

    /// Reads its log; framed unless it has a terminal.
    pub async fn logs(&self, container: &str, options: &LogsOptions) -> Result<ByteStream, Error> {
        let target = at(container, "logs")
            .with_flag("follow", options.follow)
            .with_flag("stdout", options.stdout)
            .with_flag("stderr", options.stderr)
            .with_text("since", &options.since)
            .with_text("until", &options.until)
            .with_flag("timestamps", options.timestamps)
            .with_flag("details", options.details)
            .with_text("tail", &options.tail);
        self.stream(Call::new(Method::GET, target)).await
    }

    /// Resizes its terminal.
    pub async fn resize(&self, container: &str, height: u16, width: u16) -> Result<(), Error> {
        let target = at(container, "resize")
            .with("h", &height.to_string())
            .with("w", &width.to_string());
        self.0.command(Call::new(Method::POST, target)).await.map(drop)
    }

    /// Its processes; `arguments` are those of ps, empty = `-ef`.
    pub async fn top(&self, container: &str, arguments: &str) -> Result<TopResponse, Error> {
        self.0
            .document(Call::new(
                Method::GET,
                at(container, "top").with_text("ps_args", arguments),
            ))
            .await
    }

    /// Its use of resources, about once a second, or only one reading.
    pub async fn stats(&self, container: &str, stream: bool) -> Result<JsonStream<StatsResponse>, Error> {
        let target = at(container, "stats").with("stream", if stream { "1" } else { "0" });
        self.stream(Call::new(Method::GET, target)).await.map(JsonStream::new)
    }

    /// How it differs from its image.
    pub async fn changes(&self, container: &str) -> Result<Vec<Change>, Error> {
        let changes: Option<Vec<Change>> = self
            .0
            .document(Call::new(Method::GET, at(container, "changes")))
            .await?;
        Ok(changes.unwrap_or_default())
    }

    /// Its whole file system as an archive.
    pub async fn export(&self, container: &str) -> Result<ByteStream, Error> {
        let call = Call::new(Method::GET, at(container, "export"));
        let operation = call.operation();
        Ok(ByteStream::new(self.0.send(call).await?, operation))
    }

    /// Changes its limits or restart policy.
    pub async fn update(&self, container: &str, request: &UpdateRequest) -> Result<UpdateResponse, Error> {
        self.0
            .document(Call::new(Method::POST, at(container, "update")).json(request)?)
            .await
    }

    /// Removes all that do not run.
    pub async fn prune(&self, filters: &Filters) -> Result<ContainersPruned, Error> {
        let target = Target::path(&["containers", "prune"]).with_filters(filters);
        self.0.document(Call::new(Method::POST, target)).await
    }

    async fn stream(&self, call: Call) -> Result<ByteStream, Error> {
        let operation = call.operation();
        Ok(ByteStream::new(self.0.send(call).await?, operation))
    }
}

fn at(container: &str, verb: &str) -> Target {
    Target::path(&["containers", container, verb])
}
