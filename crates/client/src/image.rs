//! Operations on images.

use hyper::Method;
use serde_json::value::RawValue;
use tierce_api_types::Filters;
use tierce_api_types::auth::AuthConfig;
use tierce_api_types::image::{HistoryItem, ImageDeleted, ImageInspect, ImageSummary, ImagesPruned};
use tierce_api_types::progress::ProgressMessage;

use crate::connection::Call;
use crate::query::Target;
use crate::{ByteStream, Client, Error, JsonStream};

/// Operations on images.
#[derive(Debug, Clone, Copy)]
pub struct Images<'a>(pub(crate) &'a Client);

/// What is pulled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PullImage {
    /// Name without tag or digest.
    pub name: String,
    /// Tag or digest; empty = all tags.
    pub tag: String,
    /// `os/architecture/variant`; empty = the host's.
    pub platform: String,
    /// Credentials for the registry.
    pub auth: Option<AuthConfig>,
}

/// What is pushed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushImage {
    /// Name without tag.
    pub name: String,
    /// Tag; empty = all tags.
    pub tag: String,
    /// OCI's platform document as JSON; empty = whatever the image is for.
    pub platform: String,
    /// Credentials for the registry.
    pub auth: Option<AuthConfig>,
}

/// How an image is removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveImage {
    /// Also when containers or several names use it.
    pub force: bool,
    /// Keep its untagged parents.
    pub no_prune: bool,
}

impl Images<'_> {
    /// Lists images.
    pub async fn list(&self, all: bool, filters: &Filters) -> Result<Vec<ImageSummary>, Error> {
        let target = Target::path(&["images", "json"])
            .with_flag("all", all)
            .with_filters(filters);
        self.0.document(Call::new(Method::GET, target)).await
    }

    /// Pulls an image. A failure after the beginning comes as a message with `error`.
    pub async fn pull(&self, options: &PullImage) -> Result<JsonStream<ProgressMessage>, Error> {
        let target = Target::path(&["images", "create"])
            .with("fromImage", &options.name)
            .with_text("tag", &options.tag)
            .with_text("platform", &options.platform);
        let call = Call::new(Method::POST, target).registry_auth(options.auth.as_ref());
        let operation = call.operation();
        Ok(JsonStream::new(ByteStream::new(self.0.send(call).await?, operation)))
    }

    /// Pushes a tag, or all tags when there is none. A failure after the beginning comes as a message with `error`.
    pub async fn push(&self, options: &PushImage) -> Result<JsonStream<ProgressMessage>, Error> {
        let target = Target::path(&["images", &options.name, "push"])
            .with_text("tag", &options.tag)
            .with_text("platform", &options.platform);
        // The daemon wants the header even when there are no credentials.
        let anonymous = AuthConfig::default();
        let auth = options.auth.as_ref().unwrap_or(&anonymous);
        let call = Call::new(Method::POST, target).registry_auth(Some(auth));
        let operation = call.operation();
        Ok(JsonStream::new(ByteStream::new(self.0.send(call).await?, operation)))
    }

    /// Everything about it.
    pub async fn inspect(&self, image: &str) -> Result<ImageInspect, Error> {
        self.0
            .document(Call::new(Method::GET, Target::path(&["images", image, "json"])))
            .await
    }

    /// Everything about it, as the daemon wrote it.
    pub async fn inspect_raw(&self, image: &str) -> Result<Box<RawValue>, Error> {
        self.0
            .document(Call::new(Method::GET, Target::path(&["images", image, "json"])))
            .await
    }

    /// How it was made, newest step first.
    pub async fn history(&self, image: &str) -> Result<Vec<HistoryItem>, Error> {
        self.0
            .document(Call::new(Method::GET, Target::path(&["images", image, "history"])))
            .await
    }

    /// Gives it a further name.
    pub async fn tag(&self, image: &str, repository: &str, tag: &str) -> Result<(), Error> {
        let target = Target::path(&["images", image, "tag"])
            .with("repo", repository)
            .with_text("tag", tag);
        self.0.command(Call::new(Method::POST, target)).await.map(drop)
    }

    /// Removes a name, and the image with its last name.
    pub async fn remove(&self, image: &str, options: RemoveImage) -> Result<Vec<ImageDeleted>, Error> {
        let target = Target::path(&["images", image])
            .with_flag("force", options.force)
            .with_flag("noprune", options.no_prune);
        self.0.document(Call::new(Method::DELETE, target)).await
    }

    /// Removes unused images.
    pub async fn prune(&self, filters: &Filters) -> Result<ImagesPruned, Error> {
        let target = Target::path(&["images", "prune"]).with_filters(filters);
        self.0.document(Call::new(Method::POST, target)).await
    }
}
