//! `/metrics` for Prometheus, with dockerd's names. Source: moby `daemon/metrics.go`, `daemon/events/metrics.go`; the
//! form: prometheus.io, "Exposition formats".

use std::fmt::Write as _;
use std::sync::Arc;

use hyper::Method;
use tierce_engine::metrics::{Action, BOUNDS};
use tierce_engine::{Engine, Info};

use crate::facts::{Shared, VERSION};
use crate::reply::Reply;
use crate::router::{Outcome, Route};

/// Version of the text form.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The one route.
pub(crate) fn route(engine: &Arc<Engine>, facts: &Arc<Shared>) -> Route {
    let (engine, facts) = (Arc::clone(engine), Arc::clone(facts));
    Route::new(Method::GET, "/metrics", move |_request| {
        let (engine, facts) = (Arc::clone(&engine), Arc::clone(&facts));
        async move { answer(&engine, &facts.get().id).await }
    })
}

async fn answer(engine: &Engine, daemon_id: &str) -> Outcome {
    let info = engine.system.info().await?;
    let mut page = Page::default();
    actions(&mut page, engine, "container", &Action::OF_CONTAINERS);
    actions(&mut page, engine, "network", &Action::OF_NETWORKS);
    states(&mut page, &info);
    about_engine(&mut page, &info, daemon_id);
    page.one(
        "engine_daemon_events_subscribers_total",
        "gauge",
        "The number of current subscribers to events",
        info.event_watchers as u64,
    );
    page.one(
        "engine_daemon_events_total",
        "counter",
        "The number of events logged",
        engine.events.published(),
    );
    let (probes, failed) = engine.system.metrics().probes();
    page.one(
        "engine_daemon_health_checks_total",
        "counter",
        "The total number of health checks",
        probes,
    );
    page.one(
        "engine_daemon_health_checks_failed_total",
        "counter",
        "The total number of failed health checks",
        failed,
    );
    own_process(&mut page);
    Ok(Reply::bytes(CONTENT_TYPE, page.0))
}

fn actions(page: &mut Page, engine: &Engine, what: &str, actions: &[Action]) {
    let name = format!("engine_daemon_{what}_actions_seconds");
    page.head(
        &name,
        "histogram",
        &format!("The number of seconds it takes to process each {what} action"),
    );
    for action in actions {
        let timings = engine.system.metrics().timings(*action);
        let action = action.as_str();
        let mut so_far = 0;
        for (bound, count) in BOUNDS.iter().zip(timings.buckets) {
            so_far += count;
            let bound = *bound as f64 / 1000.0;
            page.line(
                &format!("{name}_bucket"),
                &[("action", action), ("le", &bound.to_string())],
                so_far,
            );
        }
        page.line(
            &format!("{name}_bucket"),
            &[("action", action), ("le", "+Inf")],
            timings.count,
        );
        page.line(&format!("{name}_sum"), &[("action", action)], timings.sum.as_secs_f64());
        page.line(&format!("{name}_count"), &[("action", action)], timings.count);
    }
}

fn states(page: &mut Page, info: &Info) {
    const NAME: &str = "engine_daemon_container_states_containers";
    page.head(NAME, "gauge", "The count of containers in various states");
    for (state, count) in [
        ("paused", info.containers.paused),
        ("running", info.containers.running),
        ("stopped", info.containers.stopped),
    ] {
        page.line(NAME, &[("state", state)], count);
    }
}

fn about_engine(page: &mut Page, info: &Info, daemon_id: &str) {
    const NAME: &str = "engine_daemon_engine_info";
    page.head(
        NAME,
        "gauge",
        "The information related to the engine and the OS it is running on",
    );
    let host = &info.host;
    let labels = [
        ("architecture", host.architecture.as_str()),
        ("commit", ""),
        ("daemon_id", daemon_id),
        ("graphdriver", &info.driver),
        ("kernel", &host.kernel),
        ("os", &host.operating_system),
        ("os_type", "linux"),
        ("os_version", &host.os_version),
        ("version", VERSION),
    ];
    page.line(NAME, &labels, 1);
    page.one(
        "engine_daemon_engine_cpus_cpus",
        "gauge",
        "The number of cpus that the host system of the engine has",
        host.cpus as u64,
    );
    page.one(
        "engine_daemon_engine_memory_bytes",
        "gauge",
        "The number of bytes of memory that the host system of the engine has",
        host.memory,
    );
}

/// What every program tells of itself, from proc(5).
fn own_process(page: &mut Page) {
    let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    page.one(
        "process_open_fds",
        "gauge",
        "Number of open file descriptors.",
        descriptors as u64,
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|line| {
            line.trim_start_matches(':')
                .split_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
        })
        .unwrap_or(0)
    };
    page.one(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory size in bytes.",
        kilobytes("VmRSS") * 1024,
    );
    page.one(
        "process_virtual_memory_bytes",
        "gauge",
        "Virtual memory size in bytes.",
        kilobytes("VmSize") * 1024,
    );
    page.one("process_threads", "gauge", "Number of threads.", kilobytes("Threads"));
}

/// The text as it grows.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail; so below.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        let _ = writeln!(self.0, "{name}{{{}}} {value}", labels.join(","));
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        let _ = writeln!(self.0, "{name} {value}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_leave_their_quotes() {
        let mut page = Page::default();
        page.line("a", &[("b", "c\"d\\e\nf")], 1);
        assert_eq!(page.0, "a{b=\"c\\\"d\\\\e\\nf\"} 1\n");
    }
}
