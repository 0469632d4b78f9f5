//! Operations on execs.

use hyper::Method;
use tierce_api_types::exec::{ExecCreate, ExecInspect, ExecStart, IdResponse};

use crate::connection::Call;
use crate::query::Target;
use crate::{Client, Error, Hijacked};

/// Operations on execs.
#[derive(Debug, Clone, Copy)]
pub struct Execs<'a>(pub(crate) &'a Client);

impl Execs<'_> {
    /// Prepares a further process in a container; returns its id.
    pub async fn create(&self, container: &str, request: &ExecCreate) -> Result<String, Error> {
        let target = Target::path(&["containers", container, "exec"]);
        let created: IdResponse = self.0.document(Call::new(Method::POST, target).json(request)?).await?;
        Ok(created.id)
    }

    /// Starts it and attaches to it.
    pub async fn attach(&self, exec: &str, request: &ExecStart) -> Result<Hijacked, Error> {
        let target = Target::path(&["exec", exec, "start"]);
        let call = Call::new(Method::POST, target).json(request)?.upgrade();
        let operation = call.operation();
        Hijacked::take(self.0.send(call).await?, &operation).await
    }

    /// Starts it and leaves it alone.
    pub async fn start_detached(&self, exec: &str, tty: bool) -> Result<(), Error> {
        let request = ExecStart {
            detach: true,
            tty,
            console_size: None,
        };
        let target = Target::path(&["exec", exec, "start"]);
        self.0
            .command(Call::new(Method::POST, target).json(&request)?)
            .await
            .map(drop)
    }

    /// Resizes its terminal.
    pub async fn resize(&self, exec: &str, height: u16, width: u16) -> Result<(), Error> {
        let target = Target::path(&["exec", exec, "resize"])
            .with("h", &height.to_string())
            .with("w", &width.to_string());
        self.0.command(Call::new(Method::POST, target)).await.map(drop)
    }

    /// Everything about it.
    pub async fn inspect(&self, exec: &str) -> Result<ExecInspect, Error> {
        self.0
            .document(Call::new(Method::GET, Target::path(&["exec", exec, "json"])))
            .await
    }
}
