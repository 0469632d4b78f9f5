//! Blobs and manifests to a registry.
//!
//! A blob goes up in one request when it is small, else as a stream into an upload session:
//!
//! ```text
//! HEAD blobs/<digest>                  is it there?
//! POST blobs/uploads/[?mount=&from=]   201: mounted from another repository; 202: a session at Location
//! PATCH <location>                     the bytes as they are made
//! PUT <location>?digest=<digest>       done; a small blob comes as the body of this, without PATCH
//! PUT manifests/<tag>
//! ```
//! When the stream breaks, `GET <location>` says how much came, and the rest goes up in chunks that say where they
//! belong (`Content-Range`). A registry that takes no stream gets the whole blob in one PUT: then it is made twice, since
//! its digest and length must be known before.
//!
//! Source: distribution-spec 1.1 "Push".

use crate::repository::Ask;
use crate::retry::Attempts;
use crate::transport::{Answer, Flow, Payload};
use crate::{Error, Repository, Url};
use bytes::{Bytes, BytesMut};
use http::{HeaderName, Method, header};
use std::io;
use tierce_oci::Digest;
use tokio::sync::{mpsc, oneshot};

/// Blobs up to this size are sent in one request.
const SMALL: usize = 1 << 20;

/// What is left of a broken upload is sent in pieces of this size, which lie in memory.
const CHUNK: usize = 8 << 20;

const BINARY: &str = "application/octet-stream";
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// A blob that can be read again from its beginning, for another try.
pub trait BlobSource: Send + Sync {
    /// Begins to read, leaving out the first `skip` bytes. Dropping the [`Reading`] ends it.
    fn read(&self, skip: u64) -> Reading;
}

/// A blob being read.
#[derive(Debug)]
pub struct Reading {
    /// Its bytes. An error breaks the upload off.
    pub pieces: mpsc::Receiver<io::Result<Bytes>>,
    /// What it was, once it was read to its end; or why it could not be read.
    pub end: oneshot::Receiver<Result<Written, String>>,
}

/// A blob at a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// An upload session. Sessions that are not ended are cleared away by the registry in the end.
#[derive(Debug)]
pub struct Upload {
    location: Url,
    /// Whether bytes may have gone there.
    begun: bool,
}

/// How far the upload of a blob is, over its attempts.
#[derive(Debug, Default)]
struct Sending {
    session: Option<Upload>,
    /// What an attempt before has sent to its end.
    sent: Option<Written>,
    /// Whether it must go in one request.
    whole: bool,
}

/// What became of a request to mount a blob from another repository.
#[derive(Debug)]
pub enum Mount {
    /// It is here now.
    Mounted,
    /// It must be uploaded, into this session.
    Declined(Upload),
}

/// One repository to be pushed to. Mirrors are not asked. Cheap to clone, as [`Repository`].
#[derive(Debug, Clone)]
pub struct Destination(pub(crate) Repository);

impl Destination {
    /// Looks whether a blob is there; its size if it is.
    ///
    /// # Errors
    /// Any of [`Error`] but that there is no such blob.
    pub async fn find_blob(&self, digest: &Digest) -> Result<Option<Written>, Error> {
        let what = format!("blobs/{digest}");
        match self.persistently(&Ask::new(Method::HEAD, &what)).await {
            Err(Error::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
            // Without a length it is of no use for a manifest, and is sent again.
            Ok(answer) => Ok(answer
                .header(header::CONTENT_LENGTH)
                .and_then(|text| text.parse().ok())
                .map(|size| Written {
                    digest: digest.clone(),
                    size,
                })),
        }
    }

    /// Asks for a blob of another repository (by its path) of the same registry.
    ///
    /// # Errors
    /// Any of [`Error`]; a registry that cannot mount gives a session instead.
    pub async fn mount_blob(&self, digest: &Digest, source: &str) -> Result<Mount, Error> {
        let query = Url::https("query", 443)
            .with_query("mount", digest.as_str())
            .with_query("from", source);
        let what = format!("blobs/uploads{}", query.path_and_query());
        let ask = Ask {
            source: Some(source),
            ..Ask::new(Method::POST, &what)
        };
        let answer = self.0.ask(&ask).await?;
        if answer.status == 201 {
            return Ok(Mount::Mounted);
        }
        upload_of(&answer).map(Mount::Declined)
    }

    /// Uploads a blob, into `session` if there is one already.
    ///
    /// # Errors
    /// Any of [`Error`], once no further attempt is left; [`Error::Source`] when the blob cannot be read.
    pub async fn push_blob(&self, source: &dyn BlobSource, session: Option<Upload>) -> Result<Written, Error> {
        let config = self.0.client().config();
        let mut attempts = Attempts::new(config.attempts, config.timeouts);
        let mut sending = Sending {
            session,
            ..Sending::default()
        };
        loop {
            let error = match self.attempt(source, &mut sending).await {
                Ok(written) => return Ok(written),
                Err(error) => error,
            };
            if takes_no_stream(&error) && !sending.whole {
                tracing::info!(%error, "a registry that takes no stream gets the blob in one request");
                sending = Sending {
                    whole: true,
                    ..Sending::default()
                };
            } else if is_about_session(&error) && sending.session.take().is_some_and(|session| session.begun) {
                // What an interrupted transfer left cannot be gone on with: once more from the beginning.
                tracing::info!(%error, "an upload is begun afresh");
                tokio::time::sleep(attempts.after(Error::Unreachable {
                    url: self.0.domain().to_owned(),
                    cause: error.to_string(),
                })?)
                .await;
            } else {
                tokio::time::sleep(attempts.after(error)?).await;
            }
        }
    }

    /// Uploads a small blob that is at hand.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn put_blob(&self, bytes: Bytes) -> Result<Written, Error> {
        let written = Written {
            digest: Digest::sha256_of(&bytes),
            size: bytes.len() as u64,
        };
        let config = self.0.client().config();
        let mut attempts = Attempts::new(config.attempts, config.timeouts);
        loop {
            let sent = async {
                let upload = self.begin().await?;
                self.end(&upload, &written.digest, Payload::Document(BINARY, bytes.clone()))
                    .await
            };
            match sent.await {
                Ok(()) => return Ok(written),
                Err(error) => tokio::time::sleep(attempts.after(error)?).await,
            }
        }
    }

    /// Puts a manifest under a tag.
    ///
    /// # Errors
    /// Any of [`Error`]; [`Error::WrongDigest`] when the registry says that it has another document.
    pub async fn put_manifest(&self, tag: &str, kind: &'static str, bytes: Bytes) -> Result<Digest, Error> {
        let digest = Digest::sha256_of(&bytes);
        let what = format!("manifests/{tag}");
        let ask = Ask {
            payload: Payload::Document(kind, bytes),
            ..Ask::new(Method::PUT, &what)
        };
        let answer = self.persistently(&ask).await?;
        let said = answer.header(CONTENT_DIGEST).and_then(|text| text.parse().ok());
        match said.filter(|said: &Digest| said.is_sha256() && *said != digest) {
            Some(expected) => Err(Error::WrongDigest {
                url: answer.url.shown(),
                object: "manifest",
                expected,
                actual: digest,
            }),
            None => Ok(digest),
        }
    }

    /// Makes a request that may be made twice, again when it fails in passing.
    async fn persistently(&self, ask: &Ask<'_>) -> Result<Answer, Error> {
        let config = self.0.client().config();
        let mut attempts = Attempts::new(config.attempts, config.timeouts);
        loop {
            match self.0.ask(ask).await {
                Ok(answer) => return Ok(answer),
                // A registry that was never there is reported at once.
                Err(error) if !self.0.has_answered() && !matches!(error, Error::Refused { .. }) => return Err(error),
                Err(error) => tokio::time::sleep(attempts.after(error)?).await,
            }
        }
    }

    async fn begin(&self) -> Result<Upload, Error> {
        let answer = self.0.ask(&Ask::new(Method::POST, "blobs/uploads/")).await?;
        upload_of(&answer)
    }

    async fn end(&self, upload: &Upload, digest: &Digest, payload: Payload) -> Result<(), Error> {
        let url = upload.location.with_query("digest", digest.as_str());
        let answer = self.0.ask_at(&url, Method::PUT, payload).await?;
        if answer.status == 201 || answer.status == 204 {
            return Ok(());
        }
        let cause = format!("it answered {} to the end of an upload", answer.status);
        Err(Error::Malformed {
            url: answer.url.shown(),
            cause,
        })
    }

    /// Sends what the registry does not have yet.
    async fn attempt(&self, source: &dyn BlobSource, sending: &mut Sending) -> Result<Written, Error> {
        // All was sent before, and only the last answer did not come: the registry may have it by now.
        if let Some(before) = sending.sent.take()
            && let Some(there) = self.find_blob(&before.digest).await?
        {
            return Ok(there);
        }
        if sending.whole {
            return self.send_whole(source, sending).await;
        }
        let have = self.kept(sending).await;
        let upload = match &mut sending.session {
            Some(upload) => upload,
            none => none.insert(self.begin().await?),
        };
        if have > 0 {
            let written = self.send_rest(source, upload, have).await?;
            sending.sent = Some(written.clone());
            self.end(upload, &written.digest, Payload::Empty).await?;
            return Ok(written);
        }
        let mut reading = source.read(0);
        let (head, whole) = read_head(&mut reading, SMALL).await;
        if whole {
            let written = ended(reading.end).await?;
            self.end(upload, &written.digest, Payload::Document(BINARY, head))
                .await?;
            return Ok(written);
        }
        upload.begun = true;
        let flow = Flow::new(head, reading.pieces);
        let (answer, written) = self.stream(&upload.location, Method::PATCH, flow, reading.end).await?;
        upload.location = upload_of(&answer)?.location;
        sending.sent = Some(written.clone());
        self.end(upload, &written.digest, Payload::Empty).await?;
        Ok(written)
    }

    /// How many bytes the session of an attempt before has; without any, the session is let go.
    async fn kept(&self, sending: &mut Sending) -> u64 {
        let Some(upload) = sending.session.take_if(|upload| upload.begun) else {
            return 0;
        };
        let have = self.offset(&upload).await.unwrap_or_default();
        // The answer of a session without a byte looks like that of one with a single byte: it is left alone.
        if have < 2 {
            return 0;
        }
        sending.session = Some(upload);
        have
    }

    /// Sends all but the first `have` bytes, in chunks that say where they belong.
    async fn send_rest(&self, source: &dyn BlobSource, upload: &mut Upload, have: u64) -> Result<Written, Error> {
        let mut reading = source.read(have);
        let mut first = have;
        loop {
            let (bytes, last) = read_head(&mut reading, CHUNK).await;
            let length = bytes.len() as u64;
            if length > 0 {
                let chunk = Payload::Chunk { first, bytes };
                let answer = self.0.ask_at(&upload.location, Method::PATCH, chunk).await?;
                upload.location = upload_of(&answer)?.location;
                first += length;
            }
            if last {
                return ended(reading.end).await;
            }
        }
    }

    /// Sends the blob as the body of one request, which must announce its length and name its digest.
    async fn send_whole(&self, source: &dyn BlobSource, sending: &mut Sending) -> Result<Written, Error> {
        let mut reading = source.read(0);
        while reading.pieces.recv().await.is_some_and(|piece| piece.is_ok()) {}
        let known = ended(reading.end).await?;
        let upload = self.begin().await?;
        let url = upload.location.with_query("digest", known.digest.as_str());
        let reading = source.read(0);
        let flow = Flow::new(Bytes::new(), reading.pieces).of_length(known.size);
        sending.sent = Some(known);
        let (_, written) = self.stream(&url, Method::PUT, flow, reading.end).await?;
        Ok(written)
    }

    /// Sends a stream; gives the answer, and what was read.
    async fn stream(
        &self,
        url: &Url,
        method: Method,
        flow: Flow,
        end: oneshot::Receiver<Result<Written, String>>,
    ) -> Result<(Answer, Written), Error> {
        match self.0.stream_to(url, method, flow).await {
            // Asked after the answer: a registry that answers early has not taken all.
            Ok(answer) => Ok((answer, ended(end).await?)),
            // A source that failed broke the request off: its words are the ones to tell.
            Err(error) => match end.await {
                Ok(Err(cause)) => Err(Error::Source { cause }),
                _ => Err(error),
            },
        }
    }

    /// How many bytes a session has.
    async fn offset(&self, upload: &Upload) -> Result<u64, Error> {
        let answer = self.0.ask_at(&upload.location, Method::GET, Payload::Empty).await?;
        let range = answer.header(header::RANGE).unwrap_or_default();
        let last = range.rsplit('-').next().and_then(|last| last.parse::<u64>().ok());
        Ok(last.map_or(0, |last| last + 1))
    }
}

/// The session that an answer names.
fn upload_of(answer: &Answer) -> Result<Upload, Error> {
    let malformed = |cause: &str| Error::Malformed {
        url: answer.url.shown(),
        cause: cause.to_owned(),
    };
    let location = answer
        .header(header::LOCATION)
        .ok_or_else(|| malformed("it names no place for an upload"))?;
    let location = answer
        .url
        .join(location)
        .map_err(|_| malformed("the place for an upload is no http or https address"))?;
    if answer.url.is_secure() && !location.is_secure() {
        return Err(malformed("the place for an upload leads from TLS to plain HTTP"));
    }
    Ok(Upload { location, begun: false })
}

/// Whether a session is spoilt or gone.
fn is_about_session(error: &Error) -> bool {
    match error {
        Error::Refused { status, refusal, .. } => {
            matches!(
                refusal.code.as_str(),
                "DIGEST_INVALID" | "BLOB_UPLOAD_INVALID" | "BLOB_UPLOAD_UNKNOWN" | "RANGE_INVALID"
            ) || *status == 416
        }
        _ => false,
    }
}

/// Whether a registry refused the form of an upload.
fn takes_no_stream(error: &Error) -> bool {
    match error {
        Error::Refused { status, refusal, .. } => matches!(status, 405 | 411 | 501) || refusal.code == "UNSUPPORTED",
        _ => false,
    }
}

/// The next bytes of a blob, somewhat more than `enough`, and whether they are the last.
async fn read_head(reading: &mut Reading, enough: usize) -> (Bytes, bool) {
    let mut head = BytesMut::new();
    while head.len() <= enough {
        match reading.pieces.recv().await {
            Some(Ok(piece)) => head.extend_from_slice(&piece),
            // The end tells why.
            Some(Err(_)) | None => return (head.freeze(), true),
        }
    }
    (head.freeze(), false)
}

/// What was read, at the end of a source.
async fn ended(end: oneshot::Receiver<Result<Written, String>>) -> Result<Written, Error> {
    let source = |cause: String| Error::Source { cause };
    end.await
        .map_err(|_| source("the reading broke off".to_owned()))?
        .map_err(source)
}
