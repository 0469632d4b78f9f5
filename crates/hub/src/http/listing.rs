//! Lists: tags, repositories, referrers.

use hyper::Response;
use hyper::header::HeaderName;
use serde_json::json;
use tierce_oci::{Digest, media_type};

use super::Asked;
use super::body::Body;
use super::reply::{self, Answer};
use crate::access::Action;
use crate::store::Name;

/// Most entries of one page, whatever the client asks for.
const LONGEST_PAGE: usize = 10_000;
/// Which filters the list of referrers went through.
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

/// `GET …/tags/list`.
pub(super) fn tags(asked: &Asked, name: &Name) -> Answer {
    let most = most(asked)?;
    let page = asked.parts.store.tags(name, last(asked), most)?;
    let mut response = reply::json(&json!({"name": name.as_str(), "tags": page.entries}));
    if let Some(last) = page.entries.last().filter(|_| page.more) {
        reply::link(&mut response, &format!("/v2/{name}/tags/list"), most, last);
    }
    Ok(response)
}

/// `GET /v2/_catalog`: the repositories that the one who asks may pull from.
pub(super) fn catalog(asked: &Asked) -> Answer {
    let most = most(asked)?;
    let page = asked
        .parts
        .store
        .repositories(last(asked), most, |name| asked.may(Action::Pull, Some(name)));
    let mut response = reply::json(&json!({"repositories": page.entries}));
    if let Some(last) = page.entries.last().filter(|_| page.more) {
        reply::link(&mut response, "/v2/_catalog", most, last);
    }
    Ok(response)
}

/// `GET …/referrers/<digest>`; nothing refers to what is not there, which is no error.
pub(super) fn referrers(asked: &Asked, name: &Name, subject: &Digest) -> Response<Body> {
    let artifact_type = asked.query.text("artifactType");
    let manifests = asked.parts.store.referrers(name, subject, artifact_type);
    let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": manifests});
    let mut response = reply::typed(&index, media_type::OCI_INDEX);
    if artifact_type.is_some() {
        reply::set(&mut response, FILTERS, "artifactType");
    }
    response
}

fn last(asked: &Asked) -> &str {
    asked.query.text("last").unwrap_or_default()
}

fn most(asked: &Asked) -> Result<usize, super::Refusal> {
    Ok(asked.query.number("n")?.unwrap_or(LONGEST_PAGE).min(LONGEST_PAGE))
}
