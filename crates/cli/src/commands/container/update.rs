//! `tierce update`

use crate::context::Context;
use crate::error::Error;
use clap::Args;
use serde_json::{Map, Value};
use tierce_api_types::container::UpdateRequest;
use tierce_flags::{BlockFlags, CpuFlags, parse_restart_policy, parse_swap};
use tierce_oci::container::ResourceConfig;
use tierce_oci::parse_bytes;

#[derive(Args)]
pub(crate) struct Update {
    #[command(flatten)]
    blocks: BlockFlags,
    #[command(flatten)]
    cpu: CpuFlags,
    /// Memory limit
    #[arg(short, long, value_name = "bytes", value_parser = parse_bytes)]
    memory: Option<i64>,
    /// Memory soft limit
    #[arg(long, value_name = "bytes", value_parser = parse_bytes)]
    memory_reservation: Option<i64>,
    /// Swap limit equal to memory plus swap: -1 to enable unlimited swap
    #[arg(long, value_name = "bytes", value_parser = parse_swap, allow_hyphen_values = true)]
    memory_swap: Option<i64>,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long, value_name = "int", allow_negative_numbers = true)]
    pids_limit: Option<i64>,
    /// Restart policy to apply when a container exits
    #[arg(long, default_value = "", hide_default_value = true)]
    restart: String,
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Update {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let request = self.request()?;
        if request.0.is_empty() {
            return Err(Error::failed(
                "you must provide one or more flags when using this command",
            ));
        }
        let (mut warnings, mut failures) = (Vec::new(), Vec::new());
        for container in &self.containers {
            match context.client.containers().update(container, &request).await {
                Ok(answer) => {
                    println!("{container}");
                    warnings.extend(answer.warnings.into_iter().flatten());
                }
                Err(error) => failures.push(Error::from(error).to_string()),
            }
        }
        for warning in warnings {
            println!("{warning}");
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(Error::failed(failures.join("\n")))
        }
    }

    /// What was asked for, and nothing else: a limit that is not named stays as it is.
    fn request(&self) -> Result<UpdateRequest, Error> {
        let mut resources = ResourceConfig {
            memory: self.memory.unwrap_or_default(),
            memory_reservation: self.memory_reservation.unwrap_or_default(),
            memory_swap: self.memory_swap.unwrap_or_default(),
            pids_limit: self.pids_limit.filter(|limit| *limit != 0),
            ..ResourceConfig::default()
        };
        self.cpu.apply(&mut resources);
        self.blocks.apply(&mut resources);
        let mut members = changed(&resources)?;
        if !self.restart.is_empty() {
            let policy = parse_restart_policy(&self.restart)?;
            let policy = serde_json::to_value(policy).map_err(unencodable)?;
            members.insert("RestartPolicy".to_owned(), policy);
        }
        Ok(UpdateRequest(members))
    }
}

/// The members that are not as they are when nobody asks for anything.
fn changed(resources: &ResourceConfig) -> Result<Map<String, Value>, Error> {
    let members = |resources: &ResourceConfig| match serde_json::to_value(resources) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Ok(Map::new()),
        Err(error) => Err(unencodable(error)),
    };
    let untouched = members(&ResourceConfig::default())?;
    let mut given = members(resources)?;
    // An empty list asks for nothing either.
    given.retain(|name, value| {
        untouched.get(name) != Some(value) && value.as_array().is_none_or(|list| !list.is_empty())
    });
    Ok(given)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn unencodable(error: serde_json::Error) -> Error {
    Error::failed(format!("encode the request: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches as _;

    fn request(words: &[&str]) -> String {
        let command = Update::augment_args(clap::Command::new("update"));
        let words = std::iter::once("update").chain(words.iter().copied()).chain(["web"]);
        let update = Update::from_arg_matches(&command.get_matches_from(words)).unwrap();
        serde_json::to_string(&update.request().unwrap()).unwrap()
    }

    #[test]
    fn only_what_is_named_is_sent() {
        assert_eq!(request(&[]), "{}");
        assert_eq!(
            request(&["-m", "1m", "--cpus", "1.5"]),
            r#"{"Memory":1048576,"NanoCpus":1500000000}"#
        );
        assert_eq!(
            request(&["--restart", "on-failure:3"]),
            r#"{"RestartPolicy":{"MaximumRetryCount":3,"Name":"on-failure"}}"#
        );
        assert_eq!(request(&["--pids-limit", "-1"]), r#"{"PidsLimit":-1}"#);
    }
}
