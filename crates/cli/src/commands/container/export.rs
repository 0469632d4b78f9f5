//! `tierce export`

use crate::context::Context;
use crate::error::Error;
use crate::output::archive;
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct Export {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "string")]
    output: Option<PathBuf>,
    /// Write a configuration for LXC in place of the archive; its root file system is "rootfs" beside the file
    #[arg(long)]
    lxc_config: bool,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Export {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        if self.lxc_config {
            return self.lxc_config(context).await;
        }
        let output = self.output.as_deref();
        archive::check(output, "export container")?;
        let stream = context.client.containers().export(&self.container).await?;
        archive::write(stream, output).await
    }

    async fn lxc_config(&self, context: &Context) -> Result<(), Error> {
        let container = context.client.containers().inspect(&self.container, false).await?;
        let mut bridges = BTreeMap::new();
        for name in container.network_settings.networks.keys() {
            let network = context.client.networks().inspect(name).await?;
            if network.driver == "bridge" {
                let device = network.options.get("com.docker.network.bridge.name").cloned();
                let by_id = || format!("br-{}", network.id.chars().take(12).collect::<String>());
                bridges.insert(name.clone(), device.unwrap_or_else(by_id));
            }
        }
        // Where LXC looks for it, unless the file goes elsewhere.
        let place = Path::new("/var/lib/lxc").join(container.name.trim_start_matches('/'));
        let failed = |path: &Path, error: std::io::Error| Error::failed(format!("write {}: {error}", path.display()));
        let directory = match &self.output {
            Some(file) => std::path::absolute(file)
                .map_err(|error| failed(file, error))?
                .parent()
                .map_or_else(|| place.clone(), Path::to_owned),
            None => place,
        };
        let text = tierce_lxc::config(&container, &directory.join("rootfs"), &bridges)
            .map_err(|error| Error::failed(error.to_string()))?;
        if let Some(file) = &self.output {
            return std::fs::write(file, text).map_err(|error| failed(file, error));
        }
        print!("{text}");
        Ok(())
    }
}
