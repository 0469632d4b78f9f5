//! Flags about logs.

use super::environment::pair;
use crate::Error;
use clap::Args;
use std::collections::BTreeMap;
use tierce_api_types::container::HostConfig;

#[derive(Debug, Args)]
pub(crate) struct LoggingFlags {
    /// Logging driver for the container
    #[arg(long, default_value = "", hide_default_value = true)]
    log_driver: String,
    /// Log driver options
    #[arg(long, value_name = "list")]
    log_opt: Vec<String>,
}

impl LoggingFlags {
    pub(crate) fn apply(&self, host: &mut HostConfig) -> Result<(), Error> {
        let options: BTreeMap<String, String> = self.log_opt.iter().map(|text| pair(text)).collect();
        if self.log_driver == "none" && !options.is_empty() {
            return Err(Error::usage("invalid logging opts for driver none"));
        }
        host.log_config.kind.clone_from(&self.log_driver);
        host.log_config.config = Some(options);
        Ok(())
    }
}
