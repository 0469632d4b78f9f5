//! `tierce version`

use crate::context::Context;
use crate::error::Error;
use crate::help::INSPECT_FORMAT;
use crate::output::go_names;
use clap::Args;
use serde_json::json;
use std::fmt::Write as _;
use tierce_api_types::system::VersionResponse;
use tierce_format::template::Template;

#[derive(Args)]
pub(crate) struct Version {
    #[arg(short, long, default_value = "", hide_default_value = true, help = INSPECT_FORMAT)]
    format: String,
}

const NEWEST_API: &str = "1.51";

impl Version {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let template = Template::parse(&self.format)?;
        let server = context.client.system().version().await;
        let api = match &server {
            Ok(_) => context.client.api_version().await?.to_string(),
            Err(_) => NEWEST_API.to_owned(),
        };
        match template {
            None => {
                print!("{}", client_text(&api, &context.name));
                if let Ok(server) = &server {
                    print!("\n{}", server_text(server));
                }
            }
            Some(template) => {
                let client = json!({
                    "Version": env!("CARGO_PKG_VERSION"),
                    "ApiVersion": api,
                    "DefaultAPIVersion": NEWEST_API,
                    "Os": std::env::consts::OS,
                    "Arch": tierce_oci::Platform::host().architecture,
                    "Context": context.name,
                });
                println!(
                    "{}",
                    go_names::render(&template, &json!({ "Client": client, "Server": server.as_ref().ok() }))?
                );
            }
        }
        server.map(drop).map_err(Error::from)
    }
}

fn client_text(api: &str, context: &str) -> String {
    let host = tierce_oci::Platform::host();
    format!(
        "Client: Tierce\n Version:           {}\n API version:       {api}\n OS/Arch:           {}/{}\n Context:           {context}\n",
        env!("CARGO_PKG_VERSION"),
        host.os,
        host.architecture,
    )
}

fn server_text(server: &VersionResponse) -> String {
    let mut text = format!("Server: {}\n", server.platform.name);
    for component in &server.components {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            " {}:
  {:<16} {}",
            component.name, "Version:", component.version
        );
        let details = component.details.iter().flatten();
        let shown = |name: &str| {
            matches!(
                name,
                "ApiVersion" | "MinAPIVersion" | "GitCommit" | "Os" | "Arch" | "KernelVersion"
            )
        };
        for (name, value) in details.filter(|(name, value)| shown(name) && !value.is_empty()) {
            let _ = writeln!(text, "  {:<16} {value}", format!("{name}:"));
        }
    }
    text
}
