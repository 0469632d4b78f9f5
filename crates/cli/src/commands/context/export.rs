//! `tierce context export`

use crate::context::Choice;
use crate::error::Error;
use crate::terminal;
use clap::Args;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use tierce_settings::{Context, Contexts, DEFAULT, Endpoint, export};

#[derive(Args)]
pub(crate) struct Export {
    #[arg(value_name = "CONTEXT")]
    name: String,
    #[arg(value_name = "FILE|-")]
    file: Option<String>,
}

impl Export {
    pub(crate) fn run(self, choice: &Choice) -> Result<(), Error> {
        let contexts = choice.settings.contexts();
        let context = if self.name == DEFAULT {
            let mut context = Context {
                name: DEFAULT.to_owned(),
                ..Context::default()
            };
            context.set_endpoint(&Endpoint {
                host: choice.default_host(),
                skip_tls_verify: false,
            });
            context
        } else {
            Contexts::check_name(&self.name)?;
            contexts.get(&self.name)?
        };
        let path = self.file.unwrap_or_else(|| format!("{}.dockercontext", self.name));
        if path == "-" {
            if terminal::stdout_is_terminal() {
                return Err(Error::failed(
                    "cowardly refusing to export to a terminal, specify a file path",
                ));
            }
            return Ok(export(&contexts, &context, std::io::stdout().lock()).map(drop)?);
        }
        // Keys may be in it.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Error::failed(format!("open {path}: {error}")))?;
        export(&contexts, &context, file)?;
        eprintln!("Written file {path:?}");
        Ok(())
    }
}
