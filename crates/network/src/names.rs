//! Names of containers: the DNS server is told who is where, and port 53 of each sandbox leads to it.
//!
//! What the server shall know is kept here, so that a server that died, or one that an earlier daemon left, is told
//! everything. A container's program may serve port 53 itself; the server has another port, and the packet filter of the
//! sandbox leads to it only what goes to the server's own address.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tierce_dns::{ADDRESS, Client, Found, Join, Served};
use tierce_firewall::{
    Chain, ChainKind, Change, Choice, Element, Family, Hook, Point, Rule, Selector, Set, Statement, Table, Type, Value,
};

use crate::failpoint;
use crate::request::Protocol;
use crate::{Config, Error, netns};

/// Where every resolver asks.
const PORT: u16 = 53;
/// How long a server is given to end, and how often it is looked for meanwhile.
const DYING: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);
/// Table of the packet filter in a sandbox, and its map.
const TABLE: &str = "tierce_names";
const MAP: &str = "server";
/// Before anything else rewrites destinations (`NF_IP_PRI_NAT_DST`).
const DESTINATION_NAT: i32 = -100;

/// The DNS server, and what it shall know.
#[derive(Debug)]
pub(crate) struct Names {
    client: Client,
    firewall: Choice,
    wanted: Mutex<BTreeMap<String, Wanted>>,
}

#[derive(Debug, Clone)]
struct Wanted {
    join: Join,
    /// Where 53 leads; 0: nowhere yet.
    port: u16,
    /// Where the server listens, as it said last.
    served: u16,
}

impl Names {
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        Arc::new(Self {
            client: Client::new(&config.names.socket, &config.names.program),
            firewall: config.firewall.ipv4,
            wanted: Mutex::default(),
        })
    }

    /// Serves a container, or serves it as it is now. Gives the server's port.
    ///
    /// `port`: where 53 leads already, if it does.
    pub(crate) fn serve(self: &Arc<Self>, mut join: Join, port: u16) -> Result<u16, Error> {
        // Without a packet filter the server must be where resolvers ask.
        join.port = (self.firewall == Choice::None).then_some(PORT);
        let container = join.container.clone();
        let mut wanted = self.lock();
        let before = wanted.insert(
            container.clone(),
            Wanted {
                join: join.clone(),
                port,
                served: 0,
            },
        );
        let told = self.tell(&mut wanted, &join);
        drop(wanted);
        let served = told.and_then(|()| self.settle(&join, port));
        if served.is_err() {
            let mut wanted = self.lock();
            match before {
                Some(before) => drop(wanted.insert(container, before)),
                None => drop(wanted.remove(&container)),
            }
        }
        served
    }

    /// Leads port 53 of a sandbox to where the server listens. To enter a sandbox takes longer than the server's answer, so
    /// others have their turn meanwhile, and the server may be another one afterwards.
    fn settle(&self, join: &Join, mut port: u16) -> Result<u16, Error> {
        loop {
            let served = match self.lock().get_mut(&join.container) {
                Some(known) => {
                    known.port = port;
                    known.served
                }
                // It has left.
                None => return Ok(port),
            };
            if served == port {
                return Ok(port);
            }
            failpoint::reach(failpoint::Point::NamesTold);
            self.lead(join, served)?;
            port = served;
        }
    }

    /// Serves a container no more.
    pub(crate) fn leave(&self, container: &str) -> Result<(), Error> {
        let mut wanted = self.lock();
        wanted.remove(container);
        Ok(self.client.leave(container)?)
    }

    /// Serves these containers of an earlier life of the daemon, with the ports to which 53 leads in their sandboxes.
    /// Gives those whose port has changed.
    pub(crate) fn restore(self: &Arc<Self>, joins: Vec<(Join, u16)>) -> Result<Vec<Served>, Error> {
        let mut wanted = self.lock();
        *wanted = joins
            .into_iter()
            .map(|(join, port)| {
                (
                    join.container.clone(),
                    Wanted {
                        join,
                        port,
                        served: port,
                    },
                )
            })
            .collect();
        if wanted.is_empty() {
            // It would keep the namespaces of containers that are gone.
            self.client.dismiss()?;
            return Ok(Vec::new());
        }
        self.reach(&mut wanted)
    }

    /// Tells the server of one container; a server that has died meanwhile is replaced, once.
    fn tell(self: &Arc<Self>, wanted: &mut BTreeMap<String, Wanted>, join: &Join) -> Result<(), Error> {
        self.reach(wanted)?;
        let port = match self.client.join(join) {
            Err(tierce_dns::Error::Talk { .. }) => {
                self.reach(wanted)?;
                self.client.join(join)?
            }
            other => other?,
        };
        if let Some(known) = wanted.get_mut(&join.container) {
            known.served = port.unwrap_or_default();
        }
        Ok(())
    }

    /// Sees to it that a server runs that knows everything. Gives the containers whose port has changed.
    fn reach(self: &Arc<Self>, wanted: &mut BTreeMap<String, Wanted>) -> Result<Vec<Served>, Error> {
        let began = Instant::now();
        let mut changed = loop {
            if self.client.reach()? == Found::Known {
                return Ok(Vec::new());
            }
            let all = wanted.values().map(|wanted| wanted.join.clone()).collect();
            match self.client.everything(all) {
                // A server that is dying still takes connections for a moment. One that is stuck is not asked again: its
                // answer was waited for already, and others wait for this lock.
                Err(tierce_dns::Error::Talk { .. }) if began.elapsed() < DYING => {}
                told => break told?,
            }
            std::thread::sleep(PAUSE);
        };
        // Where 53 leads nowhere yet, that is about to be done.
        changed.retain(|now| {
            wanted.get_mut(&now.container).is_some_and(|known| {
                known.served = now.port;
                known.port != 0 && known.port != now.port
            })
        });
        for served in &changed {
            let Some(wanted) = wanted.get_mut(&served.container) else {
                continue;
            };
            // One that is ending has no sandbox any more.
            match self.lead(&wanted.join, served.port) {
                Ok(()) => wanted.port = served.port,
                Err(error) => tracing::warn!(container = served.container, %error, "a container has no names"),
            }
        }
        self.watch();
        Ok(changed)
    }

    /// Waits for the end of the server that was reached, and starts another if it is wanted.
    fn watch(self: &Arc<Self>) {
        let names = Arc::downgrade(self);
        let Some(end) = self.client.end() else { return };
        let watching = std::thread::Builder::new().name("names".to_owned()).spawn(move || {
            end.wait();
            let Some(names) = names.upgrade() else { return };
            let mut wanted = names.lock();
            if wanted.is_empty() {
                return;
            }
            if let Err(error) = names.reach(&mut wanted) {
                tracing::error!(%error, "containers have no names until another container starts");
            }
        });
        if let Err(error) = watching {
            tracing::warn!(%error, "nobody will notice when the DNS server dies, before another container starts");
        }
    }

    /// Leads port 53 of a sandbox to the server's.
    fn lead(&self, join: &Join, port: u16) -> Result<(), Error> {
        match &join.namespace {
            Some(pin) if port != PORT => lead(pin, port, self.firewall),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Wanted>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lead(pin: &Path, port: u16, firewall: Choice) -> Result<(), Error> {
    netns::inside(pin, || {
        let filter = tierce_firewall::open(firewall);
        let applied = filter.apply(&[Change::Replace(table(port))]);
        // The kernel takes its time to close a socket of the packet filter.
        let _ = std::thread::Builder::new().spawn(move || drop(filter));
        Ok(applied?)
    })
}

/// What goes to the server's address and port 53, by UDP or TCP, goes to `port` there.
fn table(port: u16) -> Table {
    let key = |protocol: Protocol| {
        vec![
            Value::Ipv4(ADDRESS),
            Value::Protocol(protocol.number()),
            Value::Port(PORT),
        ]
    };
    let elements = [Protocol::Udp, Protocol::Tcp].map(|protocol| Element {
        key: key(protocol),
        key_end: None,
        value: vec![Value::Ipv4(ADDRESS), Value::Port(port)],
    });
    Table {
        family: Family::Ip,
        name: TABLE.to_owned(),
        sets: vec![Set {
            name: MAP.to_owned(),
            key: vec![Type::Ipv4, Type::Protocol, Type::Port],
            value: vec![Type::Ipv4, Type::Port],
            interval: false,
            elements: elements.to_vec(),
        }],
        chains: vec![Chain {
            name: "output".to_owned(),
            hook: Some(Hook {
                kind: ChainKind::Nat,
                point: Point::Output,
                priority: DESTINATION_NAT,
            }),
            rules: vec![Rule {
                comment: "names of containers",
                statements: vec![Statement::DestinationNat {
                    family: Family::Ip,
                    selectors: vec![Selector::Destination, Selector::Protocol, Selector::DestinationPort],
                    map: MAP.to_owned(),
                    port: true,
                }],
            }],
        }],
        kept: vec![],
    }
}
