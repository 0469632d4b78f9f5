//! The hub's HTTP: from a connection to the store and back. The only part of this room that has an executor.

mod blob;
mod body;
mod listing;
mod manifest;
pub(crate) mod query;
pub(crate) mod range;
mod refusal;
mod reply;
pub(crate) mod route;
mod search;
mod serve;
mod token;
mod upload;

use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::http::request::Parts as Head;
use hyper::{Method, Request, Response};

use crate::access::{Action, Who};
use crate::hub::Parts;
use crate::store::{Holder, Name};
use body::Body;
use query::Query;
use refusal::{Code, Refusal};
use route::Route;

/// What docker looks for to know a registry.
const API_VERSION: (HeaderName, HeaderValue) = (
    HeaderName::from_static("docker-distribution-api-version"),
    HeaderValue::from_static("registry/2.0"),
);
/// Longest part of a header that is kept to know a client by.
const LONGEST_AGENT: usize = 100;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
struct Peer {
    address: IpAddr,
    /// Whether it is encrypted.
    secure: bool,
}

/// A request without its body, and who asks.
struct Asked {
    parts: Arc<Parts>,
    peer: Peer,
    head: Head,
    query: Query,
    who: Who,
    /// Whether the proof of it was wrong.
    wrong: bool,
}

/// Answers one request.
async fn handle(parts: Arc<Parts>, peer: Peer, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let (method, target) = (head.method.clone(), head.uri.clone());
    let mut response = match answer(parts, peer, head, body).await {
        Ok(response) => response,
        Err(refusal) => {
            if refusal.status.is_server_error() {
                tracing::error!(%method, %target, "{}", refusal.message);
            }
            refusal.into_response()
        }
    };
    let (name, value) = API_VERSION;
    response.headers_mut().insert(name, value);
    tracing::debug!(peer = %peer.address, %method, %target, status = response.status().as_u16(), "answered");
    response
}

async fn answer(parts: Arc<Parts>, peer: Peer, head: Head, body: Incoming) -> Result<Response<Body>, Refusal> {
    let route = Route::parse(&head.method, head.uri.path())?;
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let who = who(&parts, &head).await?;
    // A wrong proof is as good as none, and gets the challenge.
    let (who, wrong) = who.map_or((Who::Anonymous, true), |who| (who, false));
    let asked = Asked {
        parts,
        peer,
        head,
        query,
        who,
        wrong,
    };
    asked.check(&route)?;
    let method = asked.head.method.clone();
    match (route, method) {
        (Route::Base, Method::GET | Method::HEAD) => Ok(reply::json(&serde_json::json!({}))),
        (Route::Ping, Method::GET) => Ok(reply::json(&serde_json::json!({"standalone": true}))),
        (Route::Token, Method::GET) => token::give(&asked),
        (Route::Search, Method::GET) => search::search(asked).await,
        (Route::Catalog, Method::GET) => listing::catalog(&asked),
        (Route::Tags(name), Method::GET) => listing::tags(&asked, &name),
        (Route::Referrers(name, digest), Method::GET) => Ok(listing::referrers(&asked, &name, &digest)),
        (Route::Blob(name, digest), Method::GET) => blob::get(asked, name, digest).await,
        (Route::Blob(name, digest), Method::HEAD) => blob::head(&asked, &name, &digest),
        (Route::Blob(name, digest), Method::DELETE) => blob::delete(asked, name, digest).await,
        (Route::Manifest(name, which), Method::GET | Method::HEAD) => manifest::get(asked, name, which).await,
        (Route::Manifest(name, which), Method::PUT) => manifest::put(asked, name, which, body).await,
        (Route::Manifest(name, which), Method::DELETE) => manifest::delete(asked, name, which).await,
        (Route::Uploads(name), Method::POST) => detached(upload::begin(asked, name, body)).await,
        (Route::Upload(name, id), Method::GET) => upload::status(&asked, &name, &id),
        (Route::Upload(name, id), Method::PATCH) => detached(upload::append(asked, name, id, body)).await,
        (Route::Upload(name, id), Method::PUT) => detached(upload::finish(asked, name, id, body)).await,
        (Route::Upload(name, id), Method::DELETE) => upload::cancel(&asked, &name, &id),
        (route, method) => Err(Refusal::method(&method, route.methods())),
    }
}

/// Who asks, if they can prove it; comparing a password takes long on purpose.
async fn who(parts: &Arc<Parts>, head: &Head) -> Result<Option<Who>, Refusal> {
    let authorization = head
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    if !parts.access.has_users() || authorization.is_none() {
        return Ok(parts.access.who(None));
    }
    let access = Arc::clone(parts);
    blocking(move || Ok(access.access.who(authorization.as_deref()))).await
}

impl Asked {
    /// Refuses what the one who asks may not do.
    fn check(&self, route: &Route) -> Result<(), Refusal> {
        let (name, action) = match route {
            Route::Token => return Ok(()),
            // Where a token is asked for, this is where docker learns it, also when it may pull without.
            Route::Base if self.parts.access.uses_tokens() && !self.head.headers.contains_key(AUTHORIZATION) => {
                return Err(self.challenge(None, Action::Pull));
            }
            Route::Base | Route::Ping | Route::Search | Route::Catalog => (None, Action::Pull),
            Route::Uploads(name) | Route::Upload(name, _) => (Some(name), Action::Push),
            Route::Tags(name) | Route::Manifest(name, _) | Route::Blob(name, _) | Route::Referrers(name, _) => {
                let looks = matches!(self.head.method, Method::GET | Method::HEAD);
                (Some(name), if looks { Action::Pull } else { Action::Push })
            }
        };
        if self.may(action, name) {
            return Ok(());
        }
        if self.who == Who::Anyone {
            return Err(Refusal::new(
                Code::Denied,
                "the repository is private, and this hub knows no users: start it with --htpasswd",
            ));
        }
        Err(self.challenge(name, action))
    }

    /// Whether the one who asks may do something with a repository.
    fn may(&self, action: Action, name: Option<&Name>) -> bool {
        let private = name.is_some_and(|name| self.parts.metadata.is_private(name));
        self.parts.access.allows(&self.who, action, private)
    }

    /// The refusal that tells how to prove who one is.
    fn challenge(&self, name: Option<&Name>, action: Action) -> Refusal {
        if !self.parts.access.uses_tokens() {
            return unauthorized("Basic realm=\"tierce-hub\"");
        }
        let scheme = if self.peer.secure { "https" } else { "http" };
        let host = self.header(HOST).unwrap_or_default();
        let actions = if action == Action::Pull { "pull" } else { "pull,push" };
        let scope = name.map(|name| format!(",scope=\"repository:{name}:{actions}\""));
        // So that a client knows whether another token would help (RFC 6750 §3.1).
        let error = match (self.wrong, self.head.headers.contains_key(AUTHORIZATION)) {
            (true, _) => ",error=\"invalid_token\"",
            (false, true) => ",error=\"insufficient_scope\"",
            (false, false) => "",
        };
        unauthorized(&format!(
            "Bearer realm=\"{scheme}://{host}/token\",service=\"tierce-hub\"{}{error}",
            scope.unwrap_or_default()
        ))
    }

    /// Who may be about to push a manifest, as far as HTTP tells: whatever is the same over a push.
    fn holder(&self) -> Holder {
        let agent = self
            .head
            .headers
            .get(USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let agent = &agent[..agent.floor_char_boundary(LONGEST_AGENT)];
        let user = match &self.who {
            Who::User(name) => name.as_str(),
            Who::Anyone | Who::Anonymous => "",
        };
        Holder::from(format!("{user}@{} {agent}", self.peer.address))
    }

    /// A header as text.
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

fn unauthorized(challenge: &str) -> Refusal {
    Refusal::new(Code::Unauthorized, "authentication required").with("www-authenticate", challenge)
}

/// Does something to its end though the client may leave, so that an upload keeps what arrived of it.
async fn detached(work: impl Future<Output = reply::Answer> + Send + 'static) -> reply::Answer {
    match tokio::spawn(work).await {
        Ok(answer) => answer,
        Err(error) => Err(Refusal::new(Code::Unknown, format!("the work ended early: {error}"))),
    }
}

/// Does what waits for the disk on a thread that may wait; what was begun is finished, whether somebody waits or not.
async fn blocking<T, F>(work: F) -> Result<T, Refusal>
where
    T: Send + 'static,
    F: FnOnce() -> crate::store::Result<T> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(Refusal::from),
        Err(error) => Err(Refusal::new(Code::Unknown, format!("the work ended early: {error}"))),
    }
}
