//! `tierce exec`

use crate::context::Context;
use crate::error::Error;
use crate::session::{Session, Target};
use crate::terminal;
use clap::Args;
use std::path::PathBuf;
use tierce_api_types::exec::{ExecCreate, ExecStart};
use tierce_flags::environment;

#[derive(Args)]
pub(crate) struct Exec {
    /// Detached mode: run command in the background
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, default_value = "", hide_default_value = true)]
    detach_keys: String,
    /// Set environment variables
    #[arg(short, long, value_name = "list", value_parser = environment::variable)]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "list")]
    env_file: Vec<PathBuf>,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    interactive: bool,
    /// Give extended privileges to the command
    #[arg(long)]
    privileged: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    tty: bool,
    /// Username or UID (format: "<name|uid>[:<group|gid>]")
    #[arg(short, long, default_value = "", hide_default_value = true)]
    user: String,
    /// Working directory inside the container
    #[arg(short, long, default_value = "", hide_default_value = true)]
    workdir: String,
    container: String,
    /// Command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_names = ["COMMAND", "ARG"])]
    command: Vec<String>,
}

impl Exec {
    pub(crate) async fn run(mut self, context: &Context) -> Result<(), Error> {
        self.detach_keys = context.detach_keys(&self.detach_keys)?;
        if self.tty && self.interactive && !self.detach && !terminal::stdin_is_terminal() {
            return Err(Error::failed("the input device is not a TTY"));
        }
        let attach = !self.detach;
        let console_size = if self.tty {
            terminal::size().map(|(rows, columns)| [rows, columns])
        } else {
            None
        };
        let request = ExecCreate {
            user: self.user.clone(),
            privileged: self.privileged,
            tty: self.tty,
            console_size,
            attach_stdin: self.interactive && attach,
            attach_stdout: attach,
            attach_stderr: attach,
            detach_keys: self.detach_keys.clone(),
            env: environment::collect(&self.env, &self.env_file)?,
            working_dir: self.workdir.clone(),
            cmd: self.command.clone(),
        };
        let execs = context.client.execs();
        let id = execs.create(&self.container, &request).await?;
        if self.detach {
            return Ok(execs.start_detached(&id, self.tty).await?);
        }
        let stream = execs
            .attach(
                &id,
                &ExecStart {
                    detach: false,
                    tty: self.tty,
                    console_size,
                },
            )
            .await?;
        let session = Session {
            target: Target::Exec(id.clone()),
            tty: self.tty,
            stdin: self.interactive,
            forward_signals: false,
            detach_keys: &self.detach_keys,
        };
        if session.run(&context.client, stream).await?.is_detached() {
            return Ok(());
        }
        match execs.inspect(&id).await?.exit_code {
            Some(0) | None => Ok(()),
            Some(code) => Err(Error::Exit(code as i32)),
        }
    }
}
