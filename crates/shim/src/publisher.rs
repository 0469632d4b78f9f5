//! Telling what happens: to containerd's event service where there is one, and to every caller of `Events`.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, SystemTime};

use prost::Message;
use rustix::io::Errno;
use tierce_task::frame::{Decoder, Frame, KIND_RESPONSE};
use tierce_task::messages::{Any, Envelope, ForwardRequest, KeyValue, Request};

use crate::connection::Reply;
use crate::poll::{EventFlags, Poll, Token};

/// Events that wait for containerd at most; while it is down older ones are dropped, and it asks for states when back.
const WAITING: usize = 64;
/// How long to leave containerd alone after it did not answer.
const PAUSE: Duration = Duration::from_secs(1);
const SERVICE: &str = "containerd.services.events.ttrpc.v1.Events";

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Publisher {
    namespace: String,
    /// Socket of containerd's ttrpc services; `None` under our own supervisor.
    address: Option<String>,
    connection: Option<OwnedFd>,
    decoder: Decoder,
    waiting: VecDeque<Envelope>,
    /// Sent, not acknowledged yet.
    in_flight: VecDeque<Envelope>,
    last_stream: u32,
    retry: Option<Instant>,
    /// Calls of `Events`.
    pub(crate) subscribers: Vec<Reply>,
}

impl Publisher {
    pub(crate) fn new(namespace: String, address: Option<String>) -> Self {
        Self {
            namespace,
            address: address.filter(|address| !address.is_empty()),
            connection: None,
            decoder: Decoder::new(),
            waiting: VecDeque::new(),
            in_flight: VecDeque::new(),
            last_stream: 1,
            retry: None,
            subscribers: Vec::new(),
        }
    }

    /// Puts an event into its envelope, and on the way to containerd.
    pub(crate) fn publish(&mut self, poll: &Poll, (topic, name): (&str, &str), event: &impl Message) -> Envelope {
        let envelope = Envelope {
            timestamp: Some(SystemTime::now().into()),
            namespace: self.namespace.clone(),
            topic: topic.to_owned(),
            event: Some(Any::pack(name, event)),
        };
        if self.address.is_some() {
            if self.waiting.len() >= WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back(envelope.clone());
            self.forward(poll);
        }
        envelope
    }

    /// When to try again.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry
    }

    /// Something is not with containerd yet, and there is hope.
    pub(crate) fn has_unsent(&self) -> bool {
        self.connection.is_some() && !(self.waiting.is_empty() && self.in_flight.is_empty())
    }

    /// Sends what waits.
    pub(crate) fn forward(&mut self, poll: &Poll) {
        if self.retry.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.retry = None;
        if self.connection.is_none() && !self.waiting.is_empty() {
            self.connect(poll);
        }
        while let Some(connection) = &self.connection
            && let Some(envelope) = self.waiting.pop_front()
        {
            let request = Request {
                service: SERVICE.to_owned(),
                method: "Forward".to_owned(),
                payload: ForwardRequest {
                    envelope: Some(envelope.clone()),
                }
                .encode_to_vec(),
                timeout_nano: 0,
                metadata: vec![KeyValue {
                    key: "containerd-namespace-ttrpc".to_owned(),
                    value: self.namespace.clone(),
                }],
            };
            let mut bytes = Vec::new();
            let encoded = Frame::request(self.last_stream, &request).encode(&mut bytes);
            self.last_stream += 2;
            // Events are far smaller than a socket's buffer: one that does not fit at once means a stuck reader.
            let sent = encoded.is_ok() && rustix::io::write(connection, &bytes) == Ok(bytes.len());
            if !sent {
                self.waiting.push_front(envelope);
                return self.disconnect(poll);
            }
            self.in_flight.push_back(envelope);
        }
    }

    fn connect(&mut self, poll: &Poll) {
        let Some(address) = &self.address else { return };
        let path = address.strip_prefix("unix://").unwrap_or(address);
        let connected = UnixStream::connect(path).and_then(|stream| {
            stream.set_nonblocking(true)?;
            Ok(OwnedFd::from(stream))
        });
        match connected {
            Ok(stream) if poll.add(&stream, Token::Publisher, EventFlags::IN).is_ok() => {
                self.connection = Some(stream);
                self.last_stream = 1;
                self.decoder = Decoder::new();
            }
            _ => self.retry = Some(Instant::now() + PAUSE),
        }
    }

    fn disconnect(&mut self, poll: &Poll) {
        if let Some(connection) = self.connection.take() {
            poll.remove(&connection);
        }
        while let Some(envelope) = self.in_flight.pop_back() {
            self.waiting.push_front(envelope);
        }
        self.retry = Some(Instant::now() + PAUSE);
    }

    /// containerd has acknowledged, or gone.
    pub(crate) fn on_ready(&mut self, poll: &Poll, buffer: &mut [u8]) {
        loop {
            let Some(connection) = &self.connection else { return };
            match rustix::io::read(connection, &mut *buffer) {
                Ok(count) if count > 0 => self.decoder.push(&buffer[..count]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Ok(_) | Err(_) => return self.disconnect(poll),
            }
            loop {
                match self.decoder.next_frame() {
                    // Answers come in order; a refused event is not sent again.
                    Ok(Some(frame)) if frame.kind == KIND_RESPONSE => drop(self.in_flight.pop_front()),
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return self.disconnect(poll),
                }
            }
        }
    }

    /// Closes descriptors: in a forked child.
    pub(crate) fn forget(&mut self) {
        self.connection = None;
    }
}
