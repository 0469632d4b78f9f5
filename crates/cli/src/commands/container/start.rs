//! `tierce start`

use crate::commands::checkpoint::require_experimental;
use crate::commands::for_each;
use crate::context::Context;
use crate::error::Error;
use crate::session::{Session, Target};
use clap::Args;
use tierce_api_types::container::WaitCondition;
use tierce_client::AttachContainer;

#[derive(Args)]
pub(crate) struct Start {
    /// Attach STDOUT/STDERR and forward signals
    #[arg(short, long)]
    attach: bool,
    /// Restore from this checkpoint
    #[arg(long, default_value = "", hide_default_value = true)]
    checkpoint: String,
    /// Use a custom checkpoint storage directory
    #[arg(long, default_value = "", hide_default_value = true)]
    checkpoint_dir: String,
    /// Override the key sequence for detaching a container
    #[arg(long, default_value = "", hide_default_value = true)]
    detach_keys: String,
    /// Attach container's STDIN
    #[arg(short, long)]
    interactive: bool,
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Start {
    pub(crate) async fn run(mut self, context: &Context) -> Result<(), Error> {
        self.detach_keys = context.detach_keys(&self.detach_keys)?;
        for (flag, given) in [
            ("--checkpoint", &self.checkpoint),
            ("--checkpoint-dir", &self.checkpoint_dir),
        ] {
            if !given.is_empty() {
                require_experimental(context, &format!("{flag:?}")).await?;
            }
        }
        if !self.checkpoint.is_empty() && !self.attach && !self.interactive {
            // Docker's client does not tell the name of what it has restored.
            return match self.containers.as_slice() {
                [name] => self.start(context, name).await,
                _ => Err(Error::failed("you cannot restore multiple containers at once")),
            };
        }
        if !self.attach && !self.interactive {
            let mut failed = Vec::new();
            let started = for_each(&self.containers, async |name| {
                let started = context.client.containers().start(name, &self.detach_keys).await;
                if started.is_err() {
                    failed.push(name.to_owned());
                }
                Ok(started.map(drop)?)
            });
            let started = started.await;
            return started.map_err(|error| {
                let names = failed.join(", ");
                Error::failed(format!("{error}\nError: failed to start containers: {names}"))
            });
        }
        match self.containers.as_slice() {
            [name] => self.attached(context, name).await,
            _ => Err(Error::failed("you cannot start and attach multiple containers at once")),
        }
    }

    /// Starts one container, from its checkpoint where one is named.
    async fn start(&self, context: &Context, name: &str) -> Result<(), Error> {
        if self.checkpoint.is_empty() {
            context.client.containers().start(name, &self.detach_keys).await?;
        } else {
            let checkpoints = context.client.checkpoints(name, &self.checkpoint_dir);
            checkpoints.start(&self.checkpoint).await?;
        }
        Ok(())
    }

    async fn attached(&self, context: &Context, name: &str) -> Result<(), Error> {
        let containers = context.client.containers();
        let found = containers.inspect(name, false).await?;
        let stdin = self.interactive && found.config.open_stdin;
        let options = AttachContainer {
            stdin,
            stdout: true,
            stderr: true,
            stream: true,
            logs: false,
            detach_keys: self.detach_keys.clone(),
        };
        let stream = containers.attach(&found.id, &options).await?;
        let condition = if found.host_config.auto_remove {
            WaitCondition::Removed
        } else {
            WaitCondition::NextExit
        };
        let mut ended = containers.wait(&found.id, condition).await?;
        self.start(context, &found.id).await?;
        let session = Session {
            target: Target::Container(found.id.clone()),
            tty: found.config.tty,
            stdin,
            forward_signals: !found.config.tty,
            detach_keys: &self.detach_keys,
        };
        if session.run(&context.client, stream).await?.is_detached() {
            return Ok(());
        }
        match ended.next().await?.map_or(0, |answer| answer.status_code) {
            0 => Ok(()),
            code => Err(Error::Exit(code as i32)),
        }
    }
}
