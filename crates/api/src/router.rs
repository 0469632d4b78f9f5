//! The table of routes: method and path to handler.
//!
//! A pattern is a path with at most one wildcard `{…}`, which may stand in the middle and matches slashes too, since
//! image names have them (`/images/{name}/json`); and a second one at its end, which matches none. The first route that
//! fits wins, so a table lists what is exact before what is wild.

use std::future::Future;
use std::pin::Pin;

use hyper::Method;

use crate::reply::Reply;
use crate::request::Request;
use crate::status::Failure;

/// What a handler returns.
pub(crate) type Outcome = Result<Reply, Failure>;

type Boxed = Box<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// One row of the table.
pub(crate) struct Route {
    method: Method,
    pattern: &'static str,
    prefix: &'static str,
    /// What follows the wildcard; `None` = there is none and the path must equal `prefix`.
    suffix: Option<&'static str>,
    /// Whether a second wildcard follows that.
    tail: bool,
    handler: Boxed,
}

impl Route {
    /// A row from its parts.
    pub(crate) fn new<F, Fut>(method: Method, pattern: &'static str, handler: F) -> Self
    where
        F: Fn(Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let (prefix, suffix) = match pattern.split_once('{') {
            Some((prefix, rest)) => (prefix, rest.split_once('}').map(|(_, suffix)| suffix)),
            None => (pattern, None),
        };
        let second = suffix.and_then(|suffix| suffix.split_once('{'));
        Self {
            method,
            pattern,
            prefix,
            suffix: second.map(|(middle, _)| middle).or(suffix),
            tail: second.is_some(),
            handler: Box::new(move |request| Box::pin(handler(request))),
        }
    }

    /// The pattern, for logs.
    pub(crate) fn pattern(&self) -> &'static str {
        self.pattern
    }

    /// Runs the handler.
    pub(crate) fn run(&self, request: Request) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        (self.handler)(request)
    }

    /// What the wildcards stand for in `path` (empty where there is none); `None` = the pattern does not fit.
    fn matches<'p>(&self, path: &'p str) -> Option<[&'p str; 2]> {
        let Some(suffix) = self.suffix else {
            return (path == self.prefix).then_some([""; 2]);
        };
        let rest = path.strip_prefix(self.prefix)?;
        let (name, tail) = if self.tail {
            let (name, tail) = rest.rsplit_once(suffix)?;
            (name, Some(tail).filter(|tail| !tail.is_empty() && !tail.contains('/'))?)
        } else {
            (rest.strip_suffix(suffix)?, "")
        };
        (!name.is_empty()).then_some([name, tail])
    }
}

/// The table.
pub(crate) struct Router(Vec<Route>);

impl Router {
    /// A table from its rows.
    pub(crate) fn new(routes: Vec<Route>) -> Self {
        Self(routes)
    }

    /// The route for a request and what its wildcards stand for (still percent-encoded).
    pub(crate) fn find<'r, 'p>(&'r self, method: &Method, path: &'p str) -> Option<(&'r Route, [&'p str; 2])> {
        self.0
            .iter()
            .filter(|route| route.method == *method)
            .find_map(|route| Some((route, route.matches(path)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Router {
        let route = |method, pattern| Route::new(method, pattern, |_| async { Ok(Reply::empty()) });
        Router::new(vec![
            route(Method::GET, "/images/json"),
            route(Method::GET, "/images/{name}/json"),
            route(Method::DELETE, "/containers/{id}/checkpoints/{checkpoint}"),
            route(Method::DELETE, "/images/{name}"),
            route(Method::GET, "/containers/{id}/attach/ws"),
        ])
    }

    #[test]
    fn row_087_routes_are_found_by_method_and_path() {
        let table = table();
        let find = |method: Method, path: &str| {
            table.find(&method, path).map(|(route, [name, tail])| {
                assert_eq!(tail, "");
                (route.pattern(), name.to_owned())
            })
        };
        assert_eq!(find(Method::GET, "/images/json"), Some(("/images/json", String::new())));
        assert_eq!(
            find(Method::GET, "/images/localhost:5000/a/b:c/json"),
            Some(("/images/{name}/json", "localhost:5000/a/b:c".into()))
        );
        assert_eq!(
            find(Method::DELETE, "/images/a/b"),
            Some(("/images/{name}", "a/b".into()))
        );
        assert_eq!(
            find(Method::GET, "/containers/x/attach/ws"),
            Some(("/containers/{id}/attach/ws", "x".into()))
        );
        let found = table.find(&Method::DELETE, "/containers/x/checkpoints/y");
        assert_eq!(found.map(|(_, names)| names), Some(["x", "y"]));
        for (method, path) in [
            (Method::DELETE, "/containers/x/checkpoints/"),
            (Method::DELETE, "/containers/x/checkpoints/y/z"),
            (Method::DELETE, "/containers//checkpoints/y"),
            (Method::POST, "/images/json"),
            (Method::GET, "/images"),
            (Method::GET, "/images//json"),
            (Method::DELETE, "/images/"),
            (Method::GET, "/"),
        ] {
            assert_eq!(find(method, path), None, "{path}");
        }
    }
}
