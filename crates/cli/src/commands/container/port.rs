//! `tierce port`

use crate::context::Context;
use crate::error::Error;
use clap::Args;
use tierce_oci::container::PortBinding;

#[derive(Args)]
pub(crate) struct Port {
    container: String,
    /// Only this port
    #[arg(value_name = "PRIVATE_PORT[/PROTO]")]
    port: Option<String>,
}

impl Port {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let found = context.client.containers().inspect(&self.container, false).await?;
        let ports = found.network_settings.ports;
        let Some(given) = &self.port else {
            for (port, bindings) in &ports {
                for binding in bindings.iter().flatten() {
                    println!("{port} -> {}", address(binding));
                }
            }
            return Ok(());
        };
        let wanted = if given.contains('/') {
            given.clone()
        } else {
            format!("{given}/tcp")
        };
        match ports.get(&wanted) {
            Some(Some(bindings)) if !bindings.is_empty() => {
                for binding in bindings {
                    println!("{}", address(binding));
                }
                Ok(())
            }
            _ => Err(Error::failed(format!(
                "Error: No public port '{given}' published for {}",
                self.container
            ))),
        }
    }
}

fn address(binding: &PortBinding) -> String {
    if binding.host_ip.contains(':') {
        format!("[{}]:{}", binding.host_ip, binding.host_port)
    } else {
        format!("{}:{}", binding.host_ip, binding.host_port)
    }
}
