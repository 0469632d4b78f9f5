//! `tierce context import`

use crate::context::Choice;
use crate::error::Error;
use clap::Args;
use std::fs::File;
use std::io::{self, Read};
use tierce_settings::import;

/// A longer archive is no context.
const LONGEST: u64 = (10 << 20) + 1;

#[derive(Args)]
pub(crate) struct Import {
    #[arg(value_name = "CONTEXT")]
    name: String,
    #[arg(value_name = "FILE|-")]
    file: String,
}

impl Import {
    pub(crate) fn run(self, choice: &Choice) -> Result<(), Error> {
        let contexts = choice.settings.contexts();
        if contexts.contains(&self.name) {
            return Err(Error::failed(format!("context {:?} already exists", self.name)));
        }
        let mut archive = Vec::new();
        let read = match self.file.as_str() {
            "-" => io::stdin().take(LONGEST).read_to_end(&mut archive),
            path => File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut archive)),
        };
        read.map_err(|error| Error::failed(format!("read {}: {error}", self.file)))?;
        import(&contexts, &self.name, &archive)?;
        println!("{}", self.name);
        eprintln!("Successfully imported context {:?}", self.name);
        Ok(())
    }
}
