//! `tierce logs`

use crate::context::Context;
use crate::error::Error;
use crate::session::{write_frames, write_out};
use clap::Args;
use tierce_client::{Demultiplexer, LogsOptions};
use tierce_format::time;

#[derive(Args)]
pub(crate) struct Logs {
    /// Show extra details provided to logs
    #[arg(long)]
    details: bool,
    /// Follow log output
    #[arg(short, long)]
    follow: bool,
    /// Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long, default_value = "", hide_default_value = true)]
    since: String,
    /// Number of lines to show from the end of the logs
    #[arg(short = 'n', long, default_value = "all")]
    tail: String,
    /// Show timestamps
    #[arg(short, long)]
    timestamps: bool,
    /// Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long, default_value = "", hide_default_value = true)]
    until: String,
    container: String,
}

impl Logs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let containers = context.client.containers();
        let found = containers.inspect(&self.container, false).await?;
        let options = LogsOptions {
            follow: self.follow,
            stdout: true,
            stderr: true,
            since: time::moment("since", &self.since)?,
            until: time::moment("until", &self.until)?,
            timestamps: self.timestamps,
            details: self.details,
            tail: self.tail,
        };
        let mut stream = containers.logs(&found.id, &options).await?;
        let mut frames = Demultiplexer::new();
        while let Some(bytes) = stream.next().await? {
            if found.config.tty {
                write_out(&bytes)?;
            } else {
                write_frames(&mut frames, &bytes)?;
            }
        }
        Ok(())
    }
}
