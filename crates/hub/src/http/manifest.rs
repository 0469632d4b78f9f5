//! Manifests and tags.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};

use super::refusal::{Code, Refusal};
use super::reply::{self, Answer};
use super::{Asked, blob, blocking, body};
use crate::store::{LONGEST_MANIFEST, Name, NewManifest, Tag, Which};

/// The digest that a pushed manifest is about: the hub lists it among the referrers.
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// A tag that a pushed manifest got by the parameter `tag`.
const TAGGED: HeaderName = HeaderName::from_static("oci-tag");

/// `GET` and `HEAD`. What the client accepts does not matter: there is one manifest, and it is as it was sent.
pub(super) async fn get(asked: Asked, name: Name, which: Which) -> Answer {
    let found = asked.parts.store.find_manifest(&name, &which)?;
    if blob::is_known(&asked, &found.digest) {
        return Ok(reply::empty(StatusCode::NOT_MODIFIED));
    }
    let mut response = if asked.head.method == Method::HEAD {
        reply::empty(StatusCode::OK)
    } else {
        let (parts, wanted) = (Arc::clone(&asked.parts), found.clone());
        Response::new(body::full(
            blocking(move || parts.store.read_manifest(&name, &wanted)).await?,
        ))
    };
    reply::set(&mut response, CONTENT_TYPE, &found.media_type);
    reply::set(&mut response, reply::CONTENT_DIGEST, found.digest.as_str());
    reply::set(&mut response, ETAG, &format!("\"{}\"", found.digest));
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(found.size));
    Ok(response)
}

/// `PUT`: by tag, or by digest with any number of parameters `tag`.
pub(super) async fn put(asked: Asked, name: Name, which: Which, sent: Incoming) -> Answer {
    let mut tags = Vec::new();
    for text in asked.query.all("tag") {
        let tag = Tag::parse(text);
        tags.push(tag.ok_or_else(|| Refusal::new(Code::TagInvalid, "invalid tag").about("tag", text))?);
    }
    let bytes = body::short(sent, LONGEST_MANIFEST).await?;
    let media_type = asked.header(CONTENT_TYPE).map(str::to_owned);
    let holder = asked.holder();
    let (repository, named) = (name.clone(), tags.clone());
    let kept = blocking(move || {
        let new = NewManifest {
            which,
            tags: named,
            media_type: media_type.as_deref(),
            bytes: &bytes,
        };
        asked.parts.store.put_manifest(&repository, new, &holder)
    })
    .await?;
    let mut response = reply::created(&format!("/v2/{name}/manifests/{}", kept.digest), &kept.digest);
    if let Some(subject) = kept.subject {
        reply::set(&mut response, SUBJECT, subject.as_str());
    }
    for tag in tags {
        if let Ok(value) = HeaderValue::from_str(tag.as_str()) {
            response.headers_mut().append(TAGGED, value);
        }
    }
    Ok(response)
}

/// `DELETE`: a tag, or a manifest with its tags.
pub(super) async fn delete(asked: Asked, name: Name, which: Which) -> Answer {
    blocking(move || asked.parts.store.delete_manifest(&name, &which)).await?;
    Ok(reply::empty(StatusCode::ACCEPTED))
}
