//! Registry credentials: body of `POST /auth`, content of the `X-Registry-Auth` header.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Credentials for one registry; the secrets do not show in `Debug`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    /// Account name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// Its password or access token.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub password: String,
    /// `base64(username:password)`, the older spelling.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub auth: String,
    /// Which registry this is for, as a host or URL.
    #[serde(skip_serializing_if = "String::is_empty", rename = "serveraddress")]
    pub server_address: String,
    /// OAuth refresh token, exchanged for an access token.
    #[serde(skip_serializing_if = "String::is_empty", rename = "identitytoken")]
    pub identity_token: String,
    /// Bearer token sent as it is.
    #[serde(skip_serializing_if = "String::is_empty", rename = "registrytoken")]
    pub registry_token: String,
}

impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig")
            .field("username", &self.username)
            .field("server_address", &self.server_address)
            .finish_non_exhaustive()
    }
}

/// Answer of `POST /auth`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AuthResponse {
    /// `Login Succeeded`.
    pub status: String,
    /// A token to keep instead of the password; empty when the registry gave none.
    pub identity_token: String,
}
