//! The server: one thread, one loop, everything it knows in one value.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use prost::Message;
use tierce_logs::Compression;
use tierce_sys::daemon;
use tierce_task::frame::Frame;
use tierce_task::messages::Envelope;

use crate::checkpoint::Checkpoint;
use crate::connection::{Connections, Reply};
use crate::container::Container;
use crate::error::{Doing, Result};
use crate::job::{self, Job, Report};
use crate::newcomer::Newcomers;
use crate::poll::{EventFlags, Poll, Token};
use crate::process::{Phase, Process};
use crate::publisher::Publisher;
use crate::streams::BUFFER;
use crate::{health, lifecycle, newcomer, reap, requests};

/// How long the shim stays after it was told to go, for clients that have not taken their output yet.
const PARTING: Duration = Duration::from_secs(10);

/// How eagerly the kernel kills this process when memory is short.
pub(crate) const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// Who this shim is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) namespace: String,
    /// Path of the task socket.
    pub(crate) task_socket: PathBuf,
    /// Path of the I/O socket.
    pub(crate) io_socket: PathBuf,
    /// The score that the kernel's search for memory had for whoever started the shim, if the shim's own is lower now.
    pub(crate) oom_score: Option<String>,
}

/// The sockets it listens on.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) task: UnixListener,
    pub(crate) io: UnixListener,
    /// So long somebody may take to ask for a container.
    pub(crate) unasked_until: Instant,
}

/// Everything the server knows.
pub(crate) struct Shim {
    pub(crate) identity: Identity,
    pub(crate) poll: Poll,
    listeners: Option<Listeners>,
    /// Readable when a child has ended.
    children: OwnedFd,
    pub(crate) connections: Connections,
    newcomers: Newcomers,
    pub(crate) publisher: Publisher,
    pub(crate) container: Option<Container>,
    /// The init and the execs, by a number of our own.
    pub(crate) processes: BTreeMap<u32, Process>,
    pub(crate) last_number: u32,
    /// Workers, and what their reports are for.
    pub(crate) jobs: BTreeMap<u32, (Job, Purpose)>,
    /// Ended children that belong to nobody yet: a worker may be about to report them.
    pub(crate) unclaimed: BTreeMap<u32, crate::process::Exit>,
    /// The shim goes when nothing is left to deliver, or at this time.
    pub(crate) parting: Option<Instant>,
    /// Scratch space; empty while the shim sleeps.
    buffer: Vec<u8>,
    /// Output is coming as fast as it can be read.
    flood: bool,
}

/// What a worker was started for.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    /// The container is created.
    Create(Reply),
    /// The init is started.
    Start(Reply),
    /// This exec is made and started.
    Exec(u32, Reply),
    /// The container is deleted.
    Delete(Reply),
    /// A health probe is made and started.
    Probe,
    /// Frozen, or thawed.
    Pause(bool, Reply),
    /// A checkpoint is written.
    Checkpoint(Checkpoint, Reply),
    /// Something with an empty answer and no effect on what the shim knows.
    Simple(Reply),
    /// Nobody waits for it.
    Background,
}

impl Shim {
    pub(crate) fn new(identity: Identity, listeners: Listeners, events: Option<String>) -> Result<Self> {
        let children = daemon::signal_descriptor(&[
            rustix::process::Signal::CHILD.as_raw(),
            // The shim outlives whoever wants everything to end; it goes when its container is deleted.
            rustix::process::Signal::TERM.as_raw(),
            rustix::process::Signal::INT.as_raw(),
            rustix::process::Signal::HUP.as_raw(),
        ])
        .doing(|| "watch for children".into())?;
        let poll = Poll::new()?;
        poll.add(&listeners.task, Token::TaskListener, EventFlags::IN)?;
        poll.add(&listeners.io, Token::IoListener, EventFlags::IN)?;
        poll.add(&children, Token::Children, EventFlags::IN)?;
        let publisher = Publisher::new(identity.namespace.clone(), events);
        Ok(Self {
            identity,
            poll,
            listeners: Some(listeners),
            children,
            connections: Connections::default(),
            newcomers: Newcomers::default(),
            publisher,
            container: None,
            processes: BTreeMap::new(),
            last_number: 0,
            jobs: BTreeMap::new(),
            unclaimed: BTreeMap::new(),
            parting: None,
            buffer: Vec::new(),
            flood: false,
        })
    }

    /// Serves until told to go.
    pub(crate) fn run(mut self) -> Result<()> {
        while !self.is_done() {
            // The shim may sleep for days: it keeps no memory that it can get again in microseconds.
            if !std::mem::take(&mut self.flood) {
                self.buffer = Vec::new();
            }
            let limit = self
                .next_deadline()
                .map(|at| at.saturating_duration_since(Instant::now()));
            for (token, flags) in self.poll.wait(limit)? {
                self.dispatch(token, flags);
            }
            self.settle();
        }
        Ok(())
    }

    fn dispatch(&mut self, token: Token, flags: EventFlags) {
        match token {
            Token::TaskListener => self.accept(
                |listeners| &listeners.task,
                |shim, socket| {
                    shim.connections.add(&shim.poll, socket);
                },
            ),
            Token::IoListener => self.accept(
                |listeners| &listeners.io,
                |shim, socket| {
                    shim.newcomers.add(&shim.poll, socket);
                },
            ),
            Token::Children => {
                while rustix::io::read(&self.children, &mut [0_u8; 1024]).is_ok_and(|count| count > 0) {}
                reap::reap(self);
            }
            Token::OutOfMemory => reap::on_out_of_memory(self),
            Token::Publisher => {
                self.buffer.resize(BUFFER, 0);
                self.publisher.on_ready(&self.poll, &mut self.buffer);
            }
            Token::Connection(number) => {
                self.buffer.resize(BUFFER, 0);
                let frames = self.connections.on_ready(&self.poll, number, &mut self.buffer);
                for (reply, frame) in frames {
                    requests::on_frame(self, reply, &frame);
                }
            }
            Token::Newcomer(number) => {
                if let Some((socket, attach)) = self.newcomers.on_ready(&self.poll, number) {
                    let answer = lifecycle::attach(self, &attach);
                    match answer {
                        Ok((process, role)) => {
                            let Some(process) = self.processes.get_mut(&process) else {
                                return;
                            };
                            let answer = tierce_task::attach::accepted(SystemTime::now());
                            let _ = rustix::io::write(&socket, answer.as_bytes());
                            process.streams.add_peer(&self.poll, socket, role);
                        }
                        Err(error) => newcomer::refuse(&socket, &error.to_string()),
                    }
                }
            }
            Token::Job(number) => {
                if let Some((job, purpose)) = self.jobs.remove(&number) {
                    self.poll.remove(job.descriptor());
                    lifecycle::on_report(self, purpose, job.finish());
                }
            }
            Token::Source(process, index) => {
                if let Some(process) = self.processes.get_mut(&process) {
                    self.flood |= process.streams.on_source(&self.poll, index, &mut self.buffer);
                }
            }
            Token::Stdin(process) => {
                if let Some(process) = self.processes.get_mut(&process) {
                    process.streams.on_stdin(&self.poll);
                }
            }
            Token::Probe => {
                let mut buffer = std::mem::take(&mut self.buffer);
                buffer.resize(BUFFER, 0);
                health::on_output(self, &mut buffer);
                self.buffer = buffer;
            }
            Token::Peer(process, peer) => {
                if let Some(process) = self.processes.get_mut(&process) {
                    process.streams.on_peer(&self.poll, peer, flags, &mut self.buffer);
                }
            }
        }
    }

    fn accept(&mut self, which: fn(&Listeners) -> &UnixListener, take: fn(&mut Self, OwnedFd)) {
        while let Some(listeners) = &self.listeners
            && let Ok((socket, _)) = which(listeners).accept()
        {
            if socket.set_nonblocking(true).is_ok() {
                take(self, socket.into());
            }
        }
    }

    /// After a round of events: what follows from them, or from the passing of time.
    fn settle(&mut self) {
        let now = Instant::now();
        let mut compressions: Vec<Compression> = Vec::new();
        for process in self.processes.values_mut() {
            compressions.extend(process.streams.take_compression());
            process.streams.flush_log(&self.poll, now);
            if let Some(exit) = process.exit
                && exit.linger <= now
            {
                process.streams.close_sources(&self.poll);
            }
        }
        for compression in compressions {
            self.work(Purpose::Background, move || {
                compression.run()?;
                Ok(Report::default())
            });
        }
        self.processes.retain(|_, process| {
            let streams = &process.streams;
            process.phase != Phase::Gone || streams.has_undelivered() || streams.log_retry_at().is_some()
        });
        health::tick(self, now);
        self.publisher.forward(&self.poll);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let lingering = self.processes.values().filter(|process| !process.streams.is_finished());
        let lingering = lingering.filter_map(|process| process.exit.map(|exit| exit.linger));
        let probing = self
            .container
            .as_ref()
            .and_then(|container| container.health.as_ref()?.deadline());
        lingering
            .chain(self.parting)
            .chain(self.publisher.retry_at())
            .chain(self.forgotten_at())
            .chain(probing)
            .chain(
                self.processes
                    .values()
                    .filter_map(|process| process.streams.log_retry_at()),
            )
            .min()
    }

    /// When the shim may go because nobody wants anything of it: who started it may have died before it asked for a
    /// container.
    fn forgotten_at(&self) -> Option<Instant> {
        let wanted = self.container.is_some() || !self.jobs.is_empty() || !self.connections.is_empty();
        let listeners = self.listeners.as_ref().filter(|_| !wanted);
        listeners.map(|listeners| listeners.unasked_until)
    }

    fn is_done(&self) -> bool {
        let Some(parting) = self.parting else {
            return self.forgotten_at().is_some_and(|at| at <= Instant::now());
        };
        let undelivered = self.processes.values().any(|process| {
            // A log that sends has until the parting to be rid of what waits.
            process.streams.has_undelivered() || process.streams.log_retry_at().is_some()
        });
        let busy = undelivered || self.connections.has_unsent() || self.publisher.has_unsent();
        (!busy && self.jobs.is_empty()) || parting <= Instant::now()
    }

    /// The shim has been told to go.
    pub(crate) fn part(&mut self) {
        self.parting = Some(Instant::now() + PARTING);
    }

    /// Starts a worker. If that fails its purpose hears of it at once.
    pub(crate) fn work(&mut self, purpose: Purpose, work: impl FnOnce() -> Result<Report>) {
        let started = job::start(|| {
            self.forget_descriptors();
            if let Some(score) = &self.identity.oom_score {
                // What it makes shall not be spared as the shim is.
                let _ = std::fs::write(OOM_SCORE, score);
            }
            work()
        });
        let watched = started.and_then(|job| {
            self.last_number += 1;
            self.poll
                .add(job.descriptor(), Token::Job(self.last_number), EventFlags::IN)?;
            Ok(job)
        });
        match watched {
            Ok(job) => drop(self.jobs.insert(self.last_number, (job, purpose))),
            Err(error) => lifecycle::on_report(self, purpose, Err(error)),
        }
    }

    /// In a worker: closes what belongs to others. A container that waits to be started would otherwise hold
    /// connections open that the shim has closed.
    fn forget_descriptors(&mut self) {
        self.listeners = None;
        self.connections = Connections::default();
        self.newcomers.forget();
        self.publisher.forget();
        self.jobs.clear();
        if let Some(monitor) = self.container.as_mut().and_then(|container| container.health.as_mut()) {
            monitor.forget();
        }
        for process in self.processes.values_mut() {
            process.streams.forget();
            process.ends = None;
        }
    }

    /// Answers a call.
    pub(crate) fn answer<M: Message>(&mut self, reply: Reply, result: Result<M>) {
        self.connections.send(&self.poll, reply, |stream| match result {
            Ok(message) => Frame::response(stream, &message),
            Err(error) => Frame::refusal(stream, error.to_status()),
        });
    }

    /// Publishes an event.
    pub(crate) fn publish(&mut self, kind: (&str, &str), event: &impl Message) {
        let envelope: Envelope = self.publisher.publish(&self.poll, kind, event);
        let Self {
            publisher,
            connections,
            poll,
            ..
        } = self;
        publisher
            .subscribers
            .retain(|reply| connections.send(poll, *reply, |stream| Frame::data(stream, &envelope)));
    }

    /// The number of the process with this exec id; empty is the init.
    pub(crate) fn number_of(&self, exec: &str) -> Option<u32> {
        let found = self
            .processes
            .iter()
            .find(|(_, process)| process.id == exec && process.phase != Phase::Gone);
        found.map(|(number, _)| *number)
    }

    /// The scratch space and what is needed to use it on a process.
    pub(crate) fn streams_of(&mut self, number: u32) -> Option<(&Poll, &mut Process, &mut Vec<u8>)> {
        Some((&self.poll, self.processes.get_mut(&number)?, &mut self.buffer))
    }
}
