//! Blobs on their way in: in one request, in two, or in as many as the client likes.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderName, LOCATION, RANGE};
use hyper::{Response, StatusCode};
use tierce_oci::Digest;

use super::body::{Body, receive};
use super::refusal::{Code, Refusal};
use super::reply::{self, Answer};
use super::{Asked, blocking, range, route};
use crate::access::Action;
use crate::store::{Claim, Error, Name, Upload};

/// The algorithm of digests that nobody chose.
const USUAL_ALGORITHM: &str = "sha256";
/// The id of an upload, which docker-registry names so.
const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// The shortest piece that is taken; here any is.
const SHORTEST_PIECE: HeaderName = HeaderName::from_static("oci-chunk-min-length");
/// How often a request looks whether an upload is free, which another one writes to, and for how long: a client that
/// lost its connection may come back before the end of the old one is noticed.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
const BUSY_TRIES: usize = 100;

/// `POST …/blobs/uploads/`: takes a blob from another repository, takes it from the body, or begins an upload.
pub(super) async fn begin(asked: Asked, name: Name, body: Incoming) -> Answer {
    if let Some(text) = asked.query.text("mount") {
        let digest = route::digest(text)?;
        if mount(&asked, &name, &digest).await? {
            return Ok(reply::created(&reply::blob_location(&name, &digest), &digest));
        }
    } else if let Some(text) = asked.query.text("digest") {
        let digest = route::digest(text)?;
        let upload = asked.parts.store.begin_upload(&name, digest.algorithm())?;
        let answer = take(&asked, Arc::clone(&upload), body, Some(digest)).await;
        // Nobody was told where it is, so nobody can go on with it.
        asked.parts.store.cancel(&upload);
        return answer;
    }
    let algorithm = asked.query.text("digest-algorithm").unwrap_or(USUAL_ALGORITHM);
    let upload = asked.parts.store.begin_upload(&name, algorithm)?;
    let mut response = told(&upload, StatusCode::ACCEPTED);
    reply::set(&mut response, SHORTEST_PIECE, "1");
    Ok(response)
}

/// Gives the repository a blob of another one, if that has it and the one who asks may pull from there.
async fn mount(asked: &Asked, name: &Name, digest: &Digest) -> Result<bool, Refusal> {
    let from = match asked.query.text("from") {
        None => None,
        // What is no name has no blobs.
        Some(text) => match Name::parse(text) {
            Some(from) => Some(from),
            None => return Ok(false),
        },
    };
    let (parts, who, holder) = (Arc::clone(&asked.parts), asked.who.clone(), asked.holder());
    let (name, digest) = (name.clone(), digest.clone());
    blocking(move || {
        let readable = |source: &Name| {
            parts
                .access
                .allows(&who, Action::Pull, parts.metadata.is_private(source))
        };
        parts.store.mount(&name, &digest, from.as_ref(), readable, holder)
    })
    .await
}

/// `GET` of an upload: how far it is.
pub(super) fn status(asked: &Asked, name: &Name, id: &str) -> Answer {
    let upload = asked.parts.store.upload(name, id)?;
    Ok(told(&upload, StatusCode::NO_CONTENT))
}

/// `PATCH` of an upload: more bytes.
pub(super) async fn append(asked: Asked, name: Name, id: String, body: Incoming) -> Answer {
    let upload = asked.parts.store.upload(&name, &id)?;
    take(&asked, upload, body, None).await
}

/// `PUT` of an upload: the last bytes, if there are any, and the digest of all.
pub(super) async fn finish(asked: Asked, name: Name, id: String, body: Incoming) -> Answer {
    let upload = asked.parts.store.upload(&name, &id)?;
    let Some(text) = asked.query.text("digest") else {
        return Err(Refusal::new(
            Code::DigestInvalid,
            "the parameter digest is missing: say what the blob shall be",
        ));
    };
    let digest = route::digest(text)?;
    take(&asked, upload, body, Some(digest)).await
}

/// `DELETE` of an upload.
pub(super) fn cancel(asked: &Asked, name: &Name, id: &str) -> Answer {
    let upload = asked.parts.store.upload(name, id)?;
    asked.parts.store.cancel(&upload);
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// Takes the bytes of a request, and makes a blob of the upload if the digest of all is given.
async fn take(asked: &Asked, upload: Arc<Upload>, body: Incoming, digest: Option<Digest>) -> Answer {
    let claim = claim(&upload).await?;
    let before = upload.size();
    let announced = announced(asked, &upload)?;
    let most = announced.unwrap_or_else(|| asked.parts.longest_blob.saturating_sub(before));
    if before.saturating_add(announced.unwrap_or(0)) > asked.parts.longest_blob {
        let message = format!("this hub takes blobs of {} bytes at most", asked.parts.longest_blob);
        return Err(Refusal::new(Code::SizeInvalid, message).of_status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let (claim, received) = receive(body, claim, most).await;
    let Some(mut claim) = claim else {
        return Err(received
            .err()
            .unwrap_or_else(|| Refusal::new(Code::Unknown, "the upload is lost")));
    };
    let received = match (received, announced) {
        (Ok(received), Some(announced)) if received != announced => {
            claim.take_back(before);
            let message = format!("{received} bytes came, but Content-Range says {announced}");
            return Err(Refusal::new(Code::SizeInvalid, message));
        }
        (Err(refusal), _) if refusal.code == Code::SizeInvalid => {
            claim.take_back(before);
            return Err(refusal);
        }
        (received, _) => received?,
    };
    tracing::debug!(id = upload.id(), received, "bytes arrived");
    let Some(digest) = digest else {
        drop(claim);
        return Ok(told(&upload, StatusCode::ACCEPTED));
    };
    let location = reply::blob_location(upload.name(), &digest);
    let (parts, holder, wanted) = (Arc::clone(&asked.parts), asked.holder(), digest.clone());
    blocking(move || parts.store.commit(claim, &wanted, holder)).await?;
    Ok(reply::created(&location, &digest))
}

/// The right to write, when the one who has it is done.
async fn claim(upload: &Arc<Upload>) -> Result<Claim, Refusal> {
    for _ in 0..BUSY_TRIES {
        match upload.claim() {
            Err(Error::UploadBusy(_)) => tokio::time::sleep(BUSY_PAUSE).await,
            claimed => return claimed.map_err(Refusal::from),
        }
    }
    Ok(upload.claim()?)
}

/// How many bytes the request says it has; it must go on where the upload is.
fn announced(asked: &Asked, upload: &Upload) -> Result<Option<u64>, Refusal> {
    let Some(header) = asked.header(CONTENT_RANGE) else {
        return Ok(None);
    };
    let refuse = |message: String| {
        let refusal = Refusal::new(Code::RangeInvalid, message);
        refusal.with("location", location(upload)).with("range", so_far(upload))
    };
    let Some(range) = range::sent(header) else {
        return Err(refuse(format!("Content-Range {header:?} is not FIRST-LAST")));
    };
    if range.start != upload.size() {
        return Err(refuse(format!(
            "the upload goes on at byte {}, not {}",
            upload.size(),
            range.start
        )));
    }
    let announced = range.end - range.start;
    let length = asked.header(CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| length != announced) {
        return Err(Refusal::new(
            Code::SizeInvalid,
            "Content-Range and Content-Length are of different lengths",
        ));
    }
    Ok(Some(announced))
}

/// Where an upload is, and how far.
fn told(upload: &Upload, status: StatusCode) -> Response<Body> {
    let mut response = reply::empty(status);
    reply::set(&mut response, LOCATION, &location(upload));
    reply::set(&mut response, RANGE, &so_far(upload));
    reply::set(&mut response, UPLOAD_ID, upload.id());
    response
}

fn location(upload: &Upload) -> String {
    format!("/v2/{}/blobs/uploads/{}", upload.name(), upload.id())
}

/// First and last byte that arrived; `0-0` also when none did, as docker-registry has it.
fn so_far(upload: &Upload) -> String {
    format!("0-{}", upload.size().saturating_sub(1))
}
