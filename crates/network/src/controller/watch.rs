//! What others do to our kernel objects while the daemon runs: rules that are taken away come back, a bridge that is
//! deleted and a route that appears over a network's addresses are told.
//!
//! One thread sleeps until netlink tells it something. What follows a first change of the table within [`PAUSE`] is
//! mended with it; who changes it again and again is answered ever more slowly, so that two daemons with one table's name
//! do not fill the log and a processor.

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd};
use tierce_firewall::Watch;

use super::Controller;
use crate::drivers::bridge::rules::ADMIN;
use crate::network::NetworkKind;
use crate::{Error, Network};
use tierce_links::{News, Rtnetlink};

/// Between a change of the table and its repair.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause, for a table that is changed again and again.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A table that was left alone for so long is repaired after [`PAUSE`] again.
const QUIET: Duration = Duration::from_secs(5);

/// How long the kernel is given to take apart what a container leaves: most is gone by then, which costs less.
const LINGER: Duration = Duration::from_secs(3);
/// Between the removal of a network and the end of its bridge, so that the removal of the next one is not in its way.
const SOON: Duration = Duration::from_millis(200);

/// The watch, as long as this lives.
#[derive(Debug)]
pub struct Watching {
    end: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        // A full counter means that the thread is woken already.
        let _ = rustix::io::write(&self.end, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Watches the packet filter's table, bridges and routes of a controller that was restored.
pub fn watch(controller: &Arc<Controller>) -> Result<Watching, Error> {
    let failed = |cause: std::io::Error| Error::file("start", "watch of the packet filter", cause);
    let end = eventfd(0, EventfdFlags::CLOEXEC).map_err(|cause| failed(cause.into()))?;
    let mut watcher = Watcher {
        controller: Arc::downgrade(controller),
        table: controller.config.table.clone(),
        rules: controller.filter.watch()?,
        links: Rtnetlink::open_with_news()?,
        end: end.try_clone().map_err(failed)?,
        touched: None,
        repaired: None,
        pause: PAUSE,
        // An earlier life may have left some.
        sweep: Some(Sweep::after(Duration::ZERO)),
        told: HashSet::new(),
    };
    let thread = std::thread::Builder::new()
        .name("network-watch".to_owned())
        .spawn(move || watcher.run())
        .map_err(failed)?;
    Ok(Watching {
        end,
        thread: Some(thread),
    })
}

/// The thread's own.
struct Watcher {
    controller: Weak<Controller>,
    table: String,
    rules: Option<Watch>,
    links: Rtnetlink,
    end: OwnedFd,
    /// When the table was first changed since the last repair, and by whom.
    touched: Option<(Instant, String)>,
    repaired: Option<Instant>,
    pause: Duration,
    /// When links that were given up are taken apart, if there may be any.
    sweep: Option<Sweep>,
    /// Routes that were told of.
    told: HashSet<String>,
}

/// A time at which there is something to sweep.
#[derive(Debug, Clone, Copy)]
struct Sweep {
    due: Instant,
    /// It is put off no longer.
    latest: Instant,
}

impl Sweep {
    fn after(pause: Duration) -> Self {
        let now = Instant::now();
        Self {
            due: now + pause,
            latest: now + LINGER,
        }
    }

    fn put_off(self, pause: Duration) -> Self {
        Self {
            due: (Instant::now() + pause).min(self.latest),
            ..self
        }
    }
}

impl Watcher {
    fn run(&mut self) {
        loop {
            let repair = self
                .touched
                .as_ref()
                .map(|(since, _)| self.pause.saturating_sub(since.elapsed()));
            let sweeping = self
                .sweep
                .map(|sweep| sweep.due.saturating_duration_since(Instant::now()));
            let left = [repair, sweeping].into_iter().flatten().min();
            let (ended, rules, links) = match self.wait(left) {
                Ok(ready) => ready,
                Err(error) => {
                    tracing::error!(%error, "cannot watch the packet filter any longer; changes of others stay");
                    return;
                }
            };
            if ended {
                return;
            }
            if rules {
                self.hear_of_rules();
            }
            let Some(controller) = self.controller.upgrade() else {
                return;
            };
            if links {
                self.hear_of_links(&controller);
                self.sweep.get_or_insert_with(|| Sweep::after(LINGER));
            }
            if self.sweep.is_some_and(|sweep| sweep.due <= Instant::now()) {
                self.sweep = sweep_some();
            }
            if self
                .touched
                .as_ref()
                .is_some_and(|(since, _)| since.elapsed() >= self.pause)
            {
                self.mend(&controller);
            }
        }
    }

    /// Waits until something is to be read or the time is over. What is ready: the end, rules, links.
    fn wait(&self, left: Option<Duration>) -> std::io::Result<(bool, bool, bool)> {
        let mut waiting = vec![
            PollFd::new(&self.end, PollFlags::IN),
            PollFd::from_borrowed_fd(self.links.as_fd(), PollFlags::IN),
        ];
        if let Some(rules) = &self.rules {
            waiting.push(PollFd::from_borrowed_fd(rules.as_fd(), PollFlags::IN));
        }
        // Rounded up: a wait that ends too early would be done again at once.
        let left = left.map(|left| Timespec {
            tv_sec: left.as_secs().cast_signed(),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut waiting, left.as_ref()))?;
        let ready = |index: usize| waiting.get(index).is_some_and(|one| !one.revents().is_empty());
        Ok((ready(0), ready(2), ready(1)))
    }

    fn hear_of_rules(&mut self) {
        let Some(rules) = &self.rules else { return };
        match rules.read(&self.table, &[ADMIN]) {
            Ok(heard) if heard.table => {
                let by = heard.by.unwrap_or_else(|| "an unknown program".to_owned());
                self.touched.get_or_insert((Instant::now(), by));
            }
            Ok(heard) => {
                // Who did it is told at the end of a transaction, which may be in another datagram.
                if let (Some((_, by)), Some(name)) = (&mut self.touched, heard.by)
                    && by == "an unknown program"
                {
                    *by = name;
                }
            }
            Err(error) => {
                tracing::error!(%error, "cannot watch the packet filter any longer; changes of others stay");
                self.rules = None;
            }
        }
    }

    fn mend(&mut self, controller: &Controller) {
        let Some((_, by)) = self.touched.take() else { return };
        let table = &self.table;
        match controller.filter.put_back() {
            Ok(()) => tracing::warn!("{by} changed the packet filter's table {table}: its rules were put back"),
            Err(error) => {
                tracing::error!(%error, "{by} changed the packet filter's table {table}, and its rules cannot be put back");
            }
        }
        let again = self.repaired.is_some_and(|last| last.elapsed() < QUIET + self.pause);
        self.pause = if again {
            (self.pause * 2).min(LONGEST_PAUSE)
        } else {
            PAUSE
        };
        self.repaired = Some(Instant::now());
    }

    fn hear_of_links(&mut self, controller: &Controller) {
        // Where more came than the socket holds, what is missed is seen by `network diagnose`.
        let Ok(news) = self.links.news() else { return };
        for news in news {
            match news {
                News::LinkGone(name) => {
                    if let Some(network) = owner(controller, &name) {
                        tracing::warn!(
                            network = network.name,
                            "somebody deleted bridge {name}: containers of the network are cut off"
                        );
                    }
                }
                // What a container left goes by itself, as a rule.
                News::LinkGoing(link) if link.kind == "bridge" => {
                    let sweep = self.sweep.unwrap_or_else(|| Sweep::after(SOON));
                    self.sweep = Some(sweep.put_off(SOON));
                }
                News::LinkGoing(_) => {}
                News::Route(route) => {
                    for collision in super::routes::collisions(controller, std::slice::from_ref(&route)) {
                        let text = collision.to_string();
                        if self.told.len() < 1000 && self.told.insert(text.clone()) {
                            tracing::warn!("{text}");
                        }
                    }
                }
            }
        }
    }
}

/// Takes apart one of the bridges that were given up, or everything else; gives when the rest is to go. One bridge
/// keeps all who work with links waiting for as long as it takes to make ten, so they have their turn in between.
fn sweep_some() -> Option<Sweep> {
    let swept = Rtnetlink::open().and_then(|route| {
        let links = route.links()?;
        let mut bridges = links.iter().filter(|link| link.is_going() && link.kind == "bridge");
        match bridges.next() {
            Some(bridge) => route.delete_this(bridge).map(|()| true),
            None => route.sweep().map(|()| false),
        }
    });
    match swept {
        Ok(more) => more.then(|| Sweep::after(Duration::ZERO)),
        Err(error) => {
            tracing::warn!(%error, "cannot delete links of networks and containers that are gone");
            None
        }
    }
}

/// The network whose bridge has this name.
fn owner(controller: &Controller, bridge: &str) -> Option<Arc<Network>> {
    let state = controller.lock();
    let is_owner =
        |network: &&Arc<Network>| matches!(&network.kind, NetworkKind::Bridge(options) if options.bridge == bridge);
    state.networks.values().find(is_owner).cloned()
}
