//! The table of routes; each group has its rows and handlers in its own file.

mod archive;
mod container;
mod exec;
mod image;
mod network;
mod progress;
mod reach;
mod registry;
mod system;
mod unserved;
mod volume;

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use hyper::Method;
use tierce_engine::Engine;
use tierce_engine::image::Credentials;

use crate::facts::{Facts, Shared};
use crate::request::Request;
use crate::router::{Outcome, Route};

/// A request to the engine.
pub(crate) struct Call {
    /// The engine.
    pub(crate) engine: Arc<Engine>,
    /// What only the daemon knows of itself.
    pub(crate) facts: Arc<Facts>,
    /// The request.
    pub(crate) request: Request,
}

impl Deref for Call {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}

impl DerefMut for Call {
    fn deref_mut(&mut self) -> &mut Request {
        &mut self.request
    }
}

impl Call {
    /// Who asks a registry. A header that cannot be read is none, as for dockerd: clients send `null` and worse when
    /// they have nothing to say.
    fn credentials(&self) -> Option<Credentials> {
        Credentials::from_docker_header(self.header("x-registry-auth")).unwrap_or_else(|error| {
            tracing::warn!(%error, "the registry is asked without credentials");
            None
        })
    }
}

/// The table while its groups write their rows.
struct Table<'e> {
    engine: &'e Arc<Engine>,
    facts: &'e Arc<Shared>,
    rows: Vec<Route>,
}

impl Table<'_> {
    fn add<F, Fut>(&mut self, method: Method, pattern: &'static str, handler: F)
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let (engine, facts) = (Arc::clone(self.engine), Arc::clone(self.facts));
        self.rows.push(Route::new(method, pattern, move |request| {
            handler(Call {
                engine: Arc::clone(&engine),
                facts: facts.get(),
                request,
            })
        }));
    }

    fn get<F, Fut>(&mut self, pattern: &'static str, handler: F)
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        self.add(Method::GET, pattern, handler);
    }

    fn post<F, Fut>(&mut self, pattern: &'static str, handler: F)
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        self.add(Method::POST, pattern, handler);
    }

    fn delete<F, Fut>(&mut self, pattern: &'static str, handler: F)
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        self.add(Method::DELETE, pattern, handler);
    }
}

/// Every route. What is not served comes last, so that it takes nothing from what is.
pub(crate) fn table(engine: &Arc<Engine>, facts: &Arc<Shared>) -> Vec<Route> {
    let mut table = Table {
        engine,
        facts,
        rows: Vec::new(),
    };
    for group in [
        container::routes,
        exec::routes,
        image::routes,
        archive::routes,
        registry::routes,
        network::routes,
        reach::routes,
        volume::routes,
        system::routes,
        unserved::routes,
    ] {
        group(&mut table);
    }
    table.rows
}
