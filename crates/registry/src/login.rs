//! Whether credentials are good: they are tried at the registry, as `docker login` does.
//!
//! Source: moby `daemon/pkg/registry/auth.go`: `GET /v2/`, answer the challenge, `GET /v2/` again.

use crate::auth::{basic, token};
use crate::endpoint::{Endpoint, origins};
use crate::repository::challenges;
use crate::transport::Call;
use crate::{Client, Credentials, Error, Secret, Url};
use tierce_oci::DEFAULT_DOMAIN;

/// Docker Hub's name in login addresses.
const HUB_INDEX: &str = "index.docker.io";

impl Client {
    /// Tries credentials at the registry of `server` (`host[:port]`, or an address of which only that counts; empty for
    /// Docker Hub). Gives the identity token to keep instead of the password, where the registry hands one out.
    ///
    /// # Errors
    /// Any of [`Error`]; [`Error::LoginFailed`] when the registry does not take them.
    pub async fn log_in(&self, server: &str, credentials: &Credentials) -> Result<Option<Secret>, Error> {
        let domain = domain_of(server);
        let mut before = None;
        self.trust().look_up(&domain).await;
        for endpoint in origins(self.config(), self.trust(), &domain, false)? {
            match self.try_at(&endpoint, credentials).await {
                Err(error @ (Error::Unreachable { .. } | Error::TimedOut { .. })) => {
                    before.get_or_insert(error);
                }
                other => return other,
            }
        }
        Err(before.unwrap_or_else(|| Error::BadConfig {
            what: "registry",
            value: domain,
            cause: "it has no endpoint".to_owned(),
        }))
    }

    async fn try_at(&self, endpoint: &Endpoint, credentials: &Credentials) -> Result<Option<Secret>, Error> {
        let url = endpoint.base.under("v2/");
        let answer = self.transport().call(&Call::get(url.clone())).await?;
        let challenges = challenges(&answer);
        if answer.status != 401 || challenges.is_empty() {
            return if answer.status == 200 {
                Ok(None)
            } else {
                Err(failed(&url, answer.status))
            };
        }
        // Reads the answer to its end, so that the connection serves the next request.
        drop(answer.into_refusal().await);
        let (header, identity) = match challenges.iter().find(|challenge| challenge.is("bearer")) {
            Some(bearer) => {
                let wish = token::Wish {
                    scopes: &[],
                    offline: true,
                };
                let granted = token::fetch(
                    self.transport(),
                    &url,
                    bearer,
                    &wish,
                    Some(credentials),
                    endpoint.insecure,
                )
                .await?;
                (granted.header, granted.identity)
            }
            None => (
                basic::header(&url, Some(credentials), endpoint.insecure)?,
                Secret::default(),
            ),
        };
        let again = Call {
            authorization: Some(header),
            ..Call::get(url.clone())
        };
        let answer = self.transport().call(&again).await?;
        if answer.status == 200 {
            Ok(Some(identity).filter(|identity| !identity.is_empty()))
        } else {
            Err(failed(&url, answer.status))
        }
    }
}

fn failed(url: &Url, status: u16) -> Error {
    Error::LoginFailed {
        url: url.shown(),
        status,
    }
}

/// The registry that a login address names.
fn domain_of(server: &str) -> String {
    let server = server.trim();
    let server = server.split_once("://").map_or(server, |(_, rest)| rest);
    match server.split('/').next().unwrap_or_default() {
        "" | HUB_INDEX => DEFAULT_DOMAIN.to_owned(),
        domain => domain.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::domain_of;

    #[test]
    fn login_addresses_name_registries() {
        for (server, domain) in [
            ("", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("docker.io", "docker.io"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("http://Reg.example/v2/", "reg.example"),
        ] {
            assert_eq!(domain_of(server), domain, "{server}");
        }
    }
}
