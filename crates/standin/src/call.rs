//! Calls to the other shim, each over a connection of its own.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use prost::Message;
use tierce_task::bootstrap::Bootstrap;
use tierce_task::frame::{Decoder, FLAG_REMOTE_CLOSED, Frame, KIND_RESPONSE};
use tierce_task::messages::{Request, Response};
use tierce_task::method::{Method, SERVICE_V2, SERVICE_V3};

use crate::error::{Error, Result};
use crate::other::Other;

/// The stream of the only call of a connection.
const STREAM: u32 = 1;

/// A call that is under way.
pub(crate) struct Call<'a> {
    other: &'a Other,
    socket: UnixStream,
    decoder: Decoder,
}

impl<'a> Call<'a> {
    /// Asks.
    pub(crate) fn begin(
        other: &'a Other,
        bootstrap: &Bootstrap,
        method: Method,
        argument: &impl Message,
    ) -> Result<Self> {
        let lost = |error: std::io::Error| other.failed(format!("does not answer: {error}"));
        let mut socket = UnixStream::connect(bootstrap.socket()).map_err(lost)?;
        let request = Request {
            service: if bootstrap.version == 2 { SERVICE_V2 } else { SERVICE_V3 }.to_owned(),
            method: method.name().to_owned(),
            payload: argument.encode_to_vec(),
            ..Request::default()
        };
        let mut frame = Frame::request(STREAM, &request);
        frame.flags = FLAG_REMOTE_CLOSED;
        let mut bytes = Vec::new();
        frame
            .encode(&mut bytes)
            .map_err(|error| Error::Usage(error.to_string()))?;
        socket.write_all(&bytes).map_err(lost)?;
        Ok(Self {
            other,
            socket,
            decoder: Decoder::new(),
        })
    }

    /// Readable when there is something of an answer.
    pub(crate) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Reads once; the answer, when it is whole.
    pub(crate) fn take<M: Message + Default>(&mut self) -> Result<Option<M>> {
        let mut buffer = [0; 4096];
        let count = match self.socket.read(&mut buffer) {
            Ok(0) => return Err(self.other.failed("has ended".to_owned())),
            Ok(count) => count,
            Err(error) => return Err(self.other.failed(format!("does not answer: {error}"))),
        };
        self.decoder.push(buffer.get(..count).unwrap_or_default());
        loop {
            let strange = |error: &dyn std::fmt::Display| self.other.failed(format!("answers strangely: {error}"));
            match self.decoder.next_frame() {
                Err(error) => return Err(strange(&error)),
                Ok(None) => return Ok(None),
                Ok(Some(frame)) if frame.kind == KIND_RESPONSE && frame.stream == STREAM => {
                    let response = Response::decode(&frame.payload[..]).map_err(|error| strange(&error))?;
                    if let Some(status) = response.status.filter(|status| status.code != 0) {
                        return Err(Error::Refused {
                            code: status.code,
                            message: status.message,
                        });
                    }
                    return M::decode(&response.payload[..])
                        .map(Some)
                        .map_err(|error| strange(&error));
                }
                Ok(Some(_)) => {}
            }
        }
    }

    /// Waits for the answer.
    pub(crate) fn answer<M: Message + Default>(mut self) -> Result<M> {
        loop {
            if let Some(answer) = self.take()? {
                return Ok(answer);
            }
        }
    }
}
