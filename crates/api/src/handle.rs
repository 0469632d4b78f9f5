//! What every request passes: version check, log, panic containment, common headers.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Response};
use tierce_api_types::ApiVersion;
use tierce_engine::TraceId;
use tierce_fault::Kind;
use tracing::{Instrument, field};

use crate::hijack::Hijacker;
use crate::query::{Query, decode};
use crate::reply::{Body, Reply};
use crate::request::{Request, Unread};
use crate::router::{Outcome, Router};
use crate::status::Failure;

/// Numbers the requests of this process, for its log.
static NEXT_REQUEST: AtomicU64 = AtomicU64::new(1);

/// The `Server` header.
const SERVER: &str = concat!("Tierce/", env!("CARGO_PKG_VERSION"), " (linux)");

/// Headers of every answer, as dockerd has them.
pub(crate) fn common_headers(experimental: bool) -> [(&'static str, &'static str); 4] {
    [
        ("Api-Version", "1.51"),
        ("Docker-Experimental", if experimental { "true" } else { "false" }),
        ("Ostype", "linux"),
        ("Server", SERVER),
    ]
}

/// Answers one request; `experimental` is whether such features are on.
pub(crate) async fn handle(
    router: &Router,
    hijacker: Hijacker,
    experimental: bool,
    request: hyper::Request<Incoming>,
) -> Response<Body> {
    let id = NEXT_REQUEST.fetch_add(1, Ordering::Relaxed);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let span = tracing::debug_span!("request", id, %method, path, trace_id = field::Empty);
    let brought = request
        .headers()
        .get("traceparent")
        .and_then(|value| value.to_str().ok());
    if let Some(trace) = brought.and_then(TraceId::from_traceparent) {
        span.record("trace_id", field::display(trace));
    }
    async {
        let begun = Instant::now();
        // A defect in one handler must not take the connection's other requests or the daemon with it.
        let outcome = AssertUnwindSafe(dispatch(router, hijacker, request))
            .catch_unwind()
            .await;
        let reply = match outcome {
            Ok(Ok(reply)) => reply,
            Ok(Err(failure)) => {
                if matches!(failure.kind, Kind::Internal | Kind::DataLoss | Kind::Exhausted) {
                    tracing::error!(error = failure.message, kind = ?failure.kind, "request failed");
                } else {
                    tracing::debug!(error = failure.message, kind = ?failure.kind, "request refused");
                }
                Reply::failure(&failure)
            }
            Err(_) => {
                tracing::error!("handler panicked");
                Reply::failure(&Failure::new(
                    Kind::Internal,
                    format!("{method} {path}: internal error, see the log"),
                ))
            }
        };
        let mut response = reply.0;
        for (name, value) in common_headers(experimental) {
            if let Ok(name) = HeaderName::try_from(name) {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
        }
        tracing::debug!(status = response.status().as_u16(), elapsed = ?begun.elapsed(), "answered");
        response
    }
    .instrument(span)
    .await
}

/// Finds the handler and runs it.
async fn dispatch(router: &Router, hijacker: Hijacker, request: hyper::Request<Incoming>) -> Outcome {
    let (head, body) = request.into_parts();
    let body = Unread::from(body);
    if head.method == Method::OPTIONS {
        return Ok(Reply::empty());
    }
    let full_path = head.uri.path().to_owned();
    let (version, path) = split_version(&full_path)?;
    let Some((route, [name, tail])) = router.find(&head.method, path) else {
        return Err(Failure::new(Kind::NotFound, "page not found"));
    };
    tracing::trace!(pattern = route.pattern(), "routed");
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let (name, tail) = (decode(name, false), decode(tail, false));
    if name.contains('\0') || tail.contains('\0') {
        return Err(Failure::invalid("read request path: it contains a zero byte"));
    }
    route
        .run(Request {
            head,
            name,
            tail,
            query,
            version,
            hijacker,
            body,
        })
        .await
}

/// Takes `/v1.NN` off a path. Without it the newest version is meant.
fn split_version(path: &str) -> Result<(ApiVersion, &str), Failure> {
    let versioned = path.strip_prefix("/v").and_then(|rest| {
        let (version, _) = rest.split_once('/')?;
        Some((version.parse::<ApiVersion>().ok()?, &rest[version.len()..]))
    });
    let Some((version, rest)) = versioned else {
        return Ok((ApiVersion::MAX, path));
    };
    if version > ApiVersion::MAX {
        return Err(Failure::invalid(format!(
            "client version {version} is too new. Maximum supported API version is {}",
            ApiVersion::MAX
        )));
    }
    if version < ApiVersion::MIN {
        return Err(Failure::invalid(format!(
            "client version {version} is too old. Minimum supported API version is {}, please upgrade your client to a \
             newer version",
            ApiVersion::MIN
        )));
    }
    Ok((version, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_087_version_prefixes_are_optional_and_bounded() {
        assert_eq!(split_version("/v1.41/info").unwrap(), (ApiVersion::new(1, 41), "/info"));
        assert_eq!(split_version("/info").unwrap(), (ApiVersion::MAX, "/info"));
        assert_eq!(
            split_version("/volumes/create").unwrap(),
            (ApiVersion::MAX, "/volumes/create")
        );
        assert_eq!(split_version("/version").unwrap(), (ApiVersion::MAX, "/version"));
        assert_eq!(
            split_version("/v1.99/info").unwrap_err().message,
            "client version 1.99 is too new. Maximum supported API version is 1.51"
        );
        assert_eq!(
            split_version("/v1.10/info").unwrap_err().message,
            "client version 1.10 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer \
             version"
        );
    }

    #[test]
    fn headers_name_the_newest_version() {
        assert_eq!(common_headers(false)[0].1, ApiVersion::MAX.to_string());
    }
}
