//! Changes to an image's configuration as instructions of a Dockerfile: `--change` of `commit` and `import`.
//!
//! `CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR`, in the form with words and, where
//! there is one, as a JSON list. Variables are those of the configuration's environment.
//!
//! Source: moby `daemon/builder/dockerfile` (`BuildFromConfig`, dispatchers), BuildKit `frontend/dockerfile` (parser,
//! shell words); their texts.

mod healthcheck;
mod ports;
mod words;

use crate::Error;
use std::collections::BTreeMap;
use tierce_oci::container::{Config, Empty, StrSlice};
use words::{Variables, pairs, split};

/// Applies the changes in order.
///
/// # Errors
/// [`Error::BadChange`].
pub fn apply(config: &mut Config, changes: &[String]) -> Result<(), Error> {
    let mut work = Work {
        config,
        command_given: false,
    };
    lines(&changes.join("\n")).iter().try_for_each(|line| work.line(line))
}

fn bad(text: impl Into<String>) -> Error {
    Error::BadChange(text.into())
}

/// Instructions, continued lines put together, comments and empty lines left out.
fn lines(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with('#') || (trimmed.is_empty() && open.is_empty()) {
            continue;
        }
        if let Some(begun) = line.trim_end().strip_suffix('\\') {
            open.push_str(begun);
        } else {
            open.push_str(line);
            found.push(std::mem::take(&mut open).trim().to_owned());
        }
    }
    if !open.trim().is_empty() {
        found.push(open.trim().to_owned());
    }
    found
}

/// The words of a JSON list; `None` when it is none.
fn json_words(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten()
}

struct Work<'a> {
    config: &'a mut Config,
    /// Whether there was a `CMD` before.
    command_given: bool,
}

impl Work<'_> {
    fn line(&mut self, line: &str) -> Result<(), Error> {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let (upper, rest) = (name.to_ascii_uppercase(), rest.trim());
        let known = matches!(
            upper.as_str(),
            "CMD"
                | "ENTRYPOINT"
                | "ENV"
                | "EXPOSE"
                | "HEALTHCHECK"
                | "LABEL"
                | "ONBUILD"
                | "STOPSIGNAL"
                | "USER"
                | "VOLUME"
                | "WORKDIR"
        );
        if !known {
            return Err(bad(format!("{name} is not a valid change command")));
        }
        if rest.is_empty() && !matches!(upper.as_str(), "CMD" | "ENTRYPOINT") {
            let number = match upper.as_str() {
                "STOPSIGNAL" | "USER" | "WORKDIR" => "exactly",
                _ => "at least",
            };
            return Err(bad(format!("{upper} requires {number} one argument")));
        }
        match upper.as_str() {
            "CMD" => self.command(rest),
            "ENTRYPOINT" => self.entry_point(rest),
            "ENV" => self.environment(rest)?,
            "EXPOSE" => self.expose(rest)?,
            "HEALTHCHECK" => {
                let shell = self.shell();
                self.config.healthcheck = Some(healthcheck::parse(rest, &shell)?);
            }
            "LABEL" => self.label(rest)?,
            "ONBUILD" => self.on_build(rest)?,
            "STOPSIGNAL" => self.config.stop_signal = self.one("STOPSIGNAL", rest)?,
            "USER" => self.config.user = self.one("USER", rest)?,
            "VOLUME" => self.volume(rest)?,
            _ => self.working_directory(rest)?,
        }
        Ok(())
    }

    fn variables(&self) -> Variables<'_> {
        Variables(self.config.env.as_deref().unwrap_or_default())
    }

    fn shell(&self) -> Vec<String> {
        match &self.config.shell {
            Some(shell) => shell.0.clone(),
            None => vec!["/bin/sh".to_owned(), "-c".to_owned()],
        }
    }

    /// A command line in either form.
    fn words(&self, rest: &str) -> StrSlice {
        StrSlice(json_words(rest).unwrap_or_else(|| {
            let mut words = self.shell();
            words.push(rest.to_owned());
            words
        }))
    }

    fn command(&mut self, rest: &str) {
        self.config.cmd = Some(if rest.is_empty() {
            StrSlice::default()
        } else {
            self.words(rest)
        });
        self.config.args_escaped = false;
        self.command_given = true;
    }

    fn entry_point(&mut self, rest: &str) {
        let words = if rest.is_empty() {
            StrSlice::default()
        } else {
            self.words(rest)
        };
        self.config.entrypoint = Some(words).filter(|words| !words.is_empty());
        // The command of before was the arguments of another program.
        if !self.command_given {
            self.config.cmd = None;
        }
    }

    fn one(&self, name: &str, rest: &str) -> Result<String, Error> {
        match split(rest, &self.variables())?.as_slice() {
            [word] => Ok(word.clone()),
            _ => Err(bad(format!("{name} requires exactly one argument"))),
        }
    }

    fn environment(&mut self, rest: &str) -> Result<(), Error> {
        let pairs = pairs("ENV", rest, &self.variables())?;
        let environment = self.config.env.get_or_insert_default();
        for (name, value) in pairs {
            if name.is_empty() {
                return Err(bad("ENV names can not be blank"));
            }
            let entry = format!("{name}={value}");
            let known = environment
                .iter_mut()
                .find(|known| known.split('=').next() == Some(&name));
            match known {
                Some(known) => *known = entry,
                None => environment.push(entry),
            }
        }
        Ok(())
    }

    fn label(&mut self, rest: &str) -> Result<(), Error> {
        let pairs = pairs("LABEL", rest, &self.variables())?;
        if pairs.iter().any(|(name, _)| name.is_empty()) {
            return Err(bad("LABEL names can not be blank"));
        }
        self.config.labels.get_or_insert_default().extend(pairs);
        Ok(())
    }

    fn expose(&mut self, rest: &str) -> Result<(), Error> {
        for word in split(rest, &self.variables())? {
            for port in ports::parse(&word)? {
                self.config.exposed_ports.get_or_insert_default().insert(port, Empty {});
            }
        }
        Ok(())
    }

    fn on_build(&mut self, rest: &str) -> Result<(), Error> {
        let name = rest.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        match name.as_str() {
            "ONBUILD" => return Err(bad("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")),
            "FROM" | "MAINTAINER" => return Err(bad(format!("{name} isn't allowed as an ONBUILD trigger"))),
            _ => {}
        }
        self.config.on_build.get_or_insert_default().push(rest.to_owned());
        Ok(())
    }

    fn volume(&mut self, rest: &str) -> Result<(), Error> {
        let words = match json_words(rest) {
            Some(words) => words,
            None => split(rest, &self.variables())?,
        };
        let volumes: &mut BTreeMap<String, Empty> = self.config.volumes.get_or_insert_default();
        for word in words {
            let word = word.trim();
            if word.is_empty() {
                return Err(bad("VOLUME specified can not be an empty string"));
            }
            volumes.insert(word.to_owned(), Empty {});
        }
        Ok(())
    }

    /// A relative path goes on from the one before.
    fn working_directory(&mut self, rest: &str) -> Result<(), Error> {
        let path = self.one("WORKDIR", rest)?;
        let before = if path.starts_with('/') {
            ""
        } else {
            &self.config.working_dir
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in before.split('/').chain(path.split('/')) {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        self.config.working_dir = format!("/{}", parts.join("/"));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
