//! The daemon's own log, on standard error, with a level that can change while it runs.

use anyhow::{Context, Result};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::json_log::JsonLines;
use crate::settings::Logging;

/// Changes the level of the running log.
#[derive(Debug, Clone)]
pub(crate) struct Level(Handle<EnvFilter, Registry>);

/// Opens the log; once a process.
pub(crate) fn open(logging: Logging) -> Result<Level> {
    let (filter, handle) = reload::Layer::new(filter(logging.level));
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = if logging.json {
        lines.fmt_fields(JsonFields::new()).event_format(JsonLines).boxed()
    } else {
        lines.boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .context("open the log")?;
    Ok(Level(handle))
}

impl Level {
    /// From now on, log what is at least this severe.
    pub(crate) fn set(&self, level: LevelFilter) -> Result<()> {
        self.0.reload(filter(level)).context("change the log level")
    }
}

/// `RUST_LOG` goes before the configuration, for finding defects in one part.
fn filter(level: LevelFilter) -> EnvFilter {
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .from_env_lossy();
    // Every frame of a connection is only of interest to who asks for it by name.
    match "h2=error".parse() {
        Ok(quiet) if std::env::var_os(EnvFilter::DEFAULT_ENV).is_none() => filter.add_directive(quiet),
        _ => filter,
    }
}
