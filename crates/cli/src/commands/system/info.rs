//! `tierce info`

use crate::context::Context;
use crate::error::Error;
use crate::help::INSPECT_FORMAT;
use crate::output::go_names;
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;
use tierce_api_types::system::InfoResponse;
use tierce_format::template::Template;
use tierce_format::units;

#[derive(Args)]
pub(crate) struct Info {
    #[arg(short, long, default_value = "", hide_default_value = true, help = INSPECT_FORMAT)]
    format: String,
}

impl Info {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let template = Template::parse(&self.format)?;
        let info = context.client.system().info().await?;
        match template {
            Some(template) => {
                let mut document = serde_json::to_value(&info)
                    .map_err(|error| Error::failed(format!("encode the answer: {error}")))?;
                document["ClientInfo"] = json!({ "Version": env!("CARGO_PKG_VERSION"), "Context": context.name });
                println!("{}", go_names::render(&template, &document)?);
            }
            None => print!("{}", text(&info, &context.name)),
        }
        for warning in info.warnings.iter().flatten() {
            eprintln!("{warning}");
        }
        Ok(())
    }
}

/// Docker's layout, one fact a line.
fn text(info: &InfoResponse, context: &str) -> String {
    let mut text = format!(
        "Client: Tierce\n Version:    {}\n Context:    {context}\n\nServer:\n",
        env!("CARGO_PKG_VERSION")
    );
    // Writing to a String cannot fail.
    let mut line = |depth: usize, name: &str, value: &dyn std::fmt::Display| {
        let (margin, value) = (" ".repeat(depth), value.to_string());
        // An entry has no name, a head no value; a version has one, also when it is not known.
        let _ = if name.is_empty() {
            writeln!(text, "{margin}{value}")
        } else if value.is_empty() && !name.ends_with(" version") {
            writeln!(text, "{margin}{name}:")
        } else {
            writeln!(text, "{margin}{name}: {value}")
        };
    };
    line(1, "Containers", &info.containers);
    line(2, "Running", &info.containers_running);
    line(2, "Paused", &info.containers_paused);
    line(2, "Stopped", &info.containers_stopped);
    line(1, "Images", &info.images);
    line(1, "Server Version", &info.server_version);
    line(1, "Storage Driver", &info.driver);
    for [name, value] in &info.driver_status {
        line(2, name, value);
    }
    line(1, "Logging Driver", &info.logging_driver);
    if !info.log_limits.is_empty() {
        line(2, "Limits", &info.log_limits);
    }
    line(1, "Cgroup Driver", &info.cgroup_driver);
    line(1, "Cgroup Version", &info.cgroup_version);
    line(1, "Plugins", &"");
    line(2, "Volume", &info.plugins.volume.join(" "));
    line(2, "Network", &info.plugins.network.join(" "));
    line(2, "Log", &info.plugins.log.join(" "));
    devices(&mut line, info);
    if let Some(state) = info.swarm.get("LocalNodeState").and_then(Value::as_str) {
        line(1, "Swarm", &state);
    }
    line(
        1,
        "Runtimes",
        &info.runtimes.keys().cloned().collect::<Vec<_>>().join(" "),
    );
    line(1, "Default Runtime", &info.default_runtime);
    line(1, "Init Binary", &info.init_binary);
    line(1, "containerd version", &info.containerd_commit.id);
    line(1, "runc version", &info.runc_commit.id);
    line(1, "init version", &info.init_commit.id);
    security(&mut line, &info.security_options);
    line(1, "Kernel Version", &info.kernel_version);
    line(1, "Operating System", &info.operating_system);
    line(1, "OSType", &info.os_type);
    line(1, "Architecture", &info.architecture);
    line(1, "CPUs", &info.n_cpu);
    line(1, "Total Memory", &units::binary_size(info.mem_total as f64));
    line(1, "Name", &info.name);
    line(1, "ID", &info.id);
    line(1, "Docker Root Dir", &info.docker_root_dir);
    line(1, "Debug Mode", &info.debug);
    section(&mut line, "Labels", info.labels.iter().map(String::as_str));
    line(1, "Experimental", &info.experimental_build);
    for (head, member) in [
        ("Insecure Registries", "InsecureRegistryCIDRs"),
        ("Registry Mirrors", "Mirrors"),
    ] {
        let found = info.registry_config.get(member).and_then(Value::as_array);
        section(&mut line, head, found.into_iter().flatten().filter_map(Value::as_str));
    }
    line(1, "Live Restore Enabled", &info.live_restore_enabled);
    text + "\n"
}

/// `name=seccomp,profile=builtin` as an entry and what belongs to it.
fn security(line: &mut impl FnMut(usize, &str, &dyn std::fmt::Display), options: &[String]) {
    line(1, "Security Options", &"");
    for option in options {
        let mut parts = option.split(',');
        line(2, "", &parts.next().unwrap_or_default().trim_start_matches("name="));
        for detail in parts {
            let (name, value) = detail.split_once('=').unwrap_or((detail, ""));
            line(3, if name == "profile" { "Profile" } else { name }, &value);
        }
    }
}

/// A head with its entries below it; nothing where there are none.
fn devices(line: &mut impl FnMut(usize, &str, &dyn std::fmt::Display), info: &InfoResponse) {
    let directories = info.cdi_spec_dirs.iter().flatten().map(String::as_str);
    section(line, "CDI spec directories", directories);
    let found = info.discovered_devices.iter();
    let found: Vec<_> = found
        .map(|device| format!("{}: {}", device.source, device.id))
        .collect();
    section(line, "Discovered Devices", found.iter().map(String::as_str));
}

fn section<'a>(
    line: &mut impl FnMut(usize, &str, &dyn std::fmt::Display),
    head: &str,
    entries: impl Iterator<Item = &'a str>,
) {
    for (position, entry) in entries.enumerate() {
        if position == 0 {
            line(1, head, &"");
        }
        line(2, "", &entry);
    }
}
