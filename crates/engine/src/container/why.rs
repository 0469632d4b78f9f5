//! `why`: collects what is known about a container and its end; the reasons are found in the room `why`.

use super::archive;
use super::context::{Container, Context, Snapshot, blocking};
use super::health;
use super::log_options;
use crate::error::{Error, Result};
use rustix::fs::OFlags;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tierce_events::Subject;
use tierce_fsops::Root;
use tierce_lifecycle::Status;
use tierce_logs::{Next, Query};
use tierce_why::program::{Examined, HEAD, Kind, recognise};
use tierce_why::{Evidence, Explanation, Health, Memory, Probe, Program, Restart, Sent, State, kernel_log};

/// Lines of the log that are looked at.
const LOG_LINES: usize = 20;
/// Records of the kernel's log that are looked at; it holds fewer.
const KERNEL_RECORDS: usize = 100_000;

/// Why a container is as it is.
#[derive(Debug, Clone)]
pub struct Reason {
    /// 64 hex digits.
    pub id: String,
    /// Its name, without slash.
    pub name: String,
    /// `exited` and its like.
    pub status: &'static str,
    /// The explanation.
    pub explanation: Explanation,
}

/// See [`super::Containers::why`].
pub(crate) async fn why(context: &Arc<Context>, name: &str) -> Result<Reason> {
    let container = context.find(name)?;
    let snapshot = container.snapshot();
    let peak = if snapshot.record.state.is_alive() {
        let metrics = context.control.stats(&container.id).await.ok();
        metrics
            .and_then(|metrics| metrics.memory)
            .map(|memory| memory.max_usage)
    } else {
        snapshot.memory_peak
    };
    let context = Arc::clone(context);
    blocking(move || {
        let evidence = collect(&context, &container, &snapshot, peak);
        Ok(Reason {
            id: container.id.clone(),
            name: snapshot.record.plain_name().to_owned(),
            status: snapshot.record.state.status().as_str(),
            explanation: tierce_why::explain(&evidence),
        })
    })
    .await
}

fn collect(context: &Context, container: &Container, snapshot: &Snapshot, peak: Option<u64>) -> Evidence {
    let (record, host_config) = (&snapshot.record, &snapshot.host_config);
    let state = &record.state;
    let started = SystemTime::from(state.started_at);
    let policy = &host_config.restart_policy;
    let limit = u64::try_from(host_config.resources.memory)
        .ok()
        .filter(|limit| *limit > 0);
    Evidence {
        name: record.plain_name().to_owned(),
        state: match state.status() {
            Status::Created => State::Created,
            Status::Running => State::Running,
            Status::Paused => State::Paused,
            Status::Restarting => State::Restarting,
            Status::Exited | Status::Removing => State::Exited,
            Status::Dead => State::Dead,
        },
        // A running container's own is 0, and says nothing of how the life before ended.
        exit_code: if state.is_alive() {
            snapshot.last_exit
        } else {
            state.exit_code
        },
        error: state.error.clone(),
        ran: Duration::try_from(state.finished_at.duration_since(state.started_at)).ok(),
        stop_timeout: record.config.stop_timeout.unwrap_or(context.config.stop_timeout),
        sent: sent(context, &container.id, started),
        restart: Restart {
            policy: match policy.maximum_retry_count {
                0 => policy.name.clone(),
                count => format!("{}:{count}", policy.name),
            },
            count: record.restart_count,
            stopped_by_user: record.has_been_manually_stopped,
        },
        memory: Memory {
            limit,
            peak,
            oom_killed: state.oom_killed,
        },
        health: state.health.as_ref().map(|health| Health {
            status: health.status.clone(),
            failing_streak: health.failing_streak,
            command: health::command(&record.config).unwrap_or_default().join(" "),
            log: health.log.iter().flatten().map(probe).collect(),
        }),
        program: program(context, container, snapshot),
        kernel: kernel_news(&container.id, &record.path, started),
        missing_mounts: missing_mounts(snapshot),
        log: log(container, snapshot),
    }
}

fn probe(probe: &tierce_lifecycle::Probe) -> Probe {
    Probe {
        end: probe.end.clone(),
        exit_code: probe.exit_code,
        output: probe.output.clone(),
    }
}

/// Signals that the engine sent since the container started, as far as events are remembered.
fn sent(context: &Context, id: &str, started: SystemTime) -> Vec<Sent> {
    let events = context.events.about(Subject::Container, id).into_iter();
    events
        .filter(|event| event.action == "kill" && event.at >= started)
        .filter_map(|event| {
            Some(Sent {
                signal: event.attributes.get("signal")?.parse().ok()?,
                at: tierce_logs::time::format(event.at),
            })
        })
        .collect()
}

fn missing_mounts(snapshot: &Snapshot) -> Vec<(String, String)> {
    let points = snapshot.record.mount_points.values();
    points
        .filter(|point| point.kind == "bind" && std::fs::symlink_metadata(&point.source).is_err())
        .map(|point| (point.source.clone(), point.destination.clone()))
        .collect()
}

/// The last lines of the log.
fn log(container: &Container, snapshot: &Snapshot) -> Vec<String> {
    let source = log_options::source(&snapshot.host_config.log_config, &container.directory, &container.id);
    let query = Query {
        tail: Some(LOG_LINES),
        ..Query::default()
    };
    let Some(mut reader) = source.and_then(|source| tierce_logs::drivers::read(&source, &query).ok()) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    while let Ok(Next::Entry(entry)) = reader.next(None) {
        lines.push(String::from_utf8_lossy(&entry.line).trim_end().to_owned());
    }
    lines
}

/// What the kernel's log has of the container since its start. That log may not be readable, or not be there.
fn kernel_news(id: &str, program: &str, started: SystemTime) -> Vec<kernel_log::KernelNews> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(log) = rustix::fs::open("/dev/kmsg", flags, rustix::fs::Mode::empty()) else {
        return Vec::new();
    };
    let uptime = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let uptime = Duration::new(uptime.tv_sec.unsigned_abs(), uptime.tv_nsec.unsigned_abs() as u32);
    let age = SystemTime::now().duration_since(started).unwrap_or_default();
    // The kernel's clock has a second's grace: it is another one.
    let since = uptime.saturating_sub(age).saturating_sub(Duration::from_secs(1));
    let mut news = Vec::new();
    let mut record = [0_u8; 8192];
    for _ in 0..KERNEL_RECORDS {
        let text = match rustix::io::read(&log, &mut record) {
            Ok(count) if count > 0 => String::from_utf8_lossy(&record[..count]),
            // Records were overwritten while they were read.
            Err(rustix::io::Errno::PIPE) => continue,
            _ => break,
        };
        // `priority,number,microseconds,flags;text`
        let Some((head, line)) = text.split_once(';') else {
            continue;
        };
        let at = head
            .split(',')
            .nth(2)
            .and_then(|at| at.parse().ok())
            .map(Duration::from_micros);
        if at.is_some_and(|at| at >= since) {
            news.extend(kernel_log::read(line.lines().next().unwrap_or_default(), id, program));
        }
    }
    news
}

fn program(context: &Context, container: &Container, snapshot: &Snapshot) -> Program {
    let record = &snapshot.record;
    let environment = record.config.env.iter().flatten();
    let search_path = environment
        .filter_map(|entry| entry.strip_prefix("PATH="))
        .next_back()
        .unwrap_or(tierce_spec::DEFAULT_PATH);
    let architecture = |value: &serde_json::Value| Some(value.get("architecture")?.as_str()?.to_owned());
    let image =
        architecture(&record.image_platform).or_else(|| Some(context.images.resolve(&record.image).ok()?.architecture));
    let with_root = |root: &Root| examine(root, &record.path, search_path);
    let examined = if let Ok(Some(root)) = archive::running(container) {
        Some(with_root(&root))
    } else {
        let layout = context.rootfs.layout(&container.id).ok();
        let view = layout.and_then(|layout| tierce_layer::RootView::open(&layout).ok());
        view.map(|view| with_root(view.root()))
    };
    Program {
        name: record.path.clone(),
        search_path: search_path.to_owned(),
        examined,
        image_architecture: image.unwrap_or_default(),
        host_architecture: match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        }
        .to_owned(),
    }
}

/// Looks at a program beneath a root that is not trusted, where it is or where the search path leads.
fn examine(root: &Root, name: &str, search_path: &str) -> Examined {
    let candidates: Vec<String> = if name.contains('/') {
        vec![name.to_owned()]
    } else {
        search_path
            .split(':')
            .map(|directory| format!("{directory}/{name}"))
            .collect()
    };
    let found = candidates.iter().find_map(|path| Some((path, look(root, path)?)));
    let Some((path, (kind, executable))) = found else {
        return Examined {
            path: name.to_owned(),
            kind: Kind::Missing,
            executable: false,
            interpreter_found: None,
        };
    };
    let interpreter_found = kind.interpreter().map(|interpreter| exists(root, interpreter));
    Examined {
        path: path.clone(),
        kind,
        executable,
        interpreter_found,
    }
}

/// What is at a path, and whether anybody may execute it; `None`: nothing is.
fn look(root: &Root, path: &str) -> Option<(Kind, bool)> {
    let place = root.open_at(
        Path::new(path),
        OFlags::PATH | OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    );
    let stat = rustix::fs::fstat(place.ok()?).ok()?;
    let executable = stat.st_mode & 0o111 != 0;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory {
        return Some((Kind::Directory, executable));
    }
    let mut head = Vec::new();
    let file = root.open_file(Path::new(path));
    let read = file
        .map_err(Error::below)
        .map(|file| file.take(HEAD as u64).read_to_end(&mut head));
    let kind = if read.is_ok() { recognise(&head) } else { Kind::Other };
    Some((kind, executable))
}

fn exists(root: &Root, path: &str) -> bool {
    root.open_at(
        Path::new(path),
        OFlags::PATH | OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )
    .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ask_058_a_program_is_looked_at_beneath_its_root() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::create_dir_all(root.join("bin")).unwrap();
        std::fs::write(root.join("bin/script"), "#!/bin/missing\n").unwrap();
        std::fs::set_permissions(root.join("bin/script"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(root.join("bin/plain"), "text").unwrap();
        // A link that leads out of the root leads nowhere.
        symlink("/proc/self/exe", root.join("bin/out")).unwrap();
        let root = Root::open(root).unwrap();
        let found = examine(&root, "script", "/sbin:/bin");
        assert_eq!((found.path.as_str(), found.executable), ("/bin/script", true));
        assert_eq!(found.interpreter_found, Some(false));
        let found = examine(&root, "/bin/plain", "");
        assert_eq!((found.kind, found.executable), (Kind::Other, false));
        assert_eq!(examine(&root, "/bin", "").kind, Kind::Directory);
        assert_eq!(examine(&root, "out", "/bin").kind, Kind::Missing);
        assert_eq!(examine(&root, "nope", "/bin").kind, Kind::Missing);
    }
}
