//! `tierce stats`

mod reading;

use crate::context::Context;
use crate::error::Error;
use crate::help::{self, FORMAT};
use clap::Args;
use reading::Reading;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tierce_api_types::Filters;
use tierce_client::{Client, EventsOptions, ListContainers};
use tierce_format::listing::{self, Column, Listing};
use tokio::sync::oneshot;
use tokio::time::timeout;

#[derive(Args)]
#[command(after_help = help::accepted(COLUMNS, &[]))]
pub(crate) struct Stats {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    #[arg(long, default_value = "", hide_default_value = true, help = FORMAT)]
    format: String,
    /// Disable streaming stats and only pull the first result
    #[arg(long)]
    no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

const COLUMNS: &[Column] = &[
    Column::new("ID", "CONTAINER ID", true),
    Column::new("Name", "NAME", true),
    Column::new("CPUPerc", "CPU %", true),
    Column::new("MemUsage", "MEM USAGE / LIMIT", true),
    Column::new("MemPerc", "MEM %", true),
    Column::new("NetIO", "NET I/O", true),
    Column::new("BlockIO", "BLOCK I/O", true),
    Column::new("PIDs", "PIDS", true),
    Column::new("Container", "CONTAINER", false),
];
/// How often the table is shown anew.
const PERIOD: Duration = Duration::from_millis(500);
/// After so long without a reading there is none.
const PATIENCE: Duration = Duration::from_secs(2);

/// One container of the table.
struct Line {
    /// What it was asked for by.
    container: String,
    reading: Option<Reading>,
    error: Option<Error>,
}

/// The table, which one task a container keeps up to date.
#[derive(Clone, Default)]
struct Table(Arc<Mutex<Vec<Line>>>);

impl Table {
    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, container: &str, reading: Option<Reading>, error: Option<Error>) {
        if let Some(line) = self.lines().iter_mut().find(|line| line.container == container) {
            (line.reading, line.error) = (reading, error);
        }
    }

    /// Follows a container, unless it is followed already. What is returned comes to its end with the first reading, or
    /// when there will be none.
    fn follow(&self, client: &Arc<Client>, container: &str, stream: bool) -> Option<oneshot::Receiver<()>> {
        let mut lines = self.lines();
        if lines.iter().any(|line| line.container == container) {
            return None;
        }
        lines.push(Line {
            container: container.to_owned(),
            reading: None,
            error: None,
        });
        let (first, known) = oneshot::channel();
        let (table, client, container) = (self.clone(), client.clone(), container.to_owned());
        tokio::spawn(async move { table.collect(&client, &container, stream, first).await });
        Some(known)
    }

    async fn collect(&self, client: &Client, container: &str, stream: bool, first: oneshot::Sender<()>) {
        let mut first = Some(first);
        let mut readings = match client.containers().stats(container, stream).await {
            Ok(readings) => readings,
            Err(error) => return self.set(container, None, Some(error.into())),
        };
        loop {
            match timeout(PATIENCE, readings.next()).await {
                Ok(Ok(Some(answer))) => self.set(container, Some(Reading::of(&answer)), None),
                Ok(Ok(None)) => return,
                Ok(Err(error)) => return self.set(container, None, Some(error.into())),
                Err(_) => self.set(container, None, Some(Error::failed("timeout waiting for stats"))),
            }
            // Nobody waits for it where the container came later.
            first.take().map(|first| first.send(()));
            if !stream {
                return;
            }
        }
    }
}

impl Stats {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let format = context.format(&self.format, "statsFormat")?;
        let table = Table::default();
        let (client, stream) = (&context.client, !self.no_stream);
        let follow = |names: &[String]| -> Vec<_> {
            names
                .iter()
                .filter_map(|name| table.follow(client, name, stream))
                .collect()
        };
        let first = if self.containers.is_empty() {
            // Before the list, so that no container is missed between the two.
            if stream {
                self.watch(client.clone(), table.clone()).await?;
            }
            let options = ListContainers {
                all: self.all,
                ..ListContainers::default()
            };
            let listed = client.containers().list(&options).await?;
            follow(&listed.iter().map(|one| short(&one.id)).collect::<Vec<_>>())
        } else {
            follow(&self.containers)
        };
        for known in first {
            // A task that ended without a reading has said why in the table.
            let _ = known.await;
        }
        if !self.containers.is_empty() {
            let failures: Vec<String> = table
                .lines()
                .iter()
                .filter_map(|line| Some(line.error.as_ref()?.to_string()))
                .collect();
            if !failures.is_empty() {
                return Err(Error::failed(failures.join("\n")));
            }
        }
        loop {
            let text = self.text(&table, &format)?;
            if !stream {
                print!("{text}");
                return Ok(());
            }
            print!("{}", over(&text));
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Follows containers that start from now on, and forgets those that end.
    async fn watch(&self, client: Arc<Client>, table: Table) -> Result<(), Error> {
        let options = EventsOptions {
            filters: Filters::new().with("type", "container"),
            ..EventsOptions::default()
        };
        let mut events = client.system().events(&options).await?;
        let all = self.all;
        tokio::spawn(async move {
            while let Ok(Some(event)) = events.next().await {
                let id = short(&event.actor.id);
                match event.action.as_str() {
                    "create" if all => drop(table.follow(&client, &id, true)),
                    "start" => drop(table.follow(&client, &id, true)),
                    "die" if !all => table.lines().retain(|line| line.container != id),
                    _ => {}
                }
            }
        });
        Ok(())
    }

    fn text(&self, table: &Table, format: &str) -> Result<String, Error> {
        let rows: Vec<Map<String, Value>> = table.lines().iter().map(|line| row(line, !self.no_trunc)).collect();
        let listing = Listing {
            columns: COLUMNS,
            also: &[],
            format,
            quiet: None,
        };
        Ok(listing::text(&listing, &rows)?)
    }
}

fn short(id: &str) -> String {
    id.chars().take(12).collect()
}

/// Writes a text over the one that a terminal shows, without flicker.
fn over(text: &str) -> String {
    let mut shown = "\x1b[H".to_owned();
    for line in text.lines() {
        // Writing to a String cannot fail.
        let _ = writeln!(shown, "{line}\x1b[K");
    }
    shown + "\x1b[J"
}

fn row(line: &Line, truncate: bool) -> Map<String, Value> {
    let unknown = |text: &str| text.to_owned();
    let reading = line.reading.as_ref();
    let id = reading.map_or_else(String::new, |reading| reading.id.clone());
    let told = |tell: fn(&Reading) -> String, otherwise: &str| reading.map_or_else(|| unknown(otherwise), tell);
    let fields = [
        ("BlockIO", told(Reading::block_io, "--")),
        ("CPUPerc", told(Reading::cpu, "--")),
        ("Container", line.container.clone()),
        ("ID", if truncate { short(&id) } else { id }),
        ("MemPerc", told(Reading::memory_share, "--")),
        ("MemUsage", told(Reading::memory, "-- / --")),
        ("Name", told(|reading| reading.name.clone(), "--")),
        ("NetIO", told(Reading::network_io, "--")),
        ("PIDs", told(Reading::processes, "--")),
    ];
    fields
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .into_iter()
        .collect()
}
