//! `tierce run`

use super::create;
use crate::context::Context;
use crate::error::Error;
use crate::session::{Session, Target};
use crate::terminal;
use clap::Args;
use tierce_api_types::container::WaitCondition;
use tierce_client::AttachContainer;
use tierce_flags::ContainerFlags;

#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Run {
    /// Run container in background and print container ID
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, default_value = "", hide_default_value = true)]
    detach_keys: String,
    /// Proxy received signals to the process
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true")]
    sig_proxy: bool,
    #[command(flatten)]
    flags: ContainerFlags,
}

impl Run {
    pub(crate) async fn run(mut self, context: &Context) -> Result<(), Error> {
        self.detach_keys = context.detach_keys(&self.detach_keys)?;
        if self.detach {
            self.flags.detach()?;
        } else if self.flags.tty && self.flags.interactive && !terminal::stdin_is_terminal() {
            return Err(Error::failed("the input device is not a TTY"));
        }
        let request = self.flags.request(terminal::size())?;
        let created = create::create(context, &self.flags, &request).await?;
        if self.detach {
            context.client.containers().start(&created.id, "").await?;
            println!("{}", created.id);
            return Ok(());
        }
        self.attached(context, &created.id, &request.config).await
    }

    /// Attaches, waits and starts, in this order, so that neither output nor exit can be missed.
    async fn attached(
        &self,
        context: &Context,
        id: &str,
        config: &tierce_api_types::container::Config,
    ) -> Result<(), Error> {
        let containers = context.client.containers();
        let options = AttachContainer {
            stdin: config.attach_stdin,
            stdout: config.attach_stdout,
            stderr: config.attach_stderr,
            stream: true,
            logs: false,
            detach_keys: self.detach_keys.clone(),
        };
        let stream = containers.attach(id, &options).await?;
        let condition = if self.flags.rm {
            WaitCondition::Removed
        } else {
            WaitCondition::NextExit
        };
        let mut ended = containers.wait(id, condition).await?;
        if let Err(error) = containers.start(id, &self.detach_keys).await {
            if self.flags.rm {
                // With `--rm` the daemon removes what could not be started; its answer is waited for, not needed.
                let _ = ended.next().await;
            }
            return Err(error.into());
        }
        let session = Session {
            target: Target::Container(id.to_owned()),
            tty: config.tty,
            stdin: config.attach_stdin,
            forward_signals: self.sig_proxy && !config.tty,
            detach_keys: &self.detach_keys,
        };
        if session.run(&context.client, stream).await?.is_detached() {
            return Ok(());
        }
        let answer = ended.next().await?.unwrap_or_default();
        if let Some(error) = answer.error {
            return Err(Error::failed(error.message));
        }
        match answer.status_code {
            0 => Ok(()),
            code => Err(Error::Exit(code as i32)),
        }
    }
}
