//! A conversation with a bus, or with systemd itself: one call at a time, each with its deadline.

use super::address::{self, Bus};
use super::message::{FIXED, Message, Purpose};
use super::{BusError, Value};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long an answer may take; runc waits as long for a job.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest line of the authentication.
const LONGEST_LINE: usize = 1024;
/// Signals that are kept for somebody who waits for one.
const MOST_SIGNALS: usize = 1024;
/// systemd's own socket, for root where there is no bus.
const PRIVATE: &str = "unix:path=/run/systemd/private";

/// A method to call.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    /// Whose it is (`org.freedesktop.systemd1`).
    pub(crate) destination: &'a str,
    /// Of which object.
    pub(crate) path: &'a str,
    /// Of which interface.
    pub(crate) interface: &'a str,
    /// Which method.
    pub(crate) member: &'static str,
    /// With which arguments.
    pub(crate) arguments: Vec<Value>,
}

/// An open conversation.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    address: String,
    /// Whether a bus lies in between, which wants to know for whom a message is.
    has_bus: bool,
    serial: u32,
    signals: VecDeque<Message>,
    deadline: Instant,
}

impl Connection {
    /// Connects to a bus and says hello. Root finds systemd also where no system bus runs.
    pub(crate) fn open(bus: Bus) -> Result<Self, BusError> {
        let first = bus.address().and_then(|address| Self::connect(&address, true));
        match first {
            Err(BusError::Socket { .. }) if bus == Bus::System && rustix::process::geteuid().is_root() => {
                Self::connect(PRIVATE, false).or(first)
            }
            result => result,
        }
    }

    /// Connects to an address.
    pub(super) fn connect(address: &str, has_bus: bool) -> Result<Self, BusError> {
        Self::over(address::connect(address)?, address, has_bus)
    }

    /// Begins the conversation on a socket.
    pub(super) fn over(stream: UnixStream, address: &str, has_bus: bool) -> Result<Self, BusError> {
        let mut connection = Self {
            stream,
            address: address.to_owned(),
            has_bus,
            serial: 0,
            signals: VecDeque::new(),
            deadline: Instant::now() + PATIENCE,
        };
        connection.authenticate()?;
        if has_bus {
            connection.call_bus("Hello", Vec::new())?;
        }
        Ok(connection)
    }

    /// SASL's EXTERNAL without a name: the socket itself tells who we are, also from inside a user namespace, where our
    /// number is another one than the bus sees (specification, "Authentication Protocol"). All in one write, as
    /// systemd's own programs do it.
    fn authenticate(&mut self) -> Result<(), BusError> {
        self.write(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        for wanted in ["DATA", "OK "] {
            let answer = self.line()?;
            if !answer.starts_with(wanted) {
                return Err(BusError::Rejected {
                    address: self.address.clone(),
                    answer,
                });
            }
        }
        Ok(())
    }

    /// A line without its end, read byte by byte, for what follows it is no line any more.
    fn line(&mut self) -> Result<String, BusError> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            if line.len() == LONGEST_LINE {
                return Err(BusError::Malformed("a line of the authentication does not end"));
            }
            let mut byte = [0];
            self.read(&mut byte, "the bus to authenticate")?;
            line.push(byte[0]);
        }
        line.truncate(line.len() - 2);
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BusError> {
        let _ = self.stream.set_write_timeout(Some(PATIENCE));
        self.stream.write_all(bytes).map_err(|source| BusError::Socket {
            verb: "write to the bus at",
            address: self.address.clone(),
            source,
        })
    }

    /// Fills `bytes` before the deadline.
    fn read(&mut self, bytes: &mut [u8], awaited: &str) -> Result<(), BusError> {
        let mut filled = 0;
        while filled < bytes.len() {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(BusError::Timeout(awaited.to_owned()));
            }
            let read = self
                .stream
                .set_read_timeout(Some(left))
                .and_then(|()| self.stream.read(&mut bytes[filled..]));
            let fail = |source| BusError::Socket {
                verb: "read from the bus at",
                address: self.address.clone(),
                source,
            };
            match read {
                Ok(0) => return Err(fail(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => filled += count,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) => {}
                Err(error) => return Err(fail(error)),
            }
        }
        Ok(())
    }

    fn receive(&mut self, awaited: &str) -> Result<Message, BusError> {
        let mut fixed = [0; FIXED];
        self.read(&mut fixed, awaited)?;
        let mut bytes = vec![0; Message::length(&fixed)?];
        bytes[..FIXED].copy_from_slice(&fixed);
        self.read(&mut bytes[FIXED..], awaited)?;
        Message::decode(&bytes)
    }

    fn call_bus(&mut self, member: &'static str, arguments: Vec<Value>) -> Result<Vec<Value>, BusError> {
        self.call(Call {
            destination: "org.freedesktop.DBus",
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
            member,
            arguments,
        })
    }

    /// Calls a method and waits for its answer. Signals that come meanwhile are kept.
    pub(crate) fn call(&mut self, call: Call<'_>) -> Result<Vec<Value>, BusError> {
        self.deadline = Instant::now() + PATIENCE;
        self.serial += 1;
        let mut message = Message::new(Purpose::Call, self.serial);
        call.path.clone_into(&mut message.path);
        call.interface.clone_into(&mut message.interface);
        call.member.clone_into(&mut message.member);
        if self.has_bus {
            call.destination.clone_into(&mut message.destination);
        }
        message.body = call.arguments;
        self.write(&message.encode())?;
        loop {
            let answer = self.receive(call.member)?;
            match answer.purpose {
                Purpose::Return if answer.reply_serial == self.serial => return Ok(answer.body),
                Purpose::Error if answer.reply_serial == self.serial => {
                    let message = match answer.body.into_iter().next() {
                        Some(Value::Text(text)) => text,
                        _ => answer.error_name.clone(),
                    };
                    return Err(BusError::Answer {
                        name: answer.error_name,
                        message,
                    });
                }
                _ => self.keep(answer),
            }
        }
    }

    /// Keeps a signal; the oldest goes when there are too many. Nobody may call us, so that calls need no answer.
    fn keep(&mut self, message: Message) {
        if message.purpose == Purpose::Signal {
            if self.signals.len() == MOST_SIGNALS {
                self.signals.pop_front();
            }
            self.signals.push_back(message);
        }
    }

    /// Asks the bus for the signals of an interface's member; without a bus they come unasked.
    pub(crate) fn listen(&mut self, sender: &str, interface: &str, member: &str) -> Result<(), BusError> {
        if !self.has_bus {
            return Ok(());
        }
        let rule = format!("type='signal',sender='{sender}',interface='{interface}',member='{member}'");
        self.call_bus("AddMatch", vec![Value::text(rule)]).map(drop)
    }

    /// Waits for a signal whose arguments `wanted` takes.
    pub(crate) fn await_signal<T>(
        &mut self,
        interface: &str,
        member: &'static str,
        mut wanted: impl FnMut(&[Value]) -> Option<T>,
    ) -> Result<T, BusError> {
        self.deadline = Instant::now() + PATIENCE;
        loop {
            let message = match self.signals.pop_front() {
                Some(message) => message,
                None => self.receive(member)?,
            };
            let fits = message.purpose == Purpose::Signal && message.interface == interface && message.member == member;
            if let Some(found) = fits.then(|| wanted(&message.body)).flatten() {
                return Ok(found);
            }
        }
    }
}
