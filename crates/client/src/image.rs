//! Operations on images.

use hyper::Method;
use serde_json::value::RawValue;
use tierce_api_types::Filters;
use tierce_api_types::auth::AuthConfig;
use tierce_api_types::image::{
    BuildPruned, FoundRepository, HistoryItem, ImageDeleted, ImageInspect, ImageSummary, ImagesPruned,
};
use tierce_api_types::progress::ProgressMessage;

use crate::connection::Call;
use crate::query::Target;
use crate::{ByteStream, Client, Error, JsonStream, Upload};

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

/// What is imported, and under which name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportImage {
    /// Where the archive is, when it is not sent.
    pub address: String,
    /// Name without tag; empty = none.
    pub repository: String,
    /// Tag.
    pub tag: String,
    /// Commit message.
    pub message: String,
    /// `os/architecture/variant`; empty = the host's.
    pub platform: String,
    /// Instructions of a Dockerfile.
    pub changes: Vec<String>,
}

/// Which container becomes which image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitContainer {
    /// Name or id.
    pub container: String,
    /// Name without tag; empty = none.
    pub repository: String,
    /// Tag.
    pub tag: String,
    /// Message.
    pub comment: String,
    /// Who did it.
    pub author: String,
    /// Instructions of a Dockerfile.
    pub changes: Vec<String>,
    /// Whether it stands still meanwhile.
    pub pause: bool,
}

/// How an image is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoveImage {
    /// Also when containers or several names use it.
    pub force: bool,
    /// Keep its untagged parents.
    pub no_prune: bool,
    /// Only what is for these platforms: OCI's platform documents as JSON.
    pub platforms: Vec<String>,
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
        self.messages(Call::new(Method::POST, target).registry_auth(options.auth.as_ref()))
            .await
    }

    /// Pushes a tag, or all tags when there is none. A failure after the beginning comes as a message with `error`.
    pub async fn push(&self, options: &PushImage) -> Result<JsonStream<ProgressMessage>, Error> {
        let target = Target::path(&["images", &options.name, "push"])
            .with_text("tag", &options.tag)
            .with_text("platform", &options.platform);
        // The daemon wants the header even when there are no credentials.
        let anonymous = AuthConfig::default();
        let auth = options.auth.as_ref().unwrap_or(&anonymous);
        self.messages(Call::new(Method::POST, target).registry_auth(Some(auth)))
            .await
    }

    /// Searches an index: names with descriptions, as the daemon wrote them.
    pub async fn search(
        &self,
        term: &str,
        limit: Option<i64>,
        filters: &Filters,
        auth: Option<&AuthConfig>,
    ) -> Result<Vec<FoundRepository>, Error> {
        let target = Target::path(&["images", "search"])
            .with("term", term)
            .with_number("limit", limit)
            .with_filters(filters);
        self.0
            .document(Call::new(Method::GET, target).registry_auth(auth))
            .await
    }

    /// Images as one archive.
    pub async fn save(&self, names: &[String], platform: &str) -> Result<ByteStream, Error> {
        let target = names.iter().fold(Target::path(&["images", "get"]), |target, name| {
            target.with("names", name)
        });
        let call = Call::new(Method::GET, target.with_text("platform", platform));
        let operation = call.operation();
        Ok(ByteStream::new(self.0.send(call).await?, operation))
    }

    /// Loads the images of an archive.
    pub async fn load(
        &self,
        archive: Upload,
        quiet: bool,
        platform: &str,
    ) -> Result<JsonStream<ProgressMessage>, Error> {
        let target = Target::path(&["images", "load"])
            .with("quiet", if quiet { "1" } else { "0" })
            .with_text("platform", platform);
        self.messages(Call::new(Method::POST, target).archive(archive)).await
    }

    /// Makes an image from an archive, or from what is at an address.
    pub async fn import(
        &self,
        options: &ImportImage,
        archive: Option<Upload>,
    ) -> Result<JsonStream<ProgressMessage>, Error> {
        let source = if archive.is_some() { "-" } else { &options.address };
        let mut target = Target::path(&["images", "create"])
            .with("fromSrc", source)
            .with_text("repo", &options.repository)
            .with_text("tag", &options.tag)
            .with_text("message", &options.message)
            .with_text("platform", &options.platform);
        for change in &options.changes {
            target = target.with("changes", change);
        }
        let mut call = Call::new(Method::POST, target);
        if let Some(archive) = archive {
            call = call.archive(archive);
        }
        self.messages(call).await
    }

    /// Makes an image of a container; gives its id.
    pub async fn commit(&self, options: &CommitContainer) -> Result<String, Error> {
        let mut target = Target::path(&["commit"])
            .with("container", &options.container)
            .with_text("repo", &options.repository)
            .with_text("tag", &options.tag)
            .with_text("comment", &options.comment)
            .with_text("author", &options.author);
        for change in &options.changes {
            target = target.with("changes", change);
        }
        if !options.pause {
            target = target.with("pause", "0");
        }
        let made: serde_json::Map<String, serde_json::Value> = self.0.document(Call::new(Method::POST, target)).await?;
        let id = made.get("Id").and_then(serde_json::Value::as_str);
        Ok(id.unwrap_or_default().to_owned())
    }

    async fn messages(&self, call: Call) -> Result<JsonStream<ProgressMessage>, Error> {
        let operation = call.operation();
        Ok(JsonStream::new(ByteStream::new(self.0.send(call).await?, operation)))
    }

    /// Everything about it.
    pub async fn inspect(&self, image: &str) -> Result<ImageInspect, Error> {
        self.0
            .document(Call::new(Method::GET, Target::path(&["images", image, "json"])))
            .await
    }

    /// Everything about it, as the daemon wrote it. `platform` is OCI's document as JSON; empty = any.
    pub async fn inspect_raw(&self, image: &str, platform: &str) -> Result<Box<RawValue>, Error> {
        let target = Target::path(&["images", image, "json"]).with_text("platform", platform);
        self.0.document(Call::new(Method::GET, target)).await
    }

    /// How it was made, newest step first. `platform` is OCI's document as JSON; empty = any.
    pub async fn history(&self, image: &str, platform: &str) -> Result<Vec<HistoryItem>, Error> {
        let target = Target::path(&["images", image, "history"]).with_text("platform", platform);
        self.0.document(Call::new(Method::GET, target)).await
    }

    /// Gives it a further name.
    pub async fn tag(&self, image: &str, repository: &str, tag: &str) -> Result<(), Error> {
        let target = Target::path(&["images", image, "tag"])
            .with("repo", repository)
            .with_text("tag", tag);
        self.0.command(Call::new(Method::POST, target)).await.map(drop)
    }

    /// Removes a name, and the image with its last name.
    pub async fn remove(&self, image: &str, options: &RemoveImage) -> Result<Vec<ImageDeleted>, Error> {
        let target = Target::path(&["images", image])
            .with_flag("force", options.force)
            .with_flag("noprune", options.no_prune);
        let target = options
            .platforms
            .iter()
            .fold(target, |target, platform| target.with("platforms", platform));
        self.0.document(Call::new(Method::DELETE, target)).await
    }

    /// Removes unused images.
    pub async fn prune(&self, filters: &Filters) -> Result<ImagesPruned, Error> {
        let target = Target::path(&["images", "prune"]).with_filters(filters);
        self.0.document(Call::new(Method::POST, target)).await
    }

    /// Removes what builds left behind; with `all`, also what they may use again.
    pub async fn prune_build_cache(&self, all: bool, filters: &Filters) -> Result<BuildPruned, Error> {
        let target = Target::path(&["build", "prune"])
            .with_flag("all", all)
            .with_filters(filters);
        self.0.document(Call::new(Method::POST, target)).await
    }
}
