//! The client, and one repository of one registry: endpoints, authentication and redirects around a request.

use crate::auth::{self, challenge};
use crate::endpoint::{Endpoint, candidates};
use crate::transport::{Answer, Call, MOST_REDIRECTS, Transport, redirected};
use crate::{Config, Credentials, Error, Refusal};
use http::header;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tierce_oci::Reference;

/// A client for any number of registries. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<ClientInner>);

struct ClientInner {
    config: Arc<Config>,
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
        let transport = Transport::new(config.clone());
        Ok(Self(Arc::new(ClientInner {
            config,
            transport,
            plain: Mutex::default(),
        })))
    }

    /// The repository of `reference`, asked in the name of `credentials`.
    pub fn repository(&self, reference: &Reference, credentials: Option<Credentials>) -> Repository {
        Repository(Arc::new(RepositoryInner {
            client: self.clone(),
            domain: reference.domain().to_owned(),
            path: reference.path().to_owned(),
            credentials,
            chosen: Mutex::default(),
            authorization: tokio::sync::Mutex::default(),
        }))
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

/// One repository, for one pull. Cheap to clone; clones share the token and the endpoint that answered.
#[derive(Clone)]
pub struct Repository(Arc<RepositoryInner>);

struct RepositoryInner {
    client: Client,
    domain: String,
    path: String,
    credentials: Option<Credentials>,
    chosen: Mutex<Option<Endpoint>>,
    /// The endpoint that a header is for, and the header. Held while a token is fetched, so that it is fetched once.
    authorization: tokio::sync::Mutex<Option<(Endpoint, String)>>,
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
        let chosen = self.0.chosen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let endpoints = match chosen {
            Some(endpoint) => vec![endpoint],
            None => candidates(self.client().config(), &self.0.domain, self.is_known_plain())?,
        };
        let last = endpoints.len().saturating_sub(1);
        let mut before = None;
        for (index, endpoint) in endpoints.into_iter().enumerate() {
            match self.get_from(&endpoint, what, accept, from).await {
                Ok(answer) => {
                    self.remember(endpoint);
                    return Ok(answer);
                }
                Err(error) if index < last && falls_through(&endpoint, &error) => {
                    tracing::debug!(endpoint = %endpoint.base, %error, "trying the next endpoint of a registry");
                    before = Some(error);
                }
                // That is what servers of TLS say to plain HTTP: the failure of TLS is the one to tell.
                Err(Error::Refused { status: 400, .. }) if before.is_some() && !endpoint.base.is_secure() => break,
                Err(error) => return Err(error),
            }
        }
        Err(before.unwrap_or_else(|| Error::BadConfig {
            what: "registry",
            value: self.0.domain.clone(),
            cause: "it has no endpoint".to_owned(),
        }))
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

    async fn get_from(
        &self,
        endpoint: &Endpoint,
        what: &str,
        accept: &'static [&'static str],
        from: u64,
    ) -> Result<Answer, Error> {
        let transport = &self.client().0.transport;
        let url = endpoint.base.under(&format!("v2/{}/{what}", self.0.path));
        let mut call = Call {
            accept,
            authorization: self.known_authorization(endpoint).await,
            from,
            ..Call::get(url)
        };
        let (mut proved, mut redirects) = (false, 0);
        loop {
            let answer = transport.call(&call).await?;
            match answer.status {
                200 | 206 => return Ok(answer),
                401 if redirects == 0 && !proved => {
                    let challenges = challenges(&answer);
                    if challenges.is_empty() {
                        return Err(answer.into_refusal().await);
                    }
                    // Reads the answer to its end, so that the connection serves the next request.
                    drop(answer.into_refusal().await);
                    call.authorization = Some(self.prove(endpoint, &call, &challenges).await?);
                    proved = true;
                }
                401 => return Err(refused_proof(answer).await),
                301 | 302 | 303 | 307 | 308 => {
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

    async fn known_authorization(&self, endpoint: &Endpoint) -> Option<String> {
        let known = self.0.authorization.lock().await;
        known
            .as_ref()
            .filter(|(owner, _)| owner == endpoint)
            .map(|(_, header)| header.clone())
    }

    /// Answers challenges, unless another request of this repository did so since `call` was made.
    async fn prove(
        &self,
        endpoint: &Endpoint,
        call: &Call,
        challenges: &[challenge::Challenge],
    ) -> Result<String, Error> {
        let mut known = self.0.authorization.lock().await;
        if let Some((owner, header)) = known.as_ref()
            && owner == endpoint
            && Some(header) != call.authorization.as_ref()
        {
            return Ok(header.clone());
        }
        let credentials = self.0.credentials.as_ref().filter(|_| !endpoint.mirror);
        let transport = &self.client().0.transport;
        let header = auth::answer(
            transport,
            &call.url,
            challenges,
            &self.0.path,
            credentials,
            endpoint.insecure,
        )
        .await?;
        *known = Some((endpoint.clone(), header.clone()));
        Ok(header)
    }
}

/// Whether another endpoint may do better after `error`: any failure of a mirror, and no connection at all.
fn falls_through(endpoint: &Endpoint, error: &Error) -> bool {
    endpoint.mirror || matches!(error, Error::Unreachable { .. } | Error::TimedOut { .. })
}

fn challenges(answer: &Answer) -> Vec<challenge::Challenge> {
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
