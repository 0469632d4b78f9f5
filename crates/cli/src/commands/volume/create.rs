//! `tierce volume create`

use crate::context::Context;
use crate::error::Error;
use clap::Args;
use tierce_api_types::volume::VolumeCreate;
use tierce_flags::pairs;

#[derive(Args)]
pub(crate) struct Create {
    /// Specify volume driver name
    #[arg(short, long, default_value = "local")]
    driver: String,
    /// Set metadata for a volume
    #[arg(long, value_name = "list")]
    label: Vec<String>,
    /// Specify volume name
    #[arg(long, default_value = "", hide = true)]
    name: String,
    /// Set driver specific options
    #[arg(short, long, value_name = "map", value_parser = pairs::pair)]
    opt: Vec<(String, String)>,
    #[arg(value_name = "VOLUME")]
    volume: Option<String>,
}

impl Create {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        if !self.name.is_empty() && self.volume.is_some() {
            return Err(Error::failed(
                "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
            ));
        }
        let request = VolumeCreate {
            driver: self.driver,
            driver_opts: self.opt.into_iter().collect(),
            labels: pairs::labels(&self.label),
            name: self.volume.unwrap_or(self.name),
        };
        println!("{}", context.client.volumes().create(&request).await?.name);
        Ok(())
    }
}
