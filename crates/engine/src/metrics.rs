//! How often things were done and how long they took, for Prometheus. Names and text form are the API's business.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Upper bounds of the buckets, in milliseconds: those of Prometheus' own libraries.
pub const BOUNDS: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A container's changes are listed.
    Changes,
    /// An image is made of a container.
    Commit,
    /// A container is made.
    Create,
    /// A container is removed.
    Delete,
    /// A container is started, by whomever.
    Start,
    /// A container gets its namespace, addresses and ports.
    Allocate,
    /// It gives them back.
    Release,
}

impl Action {
    /// Those of containers, by name.
    pub const OF_CONTAINERS: [Self; 5] = [Self::Changes, Self::Commit, Self::Create, Self::Delete, Self::Start];
    /// Those of networks.
    pub const OF_NETWORKS: [Self; 2] = [Self::Allocate, Self::Release];

    /// Docker's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Commit => "commit",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Start => "start",
            Self::Allocate => "allocate",
            Self::Release => "release",
        }
    }
}

/// How long one action took, over all times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timings {
    /// How often it took at most [`BOUNDS`] and more than the bound before.
    pub buckets: [u64; BOUNDS.len()],
    /// How often it was done.
    pub count: u64,
    /// All times together.
    pub sum: Duration,
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    microseconds: AtomicU64,
}

/// The counters of one engine. Counting never waits.
#[derive(Debug, Default)]
pub struct Metrics {
    actions: [Histogram; Action::OF_CONTAINERS.len() + Action::OF_NETWORKS.len()],
    probes: AtomicU64,
    failed_probes: AtomicU64,
}

impl Metrics {
    /// Does the work and counts how long it took, whether it succeeded or not.
    pub(crate) async fn time<T>(&self, action: Action, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let outcome = work.await;
        self.note(action, begun.elapsed());
        outcome
    }

    /// The same for work that blocks.
    pub(crate) fn time_blocking<T>(&self, action: Action, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let outcome = work();
        self.note(action, begun.elapsed());
        outcome
    }

    pub(crate) fn probe_begun(&self) {
        self.probes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn probe_failed(&self) {
        self.failed_probes.fetch_add(1, Ordering::Relaxed);
    }

    /// How many health probes there were, and how many of them failed.
    pub fn probes(&self) -> (u64, u64) {
        (
            self.probes.load(Ordering::Relaxed),
            self.failed_probes.load(Ordering::Relaxed),
        )
    }

    fn note(&self, action: Action, took: Duration) {
        let histogram = &self.actions[action as usize];
        let fits = BOUNDS.iter().position(|bound| took <= Duration::from_millis(*bound));
        if let Some(bucket) = fits {
            histogram.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
        histogram.count.fetch_add(1, Ordering::Relaxed);
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        histogram.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// How long an action took so far.
    pub fn timings(&self, action: Action) -> Timings {
        let histogram = &self.actions[action as usize];
        Timings {
            buckets: std::array::from_fn(|index| histogram.buckets[index].load(Ordering::Relaxed)),
            count: histogram.count.load(Ordering::Relaxed),
            sum: Duration::from_micros(histogram.microseconds.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_falls_into_one_bucket() {
        let metrics = Metrics::default();
        for milliseconds in [3, 5, 6, 20_000] {
            metrics.note(Action::Start, Duration::from_millis(milliseconds));
        }
        let timings = metrics.timings(Action::Start);
        assert_eq!((timings.buckets[0], timings.buckets[1], timings.count), (2, 1, 4));
        assert_eq!(timings.sum, Duration::from_millis(20_014));
        assert_eq!(metrics.timings(Action::Create).count, 0);
    }
}
