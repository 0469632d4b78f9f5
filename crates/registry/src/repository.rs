//! The client, and one repository of one registry: endpoints, authentication and redirects around a request.

use crate::auth::{self, challenge};
use crate::endpoint::{Endpoint, candidates};
use crate::transport::{Answer, Call, Flow, MOST_REDIRECTS, Payload, Transport, redirected};
use crate::trust::Trust;
use crate::{Config, Credentials, Destination, Error, Refusal, Url};
use http::{Method, header};
use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use tierce_oci::Reference;

/// A client for any number of registries. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<ClientInner>);

struct ClientInner {
    config: Arc<Config>,
    trust: Arc<Trust>,
    transport: Transport,
    /// Registries that answered over plain HTTP; they are asked that way first from then on.
    plain: Mutex<HashSet<String>>,
}

impl Client {
    /// Makes a client. Nothing is connected or read yet.
    ///
    /// # Errors
    /// [`Error::BadConfig`].
    pub fn new(config: Config) -> Result<Self, Error> {
        if config.attempts == 0 {
            return Err(Error::BadConfig {
                what: "number of attempts",
                value: "0".to_owned(),
                cause: "it must be at least 1".to_owned(),
            });
        }
        let config = Arc::new(config);
        let trust = Arc::new(Trust::new(config.clone()));
        let transport = Transport::new(config.clone(), trust.clone());
        Ok(Self(Arc::new(ClientInner {
            config,
            trust,
            transport,
            plain: Mutex::default(),
        })))
    }

    /// The repository of `reference` for pulling, asked in the name of `credentials`.
    pub fn repository(&self, reference: &Reference, credentials: Option<Credentials>) -> Repository {
        self.open(reference, credentials, Purpose::Pull)
    }

    /// The repository of `reference` for pushing. Mirrors are not asked.
    pub fn repository_to_push(&self, reference: &Reference, credentials: Option<Credentials>) -> Destination {
        Destination(self.open(reference, credentials, Purpose::Push))
    }

    fn open(&self, reference: &Reference, credentials: Option<Credentials>, purpose: Purpose) -> Repository {
        Repository(Arc::new(RepositoryInner {
            client: self.clone(),
            domain: reference.domain().to_owned(),
            path: reference.path().to_owned(),
            purpose,
            credentials,
            chosen: Mutex::default(),
            proof: tokio::sync::Mutex::default(),
        }))
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.0.transport
    }

    pub(crate) fn trust(&self) -> &Trust {
        &self.0.trust
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(&self.0.config).finish()
    }
}

/// What a repository is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Pull,
    Push,
}

/// An `Authorization` header, and what it is good for.
struct Proof {
    endpoint: Endpoint,
    scopes: BTreeSet<String>,
    header: String,
}

/// A request about a repository, before it is sent.
#[derive(Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    /// Path and query beneath the repository: `manifests/latest`.
    pub(crate) what: &'a str,
    /// Media types for `Accept`.
    pub(crate) accept: &'static [&'static str],
    /// First byte to send, for `Range`.
    pub(crate) from: u64,
    pub(crate) payload: Payload,
    /// Path of another repository that must be readable too.
    pub(crate) source: Option<&'a str>,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(method: Method, what: &'a str) -> Self {
        Self {
            method,
            what,
            accept: &[],
            from: 0,
            payload: Payload::Empty,
            source: None,
        }
    }
}

/// One repository, for one pull or push. Cheap to clone; clones share the token and the endpoint that answered.
#[derive(Clone)]
pub struct Repository(Arc<RepositoryInner>);

struct RepositoryInner {
    client: Client,
    domain: String,
    path: String,
    purpose: Purpose,
    credentials: Option<Credentials>,
    chosen: Mutex<Option<Endpoint>>,
    /// What was proved last. Held while a token is fetched, so that it is fetched once.
    proof: tokio::sync::Mutex<Option<Proof>>,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Repository({}/{})", self.0.domain, self.0.path)
    }
}

impl Repository {
    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    /// Domain of the registry, as in the reference.
    pub fn domain(&self) -> &str {
        &self.0.domain
    }

    /// Path of the repository inside the registry.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Asks for `what` (`manifests/latest`) and returns an answer with status 200 or 206.
    pub(crate) async fn get(&self, what: &str, accept: &'static [&'static str], from: u64) -> Result<Answer, Error> {
        let ask = Ask {
            accept,
            from,
            ..Ask::new(Method::GET, what)
        };
        let answer = self.ask(&ask).await?;
        match answer.status {
            200 | 206 => Ok(answer),
            _ => Err(answer.into_refusal().await),
        }
    }

    /// Makes a request and returns an answer with a status of success. The first answer decides on the endpoint.
    pub(crate) async fn ask(&self, ask: &Ask<'_>) -> Result<Answer, Error> {
        if !self.has_answered() {
            self.client().trust().look_up(&self.0.domain).await;
        }
        let endpoints = self.endpoints_from_chosen()?;
        let last = endpoints.len().saturating_sub(1);
        let (mut before, mut told_before) = (None, false);
        for (index, endpoint) in endpoints.into_iter().enumerate() {
            match self.ask_of(&endpoint, ask).await {
                Ok(answer) => {
                    self.remember(endpoint);
                    return Ok(answer);
                }
                Err(error) if index < last && falls_through(&endpoint, &error) => {
                    tracing::debug!(endpoint = %endpoint.base, %error, "trying the next endpoint of a registry");
                    // Where plain HTTP worked before, its failure is the one to tell, not that of TLS.
                    let worked = !endpoint.mirror && !endpoint.base.is_secure();
                    told_before = told_before || worked;
                    before = Some(error);
                }
                // That is what servers of TLS say to plain HTTP: the failure of TLS is the one to tell.
                Err(Error::Refused { status: 400, .. }) if before.is_some() && !endpoint.base.is_secure() => break,
                Err(Error::Unreachable { .. } | Error::TimedOut { .. }) if told_before => break,
                Err(error) => {
                    // A refusal is an answer too.
                    if matches!(error, Error::Refused { .. }) && !endpoint.mirror {
                        self.remember(endpoint);
                    }
                    return Err(error);
                }
            }
        }
        Err(before.unwrap_or_else(|| self.nowhere()))
    }

    /// Makes a request to an address that the registry gave us, such as that of an upload. The proof goes with it only
    /// to the registry's own origin.
    pub(crate) async fn ask_at(&self, url: &Url, method: Method, payload: Payload) -> Result<Answer, Error> {
        let endpoint = self.chosen().ok_or_else(|| self.nowhere())?;
        let call = Call {
            payload,
            ..Call::new(method, url.clone())
        };
        self.converse(&endpoint, call, &self.scopes(&endpoint, None)).await
    }

    /// Sends a flow to an address that the registry gave us. The flow cannot be sent again: when the proof has run out,
    /// a new one is fetched and the refusal returned, and another try succeeds.
    pub(crate) async fn stream_to(&self, url: &Url, method: Method, flow: Flow) -> Result<Answer, Error> {
        let endpoint = self.chosen().ok_or_else(|| self.nowhere())?;
        let scopes = self.scopes(&endpoint, None);
        let mut call = Call::new(method, url.clone());
        if url.origin() == endpoint.base.origin() {
            call.authorization = self.proved(&endpoint, &scopes).await;
        }
        let answer = self.client().transport().stream(&call, flow).await?;
        match answer.status {
            200..=299 => Ok(answer),
            401 => {
                let challenges = challenges(&answer);
                let error = refused_proof(answer).await;
                if url.origin() == endpoint.base.origin() && !challenges.is_empty() {
                    self.prove(&endpoint, &call, &challenges, &scopes).await?;
                    return Err(Error::ProofExpired { url: url.shown() });
                }
                Err(error)
            }
            _ => Err(answer.into_refusal().await),
        }
    }

    /// Whether any endpoint has answered so far.
    pub(crate) fn has_answered(&self) -> bool {
        self.chosen().is_some()
    }

    /// The endpoint that answered.
    fn chosen(&self) -> Option<Endpoint> {
        self.0.chosen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The endpoint that answered, and after a mirror those that come after it; all as long as none did.
    fn endpoints_from_chosen(&self) -> Result<Vec<Endpoint>, Error> {
        let chosen = self.chosen();
        if let Some(endpoint) = chosen.as_ref().filter(|endpoint| !endpoint.mirror) {
            return Ok(vec![endpoint.clone()]);
        }
        let config = self.client().config();
        let mut endpoints = candidates(
            config,
            self.client().trust(),
            &self.0.domain,
            &self.0.path,
            self.is_known_plain(),
        )?;
        endpoints.retain(|endpoint| self.0.purpose == Purpose::Pull || !endpoint.mirror);
        if let Some(at) = endpoints.iter().position(|endpoint| Some(endpoint) == chosen.as_ref()) {
            endpoints.drain(..at);
        }
        Ok(endpoints)
    }

    /// Turns away from a mirror that answered with what is of no use; whether there was one.
    pub(crate) fn pass_over(&self) -> bool {
        let next = self
            .endpoints_from_chosen()
            .ok()
            .and_then(|left| left.into_iter().nth(1));
        let mut chosen = self.0.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        if !chosen.as_ref().is_some_and(|endpoint| endpoint.mirror) {
            return false;
        }
        *chosen = next;
        chosen.is_some()
    }

    fn nowhere(&self) -> Error {
        Error::BadConfig {
            what: "registry",
            value: self.0.domain.clone(),
            cause: "it has no endpoint".to_owned(),
        }
    }

    /// What a token for an endpoint must be good for.
    fn scopes(&self, endpoint: &Endpoint, source: Option<&str>) -> BTreeSet<String> {
        let actions = match self.0.purpose {
            Purpose::Pull => "pull",
            Purpose::Push => "pull,push",
        };
        let own = format!("repository:{}:{actions}", endpoint.repository);
        let source = source.map(|path| format!("repository:{path}:pull"));
        [own].into_iter().chain(source).collect()
    }

    fn is_known_plain(&self) -> bool {
        self.client()
            .0
            .plain
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&self.0.domain)
    }

    fn remember(&self, endpoint: Endpoint) {
        let mut plain = self.client().0.plain.lock().unwrap_or_else(PoisonError::into_inner);
        if !endpoint.mirror && !endpoint.base.is_secure() {
            plain.insert(self.0.domain.clone());
        } else {
            plain.remove(&self.0.domain);
        }
        *self.0.chosen.lock().unwrap_or_else(PoisonError::into_inner) = Some(endpoint);
    }

    async fn ask_of(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> Result<Answer, Error> {
        let url = endpoint.base.under(&format!("v2/{}/{}", endpoint.repository, ask.what));
        let call = Call {
            accept: ask.accept,
            from: ask.from,
            payload: ask.payload.clone(),
            ..Call::new(ask.method.clone(), url)
        };
        self.converse(endpoint, call, &self.scopes(endpoint, ask.source)).await
    }

    /// Sends a call, answers a challenge, follows redirects; returns an answer with a status of success.
    async fn converse(&self, endpoint: &Endpoint, mut call: Call, scopes: &BTreeSet<String>) -> Result<Answer, Error> {
        let at_home = call.url.origin() == endpoint.base.origin();
        if at_home {
            call.authorization = self.proved(endpoint, scopes).await;
        }
        let (mut proved, mut redirects) = (false, 0);
        loop {
            let answer = self.client().transport().call(&call).await?;
            match answer.status {
                200..=299 => return Ok(answer),
                401 if at_home && redirects == 0 && !proved => {
                    let challenges = challenges(&answer);
                    if challenges.is_empty() {
                        return Err(answer.into_refusal().await);
                    }
                    // Reads the answer to its end, so that the connection serves the next request.
                    drop(answer.into_refusal().await);
                    call.authorization = Some(self.prove(endpoint, &call, &challenges, scopes).await?);
                    proved = true;
                }
                401 => return Err(refused_proof(answer).await),
                status @ (301 | 302 | 303 | 307 | 308) if call.only_reads() || status >= 307 => {
                    redirects += 1;
                    if redirects > MOST_REDIRECTS {
                        let target = call.url.shown();
                        return Err(Error::Redirect {
                            url: target.clone(),
                            target,
                            cause: "there are too many of them",
                        });
                    }
                    call = redirected(&call, &answer, endpoint.insecure)?;
                }
                _ => return Err(answer.into_refusal().await),
            }
        }
    }

    /// The header that was good for an endpoint and these scopes.
    async fn proved(&self, endpoint: &Endpoint, scopes: &BTreeSet<String>) -> Option<String> {
        let proof = self.0.proof.lock().await;
        proof
            .as_ref()
            .filter(|proof| proof.endpoint == *endpoint && proof.scopes.is_superset(scopes))
            .map(|proof| proof.header.clone())
    }

    /// Answers challenges, unless another request of this repository did so since `call` was made.
    async fn prove(
        &self,
        endpoint: &Endpoint,
        call: &Call,
        challenges: &[challenge::Challenge],
        scopes: &BTreeSet<String>,
    ) -> Result<String, Error> {
        let mut known = self.0.proof.lock().await;
        if let Some(proof) = known.as_ref()
            && proof.endpoint == *endpoint
            && proof.scopes.is_superset(scopes)
            && Some(&proof.header) != call.authorization.as_ref()
        {
            return Ok(proof.header.clone());
        }
        let credentials = self.0.credentials.as_ref().filter(|_| !endpoint.mirror);
        let asked: Vec<String> = scopes.iter().cloned().collect();
        let header = auth::answer(
            self.client().transport(),
            &call.url,
            challenges,
            &asked,
            credentials,
            endpoint.insecure,
        )
        .await?;
        // A token for a source as well is not kept for the requests after: its server may have granted only a part.
        if *scopes == self.scopes(endpoint, None) || known.is_none() {
            *known = Some(Proof {
                endpoint: endpoint.clone(),
                scopes: scopes.clone(),
                header: header.clone(),
            });
        }
        Ok(header)
    }
}

/// Whether another endpoint may do better after `error`: any failure of a mirror, and no connection at all.
fn falls_through(endpoint: &Endpoint, error: &Error) -> bool {
    endpoint.mirror || matches!(error, Error::Unreachable { .. } | Error::TimedOut { .. })
}

pub(crate) fn challenges(answer: &Answer) -> Vec<challenge::Challenge> {
    let values = answer.headers.get_all(header::WWW_AUTHENTICATE).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(challenge::parse)
        .collect()
}

/// The error of a 401 that came in spite of our proof (RFC 6750 §3.1).
async fn refused_proof(answer: Answer) -> Error {
    let bearer = challenges(&answer).into_iter().find(|challenge| challenge.is("bearer"));
    let code = match bearer.as_ref().and_then(|challenge| challenge.get("error")) {
        Some("insufficient_scope") => "DENIED",
        Some("invalid_token") => "UNAUTHORIZED",
        _ => return answer.into_refusal().await,
    };
    let description = bearer
        .as_ref()
        .and_then(|challenge| challenge.get("error_description"))
        .map(str::to_owned);
    Error::Refused {
        url: answer.url.shown(),
        status: answer.status,
        refusal: Refusal::of_code(code, description),
        retry_after: None,
    }
}
