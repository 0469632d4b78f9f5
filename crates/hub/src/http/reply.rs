//! Parts of answers that many have.

use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, LINK};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tierce_oci::Digest;

use super::body::{self, Body};
use super::refusal::Refusal;
use crate::store::Name;

/// The digest of what an answer is about.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(body::full(""));
    *response.status_mut() = status;
    response
}

/// A document.
pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    typed(value, "application/json")
}

/// A document of a media type.
pub(super) fn typed(value: &impl Serialize, media_type: &'static str) -> Response<Body> {
    // Only maps with keys that are no texts fail, and none has such.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(body::full(bytes));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Sets a header; a value that cannot be sent is left out, and none of ours is such.
pub(super) fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The answer to a push: where it is now, and its digest.
pub(super) fn created(location: &str, digest: &Digest) -> Response<Body> {
    let mut response = empty(StatusCode::CREATED);
    set(&mut response, hyper::header::LOCATION, location);
    set(&mut response, CONTENT_DIGEST, digest.as_str());
    response
}

/// Where a blob is.
pub(super) fn blob_location(name: &Name, digest: &Digest) -> String {
    format!("/v2/{name}/blobs/{digest}")
}

/// Says where the next page is.
pub(super) fn link(response: &mut Response<Body>, path: &str, most: usize, last: &str) {
    let last = super::query::encode(last);
    set(response, LINK, &format!("<{path}?last={last}&n={most}>; rel=\"next\""));
}

/// What every handler answers.
pub(super) type Answer = Result<Response<Body>, Refusal>;
