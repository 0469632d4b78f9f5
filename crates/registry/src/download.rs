//! A file at any address: no registry, no credentials, the same proxies, certificates and time limits.

use crate::transport::{Body, Call};
use crate::{Client, Error, Url};
use bytes::Bytes;
use http::header;

/// A file being fetched.
pub struct Download {
    /// Its length, where the server tells.
    pub length: Option<u64>,
    body: Body,
    done: u64,
    url: String,
}

impl Client {
    /// Begins to fetch the file at an address; without a scheme, `http://` is meant. Redirects are followed, but not
    /// from TLS to plain HTTP.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn download(&self, address: &str) -> Result<Download, Error> {
        let url: Url = if address.contains("://") {
            address.parse()?
        } else {
            format!("http://{address}").parse()?
        };
        let answer = self.transport().open(Call::get(url)).await?;
        Ok(Download {
            length: answer.header(header::CONTENT_LENGTH).and_then(|text| text.parse().ok()),
            url: answer.url.shown(),
            body: answer.body,
            done: 0,
        })
    }
}

impl Download {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// Any of [`Error`]; a file that is shorter than was announced is one.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let piece = self.body.next().await?;
        self.done += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        if piece.is_none() && self.length.is_some_and(|length| length != self.done) {
            return Err(Error::Unreachable {
                url: self.url.clone(),
                cause: "unexpected EOF".to_owned(),
            });
        }
        Ok(piece)
    }
}
