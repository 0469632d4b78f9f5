//! What happened, for those who watch: `docker events`.
//!
//! Only the engine publishes; rooms below return outcomes. The last [`REMEMBERED`] events are kept, so that `since` can
//! be answered; a watcher that does not read loses the oldest events of its own queue and never delays anybody.

mod filters;

pub use filters::{Filters, InvalidFilter};

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::broadcast;

/// How many past events can be asked for with `since` (Docker keeps 256 too).
pub const REMEMBERED: usize = 256;
/// How many events may wait for one slow watcher.
const QUEUE: usize = 4096;

/// What sort of thing an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// The daemon.
    Daemon,
}

impl Subject {
    /// Docker's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Daemon => "daemon",
        }
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub subject: Subject,
    /// What happened (`create`, `start`, `die`, `exec_create: sh`, …).
    pub action: String,
    /// Id (or name, for volumes) of the object.
    pub id: String,
    /// What else is known.
    pub attributes: BTreeMap<String, String>,
    /// When.
    pub at: SystemTime,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// Also past events of that time or later; with `until` alone, all past ones.
    pub since: Option<SystemTime>,
    /// Only events up to that time; the stream ends there.
    pub until: Option<SystemTime>,
    /// Docker's event filters.
    pub filters: Filters,
}

impl Watch {
    /// Whether an event of the past is still to be told.
    fn remembers(&self, at: SystemTime) -> bool {
        let bounded = self.since.is_some() || self.until.is_some();
        bounded && self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at <= until)
    }
}

/// The events service.
#[derive(Debug)]
pub struct Events {
    past: Mutex<VecDeque<Event>>,
    live: broadcast::Sender<Event>,
    published: AtomicU64,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            past: Mutex::default(),
            live: broadcast::channel(QUEUE).0,
            published: AtomicU64::new(0),
        }
    }
}

impl Events {
    /// Tells everyone who watches. Never blocks.
    pub fn publish(&self, subject: Subject, action: &str, id: &str, attributes: BTreeMap<String, String>) {
        let event = Event {
            subject,
            action: action.to_owned(),
            id: id.to_owned(),
            attributes,
            at: SystemTime::now(),
        };
        self.published.fetch_add(1, Ordering::Relaxed);
        let mut past = self.past();
        if past.len() == REMEMBERED {
            past.pop_front();
        }
        past.push_back(event.clone());
        // Sent under the lock, so that a new watcher sees each event once: in the past or live. No watcher is no error.
        let _ = self.live.send(event);
    }

    /// Past events as asked for, and then the live ones. Filters that events do not have mean nothing, as for dockerd.
    pub fn watch(&self, watch: Watch) -> EventStream {
        let past = self.past();
        let live = self.live.subscribe();
        let replay = past
            .iter()
            .filter(|event| watch.remembers(event.at))
            .filter(|event| matches(event, &watch.filters))
            .cloned()
            .collect();
        drop(past);
        EventStream {
            replay,
            live,
            until: watch.until,
            filters: watch.filters,
        }
    }

    /// How many events there were.
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// What is remembered about one object, oldest first.
    pub fn about(&self, subject: Subject, id: &str) -> Vec<Event> {
        let past = self.past();
        let events = past.iter().filter(|event| event.subject == subject && event.id == id);
        events.cloned().collect()
    }

    /// How many watchers there are.
    pub fn watchers(&self) -> usize {
        self.live.receiver_count()
    }

    // The queue is consistent between any two statements, so a poisoned lock is safe to enter.
    fn past(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A watcher's events, in order.
#[derive(Debug)]
pub struct EventStream {
    replay: VecDeque<Event>,
    live: broadcast::Receiver<Event>,
    until: Option<SystemTime>,
    filters: Filters,
}

impl EventStream {
    /// The next event; `None` when `until` has come or the engine is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.replay.pop_front() {
            return Some(event);
        }
        loop {
            let received = match self.until {
                None => self.live.recv().await,
                Some(until) => {
                    let left = until.duration_since(SystemTime::now()).ok()?;
                    tokio::time::timeout(left, self.live.recv()).await.ok()?
                }
            };
            match received {
                Ok(event) if matches(&event, &self.filters) => return Some(event),
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// Docker's filter rules for events (moby `daemon/events/filter.go`).
fn matches(event: &Event, filters: &Filters) -> bool {
    let action = filters.get("event").is_empty()
        || filters.get("event").iter().any(|wanted| {
            // `exec_start: sh -c …` is found by `exec_start`, since nobody can spell the rest.
            event.action == *wanted || event.action.split(':').next() == Some(wanted.as_str())
        });
    action
        && filters.exact("type", event.subject.as_str())
        && filters.exact("scope", "local")
        && of_subject(event, filters, Subject::Daemon, "daemon")
        && of_subject(event, filters, Subject::Container, "container")
        && of_subject(event, filters, Subject::Volume, "volume")
        && of_subject(event, filters, Subject::Network, "network")
        && ["plugin", "secret", "config", "node"]
            .iter()
            .all(|key| !filters.contains(key))
        && of_image(event, filters)
        && filters.labels("label", &event.attributes)
}

/// Whether a filter on objects of one sort lets the event pass: by id, id prefix or name.
fn of_subject(event: &Event, filters: &Filters, subject: Subject, key: &str) -> bool {
    if !filters.contains(key) {
        return true;
    }
    let name = event.attributes.get("name").map_or("", String::as_str);
    event.subject == subject && (filters.prefix(key, &event.id) || filters.exact(key, name))
}

/// The image filter also finds events of containers of that image, with or without its tag.
fn of_image(event: &Event, filters: &Filters) -> bool {
    if !filters.contains("image") {
        return true;
    }
    let name = match event.subject {
        Subject::Image => event.attributes.get("name"),
        _ => event.attributes.get("image"),
    }
    .map_or("", String::as_str);
    let untagged = match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    };
    filters.exact("image", name)
        || filters.exact("image", untagged)
        || (event.subject == Subject::Image && filters.exact("image", &event.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[tokio::test]
    async fn the_past_comes_first_and_then_the_live_ones() {
        let events = Events::default();
        events.publish(Subject::Container, "create", "c1", attributes(&[("name", "web")]));
        let since = Some(SystemTime::UNIX_EPOCH);
        let mut stream = events.watch(Watch {
            since,
            ..Watch::default()
        });
        events.publish(Subject::Container, "start", "c1", attributes(&[]));
        assert_eq!(stream.next().await.unwrap().action, "create");
        assert_eq!(stream.next().await.unwrap().action, "start");
    }

    #[tokio::test]
    async fn until_ends_the_stream() {
        let events = Events::default();
        let until = Some(SystemTime::now() + Duration::from_millis(20));
        let mut stream = events.watch(Watch {
            until,
            ..Watch::default()
        });
        assert_eq!(stream.next().await, None);
    }

    #[tokio::test]
    async fn until_alone_tells_the_past() {
        let events = Events::default();
        events.publish(Subject::Container, "create", "c1", attributes(&[]));
        let mut stream = events.watch(Watch {
            until: Some(SystemTime::now()),
            ..Watch::default()
        });
        assert_eq!(stream.next().await.unwrap().action, "create");
        assert_eq!(stream.next().await, None);
    }

    #[test]
    fn only_so_many_are_remembered() {
        let events = Events::default();
        for index in 0..REMEMBERED + 10 {
            events.publish(Subject::Volume, "create", &index.to_string(), BTreeMap::new());
        }
        let since = Some(SystemTime::UNIX_EPOCH);
        let stream = events.watch(Watch {
            since,
            ..Watch::default()
        });
        assert_eq!(stream.replay.len(), REMEMBERED);
        assert_eq!(stream.replay[0].id, "10");
    }

    #[test]
    fn filters_pick_as_dockers_do() {
        let event = Event {
            subject: Subject::Container,
            action: "exec_start: sh -c x".into(),
            id: "abcdef".into(),
            attributes: attributes(&[("name", "web"), ("image", "host:5000/app:1"), ("tier", "front")]),
            at: SystemTime::now(),
        };
        for (key, value, expected) in [
            ("container", "web", true),
            ("container", "abc", true),
            ("container", "db", false),
            ("type", "image", false),
            ("event", "exec_start", true),
            ("event", "start", false),
            ("image", "host:5000/app", true),
            ("image", "host", false),
            ("label", "tier=front", true),
            ("label", "tier=back", false),
            ("volume", "web", false),
        ] {
            let mut filters = Filters::default();
            filters.add(key, value);
            assert_eq!(matches(&event, &filters), expected, "{key}={value}");
        }
    }
}
