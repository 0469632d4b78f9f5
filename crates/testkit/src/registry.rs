//! Debian's `docker-registry` on a loopback port of a test's host.

use crate::{Host, ImageBuilder, Run, wait_until};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A registry; stopped and removed with this value.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    directory: tempfile::TempDir,
    host: String,
}

/// Every host has its own loopback, so the port needs not be chosen.
const ADDRESS: &str = "127.0.0.1:5000";

/// What the user agent of the program that pushes begins with.
const PUSHER: &str = "skopeo/";

impl Registry {
    /// Starts one on the host.
    pub fn start(host: &Host) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let config = directory.path().join("config.yml");
        let mut text =
            String::from("version: 0.1\nlog: {level: debug, formatter: json, accesslog: {disabled: false}}\n");
        let _ = writeln!(
            text,
            "storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}",
            directory.path().join("data").display()
        );
        let _ = writeln!(text, "http: {{addr: '{ADDRESS}'}}");
        fs::write(&config, text).expect("write the registry's configuration");
        let log = fs::File::create(directory.path().join("log")).expect("make the registry's log");
        let process = host
            .command("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("start docker-registry");
        let registry = Self {
            process,
            directory,
            host: host.name().to_owned(),
        };
        wait_until("the registry answers", Duration::from_mins(1), || {
            host.run(&["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/5000"]).code == 0
        });
        registry
    }

    /// `127.0.0.1:5000`.
    pub fn address(&self) -> &'static str {
        ADDRESS
    }

    /// Pushes an image; returns the name to pull it by.
    pub fn push(&self, image: &ImageBuilder, name: &str) -> String {
        let layout = tempfile::tempdir().expect("a temporary directory");
        image.write_layout(layout.path());
        let reference = format!("{ADDRESS}/{name}");
        Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", self.host))
            .args([
                "skopeo",
                "--insecure-policy",
                "copy",
                "--quiet",
                // Without it a layer of plain tar would be compressed on its way.
                "--preserve-digests",
                "--dest-tls-verify=false",
            ])
            .arg(format!("oci:{}:latest", layout.path().display()))
            .arg(format!("docker://{reference}"))
            .run()
            .ok();
        reference
    }

    /// `METHOD /path` of the requests so far, in order, those of skopeo left out.
    pub fn requests(&self) -> Vec<String> {
        let text = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        let requests = text
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        requests
            .filter(|entry| entry["msg"] == "response completed")
            .filter(|entry| {
                !entry["http.request.useragent"]
                    .as_str()
                    .unwrap_or_default()
                    .starts_with(PUSHER)
            })
            .filter_map(|entry| {
                Some(format!(
                    "{} {}",
                    entry["http.request.method"].as_str()?,
                    entry["http.request.uri"].as_str()?
                ))
            })
            .collect()
    }

    /// The file of a blob, to be read or spoilt.
    pub fn blob(&self, digest: &tierce_oci::Digest) -> PathBuf {
        let hex = digest.hex();
        self.directory
            .path()
            .join(format!("data/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have died already; either way it must be reaped.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
