//! `tierce attach`

use crate::context::Context;
use crate::error::Error;
use crate::session::{Session, Target};
use clap::Args;
use tierce_api_types::container::WaitCondition;
use tierce_client::AttachContainer;

#[derive(Args)]
pub(crate) struct Attach {
    /// Override the key sequence for detaching a container
    #[arg(long, default_value = "", hide_default_value = true)]
    detach_keys: String,
    /// Do not attach STDIN
    #[arg(long)]
    no_stdin: bool,
    /// Proxy all received signals to the process
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true")]
    sig_proxy: bool,
    container: String,
}

impl Attach {
    pub(crate) async fn run(mut self, context: &Context) -> Result<(), Error> {
        self.detach_keys = context.detach_keys(&self.detach_keys)?;
        let containers = context.client.containers();
        let found = containers.inspect(&self.container, false).await?;
        if !found.state.running {
            return Err(Error::failed(
                "You cannot attach to a stopped container, start it first",
            ));
        }
        if found.state.paused {
            return Err(Error::failed(
                "You cannot attach to a paused container, unpause it first",
            ));
        }
        if found.state.restarting {
            return Err(Error::failed(
                "You cannot attach to a restarting container, wait until it is running",
            ));
        }
        let stdin = found.config.open_stdin && !self.no_stdin;
        let mut ended = containers.wait(&found.id, WaitCondition::NotRunning).await?;
        let options = AttachContainer {
            stdin,
            stdout: true,
            stderr: true,
            stream: true,
            logs: false,
            detach_keys: self.detach_keys.clone(),
        };
        let stream = containers.attach(&found.id, &options).await?;
        let session = Session {
            target: Target::Container(found.id.clone()),
            tty: found.config.tty,
            stdin,
            forward_signals: self.sig_proxy && !found.config.tty,
            detach_keys: &self.detach_keys,
        };
        let finish = session.run(&context.client, stream).await?;
        if finish.is_detached() {
            return Ok(());
        }
        match ended.next().await?.map_or(0, |answer| answer.status_code) {
            0 => Ok(()),
            code => Err(Error::Exit(code as i32)),
        }
    }
}
