//! Streamed answers: bytes as they come, or one JSON document after another.

use std::marker::PhantomData;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use crate::Error;

/// Longest single document of a [`JsonStream`], in bytes.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// The body of an answer, chunk by chunk. Dropping it ends the operation at the daemon.
#[derive(Debug)]
pub struct ByteStream {
    body: Incoming,
    operation: String,
    content_type: String,
}

impl ByteStream {
    pub(crate) fn new(response: hyper::Response<Incoming>, operation: String) -> Self {
        let content_type = response
            .headers()
            .get(hyper::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        Self {
            body: response.into_body(),
            operation,
            content_type,
        }
    }

    /// The answer's `Content-Type`.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The next chunk; `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|source| Error::Http {
                operation: self.operation.clone(),
                source,
            })?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// A stream of JSON documents, one a line or simply one after another.
#[derive(Debug)]
pub struct JsonStream<T> {
    bytes: ByteStream,
    buffer: BytesMut,
    document: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> JsonStream<T> {
    pub(crate) fn new(bytes: ByteStream) -> Self {
        Self {
            bytes,
            buffer: BytesMut::new(),
            document: PhantomData,
        }
    }

    /// The next document; `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        loop {
            if let Some(document) = self.buffered()? {
                return Ok(Some(document));
            }
            match self.bytes.next().await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None if self.buffer.trim_ascii().is_empty() => return Ok(None),
                None => {
                    let rest = self.buffer.split();
                    return serde_json::from_slice(&rest)
                        .map(Some)
                        .map_err(|source| self.undecodable(source));
                }
            }
        }
    }

    /// Takes one whole document off the buffer, if there is one.
    fn buffered(&mut self) -> Result<Option<T>, Error> {
        let mut documents = serde_json::Deserializer::from_slice(&self.buffer).into_iter::<T>();
        match documents.next() {
            Some(Ok(document)) => {
                let used = documents.byte_offset();
                let _ = self.buffer.split_to(used);
                Ok(Some(document))
            }
            Some(Err(error)) if error.is_eof() && self.buffer.len() < MAX_MESSAGE => Ok(None),
            Some(Err(source)) => Err(self.undecodable(source)),
            None => Ok(None),
        }
    }

    fn undecodable(&self, source: serde_json::Error) -> Error {
        Error::Decode {
            operation: self.bytes.operation.clone(),
            source,
        }
    }
}
