//! Flags about the health of a container.

use crate::Error;
use clap::Args;
use tierce_format::time::go_duration;
use tierce_oci::container::{Config, Healthcheck};

#[derive(Debug, Args)]
pub(crate) struct HealthFlags {
    /// Command to run to check health
    #[arg(long, value_name = "string")]
    health_cmd: Option<String>,
    /// Time between running the check (ms|s|m|h) (default 0s)
    #[arg(long, value_name = "duration", value_parser = nanoseconds, allow_hyphen_values = true)]
    health_interval: Option<i64>,
    /// What is done when it becomes unhealthy (none|kill|restart|stop; only Tierce's daemon does it)
    #[arg(long, value_name = "string")]
    health_on_failure: Option<String>,
    /// Consecutive failures needed to report unhealthy
    #[arg(long, value_name = "int", allow_negative_numbers = true)]
    health_retries: Option<i64>,
    /// Time between running the check during the start period (ms|s|m|h) (default 0s)
    #[arg(long, value_name = "duration", value_parser = nanoseconds, allow_hyphen_values = true)]
    health_start_interval: Option<i64>,
    /// Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)
    #[arg(long, value_name = "duration", value_parser = nanoseconds, allow_hyphen_values = true)]
    health_start_period: Option<i64>,
    /// Maximum time to allow one check to run (ms|s|m|h) (default 0s)
    #[arg(long, value_name = "duration", value_parser = nanoseconds, allow_hyphen_values = true)]
    health_timeout: Option<i64>,
    /// Disable any container-specified HEALTHCHECK
    #[arg(long)]
    no_healthcheck: bool,
}

impl HealthFlags {
    pub(crate) fn apply(&self, config: &mut Config) -> Result<(), Error> {
        let command = self.health_cmd.as_deref().filter(|command| !command.is_empty());
        let numbers = [
            ("interval", self.health_interval),
            ("timeout", self.health_timeout),
            ("retries", self.health_retries),
            ("start-period", self.health_start_period),
            ("start-interval", self.health_start_interval),
        ];
        let on_failure = self.health_on_failure.clone().unwrap_or_default();
        let given = command.is_some()
            || !on_failure.is_empty()
            || numbers.iter().any(|(_, number)| number.unwrap_or_default() != 0);
        if self.no_healthcheck {
            if given {
                return Err(Error::usage("--no-healthcheck conflicts with --health-* options"));
            }
            config.healthcheck = Some(Healthcheck {
                test: Some(vec!["NONE".to_owned()]),
                ..Healthcheck::default()
            });
            return Ok(());
        }
        if !given {
            return Ok(());
        }
        if let Some((name, _)) = numbers
            .iter()
            .find(|(_, number)| number.is_some_and(|number| number < 0))
        {
            return Err(Error::usage(format!("--health-{name} cannot be negative")));
        }
        config.healthcheck = Some(Healthcheck {
            test: command.map(|command| vec!["CMD-SHELL".to_owned(), command.to_owned()]),
            interval: self.health_interval.unwrap_or_default(),
            timeout: self.health_timeout.unwrap_or_default(),
            start_period: self.health_start_period.unwrap_or_default(),
            start_interval: self.health_start_interval.unwrap_or_default(),
            retries: self.health_retries.unwrap_or_default(),
            on_failure,
        });
        Ok(())
    }
}

/// A duration as Go reads it, in nanoseconds.
fn nanoseconds(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let duration = go_duration(rest).ok_or_else(invalid)?;
    i64::try_from(duration.as_nanos())
        .map(|nanoseconds| sign * nanoseconds)
        .map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> HealthFlags {
        HealthFlags {
            health_cmd: None,
            health_interval: None,
            health_on_failure: None,
            health_retries: None,
            health_start_interval: None,
            health_start_period: None,
            health_timeout: None,
            no_healthcheck: false,
        }
    }

    #[test]
    fn probes_are_dockers() {
        let mut config = Config::default();
        flags().apply(&mut config).unwrap();
        assert_eq!(config.healthcheck, None);
        let given = HealthFlags {
            health_cmd: Some("test -e /ok".to_owned()),
            health_interval: Some(nanoseconds("1m30s").unwrap()),
            health_on_failure: Some("restart".to_owned()),
            ..flags()
        };
        given.apply(&mut config).unwrap();
        let check = config.healthcheck.take().unwrap();
        assert_eq!(check.test.unwrap(), ["CMD-SHELL", "test -e /ok"]);
        assert_eq!((check.interval, check.on_failure.as_str()), (90_000_000_000, "restart"));
        let none = HealthFlags {
            no_healthcheck: true,
            ..flags()
        };
        none.apply(&mut config).unwrap();
        assert_eq!(config.healthcheck.unwrap().test.unwrap(), ["NONE"]);
    }

    #[test]
    fn contradictions_and_negative_numbers_are_refused() {
        let told = |flags: HealthFlags| flags.apply(&mut Config::default()).unwrap_err().to_string();
        let both = HealthFlags {
            no_healthcheck: true,
            health_retries: Some(1),
            ..flags()
        };
        assert_eq!(told(both), "--no-healthcheck conflicts with --health-* options");
        let negative = HealthFlags {
            health_timeout: Some(nanoseconds("-1s").unwrap()),
            ..flags()
        };
        assert_eq!(told(negative), "--health-timeout cannot be negative");
        assert!(nanoseconds("soon").is_err() && nanoseconds("5").is_err());
    }
}
