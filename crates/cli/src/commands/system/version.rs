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
use tierce_format::time;

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
    let mut text = format!("Server: {}", server.platform.name).trim_end().to_owned() + "\n";
    for component in &server.components {
        let details = component.details.clone().unwrap_or_default();
        let detail = |name: &str| details.get(name).cloned().unwrap_or_default();
        let mut lines = vec![("Version".to_owned(), component.version.clone())];
        if component.name == "Engine" {
            let api = format!("{} (minimum version {})", detail("ApiVersion"), detail("MinAPIVersion"));
            let built = match detail("BuildTime").parse() {
                Ok(moment) => time::build(moment),
                Err(_) => detail("BuildTime"),
            };
            lines.push(("API version".to_owned(), api));
            lines.extend(
                [
                    ("Go version", detail("GoVersion")),
                    ("Git commit", detail("GitCommit")),
                    ("Built", built),
                ]
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name.to_owned(), value)),
            );
            lines.push(("OS/Arch".to_owned(), format!("{}/{}", detail("Os"), detail("Arch"))));
            lines.push(("Experimental".to_owned(), server.experimental.to_string()));
        } else {
            lines.extend(details.clone());
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, " {}:", component.name);
        for (name, value) in lines {
            let _ = writeln!(text, "  {:<17} {value}", format!("{name}:"));
        }
    }
    text
}
