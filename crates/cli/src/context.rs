//! What every command needs: the daemon that the user means, and what the user keeps.

use crate::credentials;
use crate::error::Error;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tierce_api_types::auth::AuthConfig;
use tierce_client::{Client, Endpoint, Tls, TlsFiles};
use tierce_oci::Reference;
use tierce_settings::{ConfigFile, DEFAULT, DOCKER, Settings};

/// Where the daemon listens when nobody says otherwise.
const DEFAULT_HOST: &str = "unix:///run/tierce.sock";
/// The same where TLS is asked for; Docker's.
const DEFAULT_TLS_HOST: &str = "tcp://127.0.0.1:2376";

/// Flags before the command.
#[derive(Args)]
pub(crate) struct Global {
    /// Location of client config files
    #[arg(long, value_name = "string")]
    config: Option<PathBuf>,
    /// Name of the context to use to connect to the daemon (overrides DOCKER_HOST env var and default context set with
    /// "tierce context use")
    #[arg(short, long, value_name = "string")]
    context: Option<String>,
    /// Enable debug mode
    #[arg(short = 'D', long)]
    // This program has no log; accepted as Docker's flag.
    debug: bool,
    /// Daemon socket to connect to
    #[arg(short = 'H', long, value_name = "list")]
    host: Vec<String>,
    /// Set the logging level ("debug", "info", "warn", "error", "fatal")
    #[arg(short, long, value_name = "string", default_value = "info",
          value_parser = ["debug", "info", "warn", "error", "fatal"])]
    // This program has no log; accepted as Docker's flag.
    log_level: String,
    /// Use TLS; implied by --tlsverify
    #[arg(long)]
    tls: bool,
    /// Trust certs signed only by this CA
    #[arg(long, value_name = "string")]
    tlscacert: Option<PathBuf>,
    /// Path to TLS certificate file
    #[arg(long, value_name = "string")]
    tlscert: Option<PathBuf>,
    /// Path to TLS key file
    #[arg(long, value_name = "string")]
    tlskey: Option<PathBuf>,
    /// Use TLS and verify the remote
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tlsverify: Option<bool>,
}

/// Which daemon the user means, before anything is asked of it.
pub(crate) struct Choice {
    pub(crate) settings: Settings,
    /// The name of the context; `default` is what flags and the environment say.
    pub(crate) name: String,
    global: Global,
}

/// A variable of the environment that says something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Choice {
    /// What the flags, the environment and the user's configuration say, in this order.
    pub(crate) fn of(global: Global) -> Result<Self, Error> {
        if global.host.len() > 1 {
            return Err(Error::failed("specify only one -H"));
        }
        if global.context.is_some() && !global.host.is_empty() {
            return Err(Error::failed(
                "conflicting options: cannot specify both --host and --context",
            ));
        }
        let settings = global.config.as_deref().map_or_else(Settings::of_user, Settings::at);
        let name = match &global.context {
            Some(name) if !name.is_empty() => name.clone(),
            _ if !global.host.is_empty() || variable("DOCKER_HOST").is_some() => DEFAULT.to_owned(),
            _ => match variable("DOCKER_CONTEXT") {
                Some(name) => name,
                None => configured(&settings),
            },
        };
        Ok(Self { settings, name, global })
    }

    /// The address that the default context stands for.
    pub(crate) fn default_host(&self) -> String {
        let host = self.global.host.first().filter(|host| !host.is_empty()).cloned();
        let fallback = if self.asks_for_tls() {
            DEFAULT_TLS_HOST
        } else {
            DEFAULT_HOST
        };
        host.or_else(|| variable("DOCKER_HOST"))
            .unwrap_or_else(|| fallback.to_owned())
    }

    fn verifies(&self) -> bool {
        self.global
            .tlsverify
            .unwrap_or_else(|| variable("DOCKER_TLS_VERIFY").is_some())
    }

    fn asks_for_tls(&self) -> bool {
        self.global.tls || variable("DOCKER_TLS").is_some() || self.global.tlsverify.is_some() || self.verifies()
    }

    /// The files of TLS that flags and the environment name. A certificate that nobody named need not be there.
    fn default_tls(&self) -> Option<TlsFiles> {
        if !self.asks_for_tls() {
            return None;
        }
        let directory =
            variable("DOCKER_CERT_PATH").map_or_else(|| self.settings.directory().to_owned(), PathBuf::from);
        let own = |given: &Option<PathBuf>, name: &str| {
            given
                .clone()
                .or_else(|| Some(directory.join(name)).filter(|path| path.exists()))
        };
        Some(TlsFiles {
            ca: Some(
                self.global
                    .tlscacert
                    .clone()
                    .unwrap_or_else(|| directory.join("ca.pem")),
            ),
            cert: own(&self.global.tlscert, "cert.pem"),
            key: own(&self.global.tlskey, "key.pem"),
            skip_verify: !self.verifies(),
        })
    }

    /// Address and TLS of the daemon.
    fn daemon(&self) -> Result<(String, Option<TlsFiles>), Error> {
        if self.name == DEFAULT {
            return Ok((self.default_host(), self.default_tls()));
        }
        let contexts = self.settings.contexts();
        let unresolved =
            |error: &dyn std::fmt::Display| Error::failed(format!("unable to resolve docker endpoint: {error}"));
        let context = contexts.get(&self.name).map_err(|error| unresolved(&error))?;
        let endpoint = context
            .endpoint()
            .ok_or_else(|| unresolved(&"cannot find docker endpoint in context"))?;
        let directory = contexts.tls_directory(&self.name).join(DOCKER);
        let file = |name: &str| Some(directory.join(name)).filter(|path| path.exists());
        let files = TlsFiles {
            ca: file("ca.pem"),
            cert: file("cert.pem"),
            key: file("key.pem"),
            skip_verify: endpoint.skip_tls_verify,
        };
        let host = if endpoint.host.is_empty() {
            DEFAULT_HOST.to_owned()
        } else {
            endpoint.host
        };
        Ok((host, Some(files).filter(|files| *files != TlsFiles::default())))
    }
}

/// The context of the user's configuration. One that cannot be read is told of by what needs it.
fn configured(settings: &Settings) -> String {
    match settings.file() {
        Ok(file) if !file.current_context().is_empty() => file.current_context().to_owned(),
        _ => DEFAULT.to_owned(),
    }
}

/// The daemon to talk to.
pub(crate) struct Context {
    pub(crate) client: Arc<Client>,
    pub(crate) settings: Settings,
    /// The name of the context.
    pub(crate) name: String,
    /// The daemon's address, as it was given.
    host: String,
}

impl Context {
    /// A client of the daemon that the user means. Nothing is asked of it yet.
    pub(crate) fn open(choice: Choice) -> Result<Self, Error> {
        let (host, files) = choice.daemon()?;
        let endpoint = Endpoint::parse(&host, files.is_some())?;
        let tls = match (&endpoint, &files) {
            (Endpoint::Tcp { .. }, Some(files)) => Some(Tls::load(files)?),
            _ => None,
        };
        let client = match variable("DOCKER_API_VERSION") {
            Some(version) => {
                let version = version
                    .parse()
                    .map_err(|_| Error::usage(format!("DOCKER_API_VERSION: {version:?} is no API version")))?;
                Client::with_version(endpoint, version)
            }
            None => Client::new(endpoint),
        };
        let mut client = client.with_tls(tls);
        match choice.settings.file() {
            Ok(file) => {
                // Ours is what says who we are.
                for (name, value) in file.texts("HttpHeaders") {
                    if !name.eq_ignore_ascii_case("user-agent") {
                        client = client.with_header(name, value)?;
                    }
                }
            }
            Err(error) => eprintln!("WARNING: Error loading config file: {error}"),
        }
        Ok(Self {
            client: Arc::new(client),
            settings: choice.settings,
            name: choice.name,
            host,
        })
    }

    /// The user's configuration.
    pub(crate) fn config(&self) -> Result<ConfigFile, Error> {
        Ok(self.settings.file()?)
    }

    /// The form of a list: what was asked for, or the user's own (`psFormat`, …).
    pub(crate) fn format(&self, given: &str, member: &str) -> Result<String, Error> {
        match given {
            "" => Ok(self.config()?.text(member).to_owned()),
            given => Ok(given.to_owned()),
        }
    }

    /// The keys that detach: what was asked for, or the user's own.
    pub(crate) fn detach_keys(&self, given: &str) -> Result<String, Error> {
        self.format(given, "detachKeys")
    }

    /// What containers get for the proxies of this daemon.
    pub(crate) fn proxy_variables(&self) -> Result<Vec<(String, String)>, Error> {
        Ok(self.config()?.proxy_variables(&self.host))
    }

    /// The credentials for the registry of an image, if there are any.
    pub(crate) fn credentials_for(&self, reference: &Reference) -> Result<Option<AuthConfig>, Error> {
        credentials::for_image(&self.settings, reference)
    }
}

/// A path as a user writes it in a value that no shell expands: `~/` is the home directory.
pub(crate) fn expanded(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(path),
    }
}
