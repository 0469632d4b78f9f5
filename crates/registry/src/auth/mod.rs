//! Proving to a registry who asks.
//!
//! A registry answers 401 with challenges; [`answer`] picks the one it can meet. The result is the value of an
//! `Authorization` header, good for one repository of one endpoint.

pub(crate) mod basic;
pub(crate) mod challenge;
pub(crate) mod token;

use crate::transport::Transport;
use crate::{Credentials, Error, Url};
use challenge::Challenge;

/// Answers the challenges of `url` for what `scopes` (`repository:a/b:pull`) name.
///
/// `trusted` says whether credentials may go over plain HTTP (the registry is marked insecure).
pub(crate) async fn answer(
    transport: &Transport,
    url: &Url,
    challenges: &[Challenge],
    scopes: &[String],
    credentials: Option<&Credentials>,
    trusted: bool,
) -> Result<String, Error> {
    if let Some(bearer) = challenges.iter().find(|challenge| challenge.is("bearer")) {
        if let Some(token) = credentials
            .map(|credentials| &credentials.registry_token)
            .filter(|token| !token.is_empty())
        {
            return Ok(format!("Bearer {}", token.reveal()));
        }
        let wish = token::Wish { scopes, offline: false };
        let granted = token::fetch(transport, url, bearer, &wish, credentials, trusted).await?;
        return Ok(granted.header);
    }
    if challenges.iter().any(|challenge| challenge.is("basic")) {
        return basic::header(url, credentials, trusted);
    }
    let offered: Vec<&str> = challenges.iter().map(|challenge| challenge.scheme.as_str()).collect();
    Err(Error::Unauthorized {
        url: url.shown(),
        cause: format!("no supported authentication scheme is offered ({})", offered.join(", ")),
    })
}
