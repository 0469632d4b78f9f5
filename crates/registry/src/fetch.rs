//! Blobs: as a stream that survives broken connections, or whole when they are small.

use crate::retry::Attempts;
use crate::transport::{Answer, Body};
use crate::{Error, Repository};
use bytes::{Bytes, BytesMut};
use http::header;
use tierce_oci::{Descriptor, Digest};

/// This much progress makes earlier failures forgotten.
const PROGRESS: u64 = 1 << 20;

/// The bytes of one blob from some position on. Broken transfers are taken up again where they broke; the digest is the
/// reader's to check, the size is checked here.
#[derive(Debug)]
pub struct BlobStream {
    repository: Repository,
    descriptor: Descriptor,
    position: u64,
    open: Option<Open>,
    attempts: Attempts,
    failed_at: u64,
}

/// An answer being read.
struct Open {
    url: String,
    body: Body,
    /// Bytes still to be thrown away, because the registry began before the position asked for.
    skip: u64,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Open({}, skip {})", self.url, self.skip)
    }
}

impl Repository {
    /// The blob of `descriptor` from byte `from` on. Nothing is asked of the registry before the first
    /// [`BlobStream::next`].
    pub fn blob(&self, descriptor: &Descriptor, from: u64) -> BlobStream {
        let config = self.client().config();
        BlobStream {
            repository: self.clone(),
            descriptor: descriptor.clone(),
            position: from,
            open: None,
            attempts: Attempts::new(config.attempts, config.timeouts),
            failed_at: from,
        }
    }

    /// Reads a small blob of at most `limit` bytes whole, and checks its digest. `object` is what errors call it.
    ///
    /// # Errors
    /// Any of [`Error`]; [`Error::TooLarge`] before anything is fetched.
    pub async fn read_blob(&self, descriptor: &Descriptor, limit: u64, object: &'static str) -> Result<Bytes, Error> {
        let url = self.domain().to_owned();
        if descriptor.size > limit {
            let object = format!("{object} {}", descriptor.digest);
            return Err(Error::TooLarge { url, object, limit });
        }
        let mut bytes = BytesMut::with_capacity(descriptor.size as usize);
        let mut stream = self.blob(descriptor, 0);
        while let Some(piece) = stream.next().await? {
            bytes.extend_from_slice(&piece);
        }
        let actual = Digest::sha256_of(&bytes);
        if actual != descriptor.digest {
            return Err(Error::WrongDigest {
                url,
                object,
                expected: descriptor.digest.clone(),
                actual,
            });
        }
        Ok(bytes.freeze())
    }
}

impl BlobStream {
    /// The next piece; `None` when the blob is complete. After an error the stream must not be read again.
    ///
    /// # Errors
    /// Any of [`Error`], once no further attempt is left.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            match self.piece().await {
                Ok(Some(piece)) => {
                    self.position += piece.len() as u64;
                    if self.position - self.failed_at > PROGRESS {
                        self.attempts.reset();
                        self.failed_at = self.position;
                    }
                    return Ok(Some(piece));
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.open = None;
                    self.failed_at = self.position;
                    tokio::time::sleep(self.attempts.after(error)?).await;
                }
            }
        }
    }

    fn object(&self) -> String {
        format!("blob {}", self.descriptor.digest)
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        if self.open.is_none() {
            let answer = self
                .repository
                .get(&format!("blobs/{}", self.descriptor.digest), &[], self.position)
                .await?;
            self.open = Some(self.check(answer)?);
        }
        let size = self.descriptor.size;
        loop {
            let Some(open) = self.open.as_mut() else {
                return Ok(None);
            };
            let Some(mut piece) = open.body.next().await? else {
                if self.position == size {
                    return Ok(None);
                }
                return Err(Error::Unreachable {
                    url: open.url.clone(),
                    cause: "unexpected EOF".to_owned(),
                });
            };
            let skipped = open.skip.min(piece.len() as u64);
            open.skip -= skipped;
            let piece = piece.split_off(skipped as usize);
            if self.position + piece.len() as u64 > size {
                let url = open.url.clone();
                let actual = self.position + piece.len() as u64;
                return Err(Error::WrongSize {
                    url,
                    object: self.object(),
                    expected: size,
                    actual,
                });
            }
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    /// Checks the head of an answer against what was asked for.
    fn check(&self, answer: Answer) -> Result<Open, Error> {
        let url = answer.url.shown();
        let length = answer
            .header(header::CONTENT_LENGTH)
            .and_then(|text| text.parse::<u64>().ok());
        let begins = if answer.status == 206 {
            let range = answer.header(header::CONTENT_RANGE).unwrap_or_default();
            let begins = range_start(range);
            if begins != Some(self.position) {
                let cause = format!(
                    "it sent the range {range:.60?} when asked for bytes from {}",
                    self.position
                );
                return Err(Error::Malformed { url, cause });
            }
            self.position
        } else {
            0
        };
        let announced = length.map(|length| begins.saturating_add(length));
        if let Some(actual) = announced.filter(|announced| *announced != self.descriptor.size) {
            return Err(Error::WrongSize {
                url,
                object: self.object(),
                expected: self.descriptor.size,
                actual,
            });
        }
        Ok(Open {
            url,
            body: answer.body,
            skip: self.position - begins,
        })
    }
}

/// The first byte of `bytes first-last/length`.
pub(crate) fn range_start(content_range: &str) -> Option<u64> {
    let (first, _) = content_range.trim().strip_prefix("bytes ")?.split_once('-')?;
    first.trim().parse().ok()
}
