//! Blobs that are there.

use std::sync::Arc;

use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, RANGE,
};
use hyper::{Response, StatusCode};
use tierce_oci::Digest;

use super::body::{self, Body};
use super::refusal::{Code, Refusal};
use super::reply::{self, Answer};
use super::{Asked, blocking, range};
use crate::access::Action;
use crate::store::Name;

/// `HEAD`: is it there? One who may push may be about to rely on it.
pub(super) fn head(asked: &Asked, name: &Name, digest: &Digest) -> Answer {
    let holder = asked.may(Action::Push, Some(name)).then(|| asked.holder());
    let size = asked.parts.store.blob_size(name, digest, holder)?;
    Ok(described(reply::empty(StatusCode::OK), digest, size))
}

/// `GET`: all of it, or the part that `Range` says.
pub(super) async fn get(asked: Asked, name: Name, digest: Digest) -> Answer {
    let (parts, wanted) = (Arc::clone(&asked.parts), digest.clone());
    let (file, size) = blocking(move || parts.store.open_blob(&name, &wanted)).await?;
    if is_known(&asked, &digest) {
        return Ok(reply::empty(StatusCode::NOT_MODIFIED));
    }
    let part = asked.header(RANGE).and_then(|header| range::wanted(header, size));
    let (status, part) = match part {
        None => (StatusCode::OK, 0..size),
        Some(Ok(part)) => (StatusCode::PARTIAL_CONTENT, part),
        Some(Err(())) => {
            let refusal = Refusal::new(Code::RangeInvalid, format!("the blob has {size} bytes"));
            return Err(refusal.with("content-range", format!("bytes */{size}")));
        }
    };
    let content_range = format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1));
    let length = part.end - part.start;
    let sent =
        body::file(file, part).map_err(|error| Refusal::new(Code::Unknown, format!("read the blob: {error}")))?;
    let mut response = described(Response::new(sent), &digest, length);
    *response.status_mut() = status;
    if status == StatusCode::PARTIAL_CONTENT {
        reply::set(&mut response, CONTENT_RANGE, &content_range);
    }
    Ok(response)
}

/// `DELETE`: one that no manifest lists.
pub(super) async fn delete(asked: Asked, name: Name, digest: Digest) -> Answer {
    blocking(move || asked.parts.store.delete_blob(&name, &digest)).await?;
    Ok(reply::empty(StatusCode::ACCEPTED))
}

/// Whether the client has a content already.
pub(super) fn is_known(asked: &Asked, digest: &Digest) -> bool {
    asked
        .header(IF_NONE_MATCH)
        .is_some_and(|tags| tags.contains(digest.as_str()))
}

fn described(mut response: Response<Body>, digest: &Digest, length: u64) -> Response<Body> {
    reply::set(&mut response, reply::CONTENT_DIGEST, digest.as_str());
    reply::set(&mut response, ETAG, &format!("\"{digest}\""));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=31536000"));
    response
}
