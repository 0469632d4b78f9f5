//! Doors for the fuzz targets (`fuzz/`): what a registry says in headers and refusals. Not part of the library's
//! interface.

use crate::auth::challenge;
use crate::url::Url;
use crate::{Credentials, Refusal, fetch};

/// A header: a challenge, a range, or where to go next; or what a client sent in `X-Registry-Auth`.
pub fn header(text: &str) {
    for challenge in challenge::parse(text) {
        let _ = (challenge.is("bearer"), challenge.get("realm"));
    }
    let _ = fetch::range_start(text);
    let here = Url::https("registry.example", 443);
    for url in [here.join(text).ok(), text.parse().ok()].into_iter().flatten() {
        let again: Result<Url, _> = url.to_string().parse();
        assert!(again.is_ok_and(|again| again.to_string() == url.to_string()), "{url}");
    }
    let _ = Credentials::from_docker_header(text);
}

/// The body of a refusal.
pub fn refusal(bytes: &[u8]) {
    let _ = Refusal::from_body(401, bytes);
}
