//! `tierce load`

use super::platform;
use crate::context::Context;
use crate::error::Error;
use crate::output::progress::Progress;
use crate::terminal;
use clap::Args;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use tierce_client::Upload;

#[derive(Args)]
pub(crate) struct Load {
    /// Read from tar archive file, instead of STDIN
    #[arg(short, long, value_name = "string")]
    input: Option<PathBuf>,
    /// Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    /// Suppress the load output
    #[arg(short, long)]
    quiet: bool,
}

/// `open /nope: no such file or directory`, in Go's words.
pub(super) fn opening(path: &Path, error: &io::Error) -> String {
    let cause = match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::NOENT) => "no such file or directory".to_owned(),
        Some(rustix::io::Errno::ACCESS) => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    format!("open {}: {cause}", path.display())
}

impl Load {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let archive = match &self.input {
            Some(path) => {
                let file = File::open(path).map_err(|error| Error::failed(opening(path, &error)))?;
                Upload::from_reader(file)
            }
            // Nobody types an archive.
            None if terminal::stdin_is_terminal() => {
                return Err(Error::failed("requested load from stdin, but stdin is empty"));
            }
            None => Upload::from_reader(io::stdin()),
        };
        let on_terminal = terminal::stdout_is_terminal();
        let platform = platform::document(&self.platform).map_err(platform::named)?;
        let mut messages = context
            .client
            .images()
            .load(archive, self.quiet || !on_terminal, &platform)
            .await?;
        let mut progress = Progress::new(io::stdout(), on_terminal);
        while let Some(message) = messages.next().await? {
            progress.show(&message)?;
        }
        Ok(())
    }
}
