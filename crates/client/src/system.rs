//! Operations on the daemon itself.

use hyper::Method;
use tierce_api_types::Filters;
use tierce_api_types::auth::{AuthConfig, AuthResponse};
use tierce_api_types::event::EventMessage;
use tierce_api_types::system::{DiskUsage, InfoResponse, Ping, VersionResponse};

use crate::connection::Call;
use crate::query::Target;
use crate::{ByteStream, Client, Error, JsonStream};

/// Operations on the daemon itself.
#[derive(Debug, Clone, Copy)]
pub struct System<'a>(pub(crate) &'a Client);

/// Which events are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventsOptions {
    /// From then on: seconds since 1970, also with a fraction; empty = now.
    pub since: String,
    /// Until then; empty = for ever.
    pub until: String,
    /// Only those that match.
    pub filters: Filters,
}

impl System<'_> {
    /// Whether the daemon answers, and which API it speaks. Needs no negotiation.
    pub async fn ping(&self) -> Result<Ping, Error> {
        let response = self
            .0
            .send_as(Call::new(Method::GET, Target::path(&["_ping"])), "")
            .await?;
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        Ok(Ping {
            api_version: header("api-version"),
            os_type: header("ostype"),
            experimental: header("docker-experimental") == "true",
            builder_version: header("builder-version"),
        })
    }

    /// Versions of the daemon's parts.
    pub async fn version(&self) -> Result<VersionResponse, Error> {
        self.0
            .document(Call::new(Method::GET, Target::path(&["version"])))
            .await
    }

    /// What the daemon is and has.
    pub async fn info(&self) -> Result<InfoResponse, Error> {
        self.0.document(Call::new(Method::GET, Target::path(&["info"]))).await
    }

    /// What happens, as it happens.
    pub async fn events(&self, options: &EventsOptions) -> Result<JsonStream<EventMessage>, Error> {
        let target = Target::path(&["events"])
            .with_text("since", &options.since)
            .with_text("until", &options.until)
            .with_filters(&options.filters);
        let call = Call::new(Method::GET, target);
        let operation = call.operation();
        Ok(JsonStream::new(ByteStream::new(self.0.send(call).await?, operation)))
    }

    /// What takes space on disk.
    pub async fn disk_usage(&self) -> Result<DiskUsage, Error> {
        self.0
            .document(Call::new(Method::GET, Target::path(&["system", "df"])))
            .await
    }

    /// Tries credentials at their registry.
    pub async fn auth(&self, credentials: &AuthConfig) -> Result<AuthResponse, Error> {
        self.0
            .document(Call::new(Method::POST, Target::path(&["auth"])).json(credentials)?)
            .await
    }
}
