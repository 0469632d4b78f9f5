//! The daemon itself: facts for `info`, disk use for `df`.

use crate::container::context::{Context, blocking};
use crate::error::Result;
use crate::metrics::Metrics;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tierce_events::Subject;
use tierce_spec::cdi::Registry;

/// How many containers there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContainerCounts {
    /// All.
    pub total: usize,
    /// Running (restarting ones included, as Docker counts).
    pub running: usize,
    /// Paused.
    pub paused: usize,
    /// Neither.
    pub stopped: usize,
}

/// Facts about the daemon and its host. What only the composition root knows (version, registries) is not here.
#[derive(Debug, Clone)]
pub struct Info {
    /// Containers by state.
    pub containers: ContainerCounts,
    /// Storage driver.
    pub driver: String,
    /// Facts about it, in order.
    pub driver_status: Vec<(String, String)>,
    /// Data root.
    pub data_root: PathBuf,
    /// Logs of containers.
    pub logging: Logging,
    /// `cgroupfs` or `systemd`.
    pub cgroup_driver: &'static str,
    /// `1` or `2`.
    pub cgroup_version: &'static str,
    /// Names of the runtimes with the programs behind them (`None`: Tierce's own).
    pub runtimes: Vec<(String, Option<PathBuf>)>,
    /// The runtime of containers that name none.
    pub default_runtime: String,
    /// The program that is pid 1 with `--init`.
    pub init_program: Option<PathBuf>,
    /// `name=seccomp,profile=builtin` and its like.
    pub security_options: Vec<String>,
    /// The host.
    pub host: HostInfo,
    /// How many watch events now.
    pub event_watchers: usize,
    /// Volume drivers.
    pub volume_drivers: Vec<&'static str>,
    /// What the administrator should know.
    pub warnings: Vec<String>,
}

/// Logs of containers.
#[derive(Debug, Clone)]
pub struct Logging {
    /// Driver of containers that name none.
    pub driver: String,
    /// All drivers.
    pub drivers: Vec<&'static str>,
    /// How much is kept where nobody says so; empty: what the daemon's configuration says.
    pub limits: &'static str,
}

/// Facts about the host.
#[derive(Debug, Clone)]
pub struct HostInfo {
    /// Kernel release.
    pub kernel: String,
    /// `PRETTY_NAME` of os-release(5).
    pub operating_system: String,
    /// `VERSION_ID` of os-release(5).
    pub os_version: String,
    /// `x86_64` and its like.
    pub architecture: String,
    /// Processors online.
    pub cpus: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// Host name.
    pub hostname: String,
    /// Names of the devices that CDI documents describe.
    pub cdi_devices: Vec<String>,
}

/// A volume with its size and how many containers use it.
#[derive(Debug, Clone)]
pub struct VolumeUsage {
    /// The volume.
    pub volume: tierce_volume::Volume,
    /// Bytes.
    pub size: u64,
    /// Containers.
    pub references: usize,
}

/// The system verbs.
#[derive(Clone)]
pub struct System {
    context: Arc<Context>,
}

impl System {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Facts about daemon and host.
    pub async fn info(&self) -> Result<Info> {
        let context = Arc::clone(&self.context);
        blocking(move || Ok(info(&context))).await
    }

    /// How many containers there are, by state. Never waits.
    pub fn counts(&self) -> ContainerCounts {
        counts(&self.context)
    }

    /// How often things were done, and how long they took.
    pub fn metrics(&self) -> &Metrics {
        &self.context.metrics
    }

    /// Disk use of volumes, measured now.
    pub async fn volume_usage(&self) -> Result<Vec<VolumeUsage>> {
        let context = Arc::clone(&self.context);
        blocking(move || Ok(volume_usage(&context))).await
    }

    /// From now on containers may choose these runtimes.
    pub async fn set_runtimes(&self, runtimes: crate::Runtimes) {
        let context = &self.context;
        let same_default = context.runtimes().default == runtimes.default;
        context.set_runtimes(runtimes);
        if same_default {
            return;
        }
        // Records name the runtime as seen from the default one.
        for container in context.all() {
            let _transition = container.transition().await;
            if !container.snapshot().gone {
                context.save_or_warn(&container, false).await;
            }
        }
    }

    /// Publishes that the daemon, of this id, read its configuration again; `settings` are those that may change.
    pub fn reloaded(&self, id: &str, mut settings: BTreeMap<String, String>) {
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        settings.insert("name".to_owned(), hostname);
        self.context.events.publish(Subject::Daemon, "reload", id, settings);
    }
}

fn counts(context: &Context) -> ContainerCounts {
    let mut counts = ContainerCounts::default();
    for container in context.all() {
        let snapshot = container.snapshot();
        counts.total += 1;
        if snapshot.record.state.paused {
            counts.paused += 1;
        } else if snapshot.record.state.running {
            counts.running += 1;
        } else {
            counts.stopped += 1;
        }
    }
    counts
}

fn info(context: &Context) -> Info {
    let uname = rustix::system::uname();
    let (runtimes, presets) = (context.runtimes(), &context.config.presets);
    let mut security_options = Vec::new();
    if context.host.apparmor_profile.is_some() {
        security_options.push("name=apparmor".to_owned());
    }
    let profile = match presets.seccomp.as_deref() {
        None | Some("builtin") => "builtin",
        Some("unconfined") => "unconfined",
        Some(_) => "custom",
    };
    security_options.push(format!("name=seccomp,profile={profile}"));
    if context.host.unified_cgroups {
        security_options.push("name=cgroupns".to_owned());
    }
    if presets.no_new_privileges {
        security_options.push("name=no-new-privileges".to_owned());
    }
    let release = std::fs::read_to_string("/etc/os-release")
        .or_else(|_| std::fs::read_to_string("/usr/lib/os-release"))
        .unwrap_or_default();
    let devices = Registry::read(&context.config.cdi_directories);
    Info {
        containers: counts(context),
        driver: context.rootfs.driver(),
        driver_status: context.rootfs.status(),
        data_root: context.config.data_root.clone(),
        logging: Logging {
            driver: context.config.log_driver.clone(),
            drivers: tierce_logs::options::DRIVERS.to_vec(),
            limits: log_limits(context),
        },
        cgroup_driver: if context.config.systemd_cgroup {
            "systemd"
        } else {
            "cgroupfs"
        },
        cgroup_version: if context.host.unified_cgroups { "2" } else { "1" },
        default_runtime: runtimes.default.clone(),
        runtimes: runtimes.programs.clone().into_iter().collect(),
        init_program: context.config.init_program.clone(),
        security_options,
        host: HostInfo {
            kernel: uname.release().to_string_lossy().into_owned(),
            operating_system: os_release(&release, "PRETTY_NAME"),
            os_version: os_release(&release, "VERSION_ID"),
            architecture: uname.machine().to_string_lossy().into_owned(),
            cpus: context.capacity.cpus,
            memory: total_memory(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default()),
            hostname: uname.nodename().to_string_lossy().into_owned(),
            cdi_devices: devices.names().map(str::to_owned).collect(),
        },
        event_watchers: context.events.watchers(),
        volume_drivers: context.volumes.drivers(),
        warnings: warnings(context),
    }
}

fn warnings(context: &Context) -> Vec<String> {
    let damaged = context.daemon.damaged.get().into_iter().flatten();
    let absence = context.tasks.absence().map(|cause| {
        format!("WARNING: {cause}. Containers run on, but none can be started or stopped until it is back")
    });
    damaged
        .map(|directory| {
            let id = directory.file_name().unwrap_or_default().to_string_lossy();
            format!(
                "WARNING: container {} is left out: its record in {} cannot be read. Mend config.v2.json and \
                 hostconfig.json there and restart the daemon, or remove the directory",
                id.get(..12).unwrap_or(&id),
                directory.display()
            )
        })
        .chain(absence)
        .collect()
}

fn log_limits(context: &Context) -> &'static str {
    if context.config.log_driver == "json-file" && !context.config.log_options.contains_key("max-size") {
        tierce_logs::options::DEFAULT_LIMITS
    } else {
        ""
    }
}

/// One value of os-release(5), without its quotes.
fn os_release(text: &str, key: &str) -> String {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
}

/// Bytes of memory, from proc_meminfo(5).
fn total_memory(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes: u64 = line
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    kilobytes * 1024
}

fn volume_usage(context: &Context) -> Vec<VolumeUsage> {
    context
        .volumes
        .list()
        .into_iter()
        .map(|volume| VolumeUsage {
            size: context.volumes.usage(&volume.name).unwrap_or(0),
            references: context.volumes.holders(&volume.name).len(),
            volume,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_files_are_read() {
        let text = "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux\"\nVERSION_ID='13'\n";
        assert_eq!(os_release(text, "PRETTY_NAME"), "Debian GNU/Linux");
        assert_eq!(os_release(text, "VERSION_ID"), "13");
        assert_eq!(os_release(text, "NOPE"), "");
        assert_eq!(total_memory("MemTotal:       24683000 kB\n"), 24_683_000 * 1024);
    }
}
