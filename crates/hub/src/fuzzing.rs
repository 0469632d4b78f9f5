//! Doors for fuzz targets: what strangers send that this room itself takes apart.

use hyper::Method;

/// A request's path and query, its `Range`, `Content-Range` and `Authorization`, one a line.
pub fn request(text: &str) {
    let mut lines = text.lines();
    let mut line = || lines.next().unwrap_or_default();
    let target = line();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = crate::http::query::Query::parse(query);
    for method in [Method::GET, Method::PUT] {
        // A refusal is an answer too.
        let _ = crate::http::route::Route::parse(&method, path);
    }
    let _ = query.number("n");
    let wanted = line();
    for size in [0, 1, 4096, u64::MAX] {
        if let Some(Ok(range)) = crate::http::range::wanted(wanted, size) {
            assert!(range.start < range.end && range.end <= size);
        }
    }
    if let Some(range) = crate::http::range::sent(line()) {
        assert!(range.start < range.end);
    }
    let _ = crate::access::basic(line());
}

/// A manifest: what is kept of it is bounded by its length.
pub fn manifest(bytes: &[u8]) {
    crate::store::fuzz_manifest(bytes);
}
