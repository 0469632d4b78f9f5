//! Doors for the fuzz targets (`fuzz/`): what a registry says in headers, manifests and refusals. Not part of the
//! library's interface.

use crate::auth::challenge;
use crate::url::Url;
use crate::{Credentials, Refusal, fetch, resolve, retry, tags};

/// A header: a challenge, a range, or where to go next; or what a client sent in `X-Registry-Auth`.
pub fn header(text: &str) {
    for challenge in challenge::parse(text) {
        let _ = (challenge.is("bearer"), challenge.get("realm"));
    }
    let _ = (fetch::range_start(text), tags::next_page(text));
    let _ = retry::pause_of(text, jiff::Timestamp::UNIX_EPOCH);
    let here = Url::https("registry.example", 443);
    for url in [here.join(text).ok(), text.parse().ok()].into_iter().flatten() {
        let again: Result<Url, _> = url.to_string().parse();
        assert!(again.is_ok_and(|again| again.to_string() == url.to_string()), "{url}");
    }
    let _ = Credentials::from_docker_header(text);
}

/// A manifest or index, and what it is taken for.
pub fn manifest(bytes: &[u8]) {
    use tierce_oci::{Index, Manifest, media_type};
    for served_as in [None, Some(media_type::OCI_MANIFEST), Some(media_type::OCI_INDEX)] {
        let Ok(found) = resolve::media_type_of(served_as.map(str::to_owned), bytes) else {
            continue;
        };
        // What it is served as decides, or it is refused.
        assert!(served_as.is_none_or(|served_as| served_as == found), "{found}");
        if media_type::is_index(&found) {
            let _ = Index::from_json(bytes).map(|index| index.choose(&tierce_oci::Platform::host()).cloned());
        } else {
            let _ = Manifest::from_json(bytes);
        }
    }
}

/// The body of a refusal.
pub fn refusal(bytes: &[u8]) {
    let _ = Refusal::from_body(401, bytes);
}
