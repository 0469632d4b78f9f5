//! Connections that turned into raw streams in both directions: attach and exec.

use hyper::Response;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{ReadHalf, WriteHalf};

use crate::Error;

/// How output is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFormat {
    /// As the terminal wrote it.
    Raw,
    /// In frames that tell standard output from standard error.
    Multiplexed,
}

impl StreamFormat {
    /// Reads it off a `Content-Type`; daemons before API 1.42 say `raw-stream` for both, so `None` unless it is sure.
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        match content_type {
            "application/vnd.docker.multiplexed-stream" => Some(Self::Multiplexed),
            "application/vnd.docker.raw-stream" => Some(Self::Raw),
            _ => None,
        }
    }
}

/// Reading side: output of the process.
pub type HijackedReader = ReadHalf<TokioIo<Upgraded>>;
/// Writing side: its standard input. `shutdown` is its end of input.
pub type HijackedWriter = WriteHalf<TokioIo<Upgraded>>;

/// A stream to and from a process.
#[derive(Debug)]
pub struct Hijacked {
    io: TokioIo<Upgraded>,
    format: Option<StreamFormat>,
}

impl Hijacked {
    pub(crate) async fn take(response: Response<Incoming>, operation: &str) -> Result<Self, Error> {
        let format = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(StreamFormat::of_content_type);
        let upgraded = hyper::upgrade::on(response).await.map_err(|source| Error::Http {
            operation: operation.to_owned(),
            source,
        })?;
        Ok(Self {
            io: TokioIo::new(upgraded),
            format,
        })
    }

    /// How output is packed, when the daemon said so.
    pub fn format(&self) -> Option<StreamFormat> {
        self.format
    }

    /// Both directions apart.
    pub fn split(self) -> (HijackedReader, HijackedWriter) {
        tokio::io::split(self.io)
    }
}
