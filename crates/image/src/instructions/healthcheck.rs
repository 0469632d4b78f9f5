//! `HEALTHCHECK [--interval=… --timeout=… --start-period=… --start-interval=… --retries=…] CMD … | NONE`

use super::{bad, json_words};
use crate::Error;
use tierce_oci::container::Healthcheck;

/// Docker refuses shorter times than a millisecond, except none at all.
const SHORTEST: i64 = 1_000_000;

/// Reads what follows the instruction's name.
pub(super) fn parse(rest: &str, shell: &[String]) -> Result<Healthcheck, Error> {
    let mut check = Healthcheck::default();
    let mut rest = rest;
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        rest = after.trim_start();
        let (name, value) = flag
            .split_once('=')
            .ok_or_else(|| bad(format!("missing a value on flag: {flag}")))?;
        match name {
            "interval" => check.interval = time(name, value)?,
            "timeout" => check.timeout = time(name, value)?,
            "start-period" => check.start_period = time(name, value)?,
            "start-interval" => check.start_interval = time(name, value)?,
            "retries" => {
                let number: Option<i64> = value.parse().ok().filter(|number| *number >= 0);
                check.retries = number.ok_or_else(|| bad(format!("--retries cannot be negative ({value})")))?;
            }
            _ => return Err(bad(format!("unknown flag: {name}"))),
        }
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim();
    check.test = Some(match kind.to_ascii_uppercase().as_str() {
        "NONE" if command.is_empty() => vec!["NONE".to_owned()],
        "NONE" => return Err(bad("HEALTHCHECK NONE takes no arguments")),
        "CMD" if command.is_empty() => return Err(bad("missing command after HEALTHCHECK CMD")),
        "CMD" => match json_words(command) {
            Some(words) => [vec!["CMD".to_owned()], words].concat(),
            None if shell.len() == 2 && shell[0] == "/bin/sh" => vec!["CMD-SHELL".to_owned(), command.to_owned()],
            None => [&["CMD".to_owned()], shell, &[command.to_owned()]].concat(),
        },
        "" => return Err(bad("HEALTHCHECK requires at least one argument")),
        _ => return Err(bad(format!("unknown type {kind:?} in HEALTHCHECK (try CMD)"))),
    });
    Ok(check)
}

fn time(name: &str, value: &str) -> Result<i64, Error> {
    let time = duration(value).ok_or_else(|| bad(format!("time: invalid duration {value:?}")))?;
    if time < 0 || (time > 0 && time < SHORTEST) {
        return Err(bad(format!("interval {name:?} cannot be less than 1ms")));
    }
    Ok(time)
}

/// Nanoseconds of a Go duration such as `1m30s` or `1.5s`.
fn duration(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let (mut total, mut rest) = (0_f64, text);
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (value, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let nanoseconds = match unit {
            "ns" => 1e0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        total += value.parse::<f64>().ok()? * nanoseconds;
        rest = after;
    }
    (!text.is_empty() && total < 9e18).then_some(total as i64)
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_gos() {
        assert_eq!(duration("1m30s"), Some(90_000_000_000));
        assert_eq!(duration("1.5s"), Some(1_500_000_000));
        assert_eq!(duration("0"), Some(0));
        for text in ["", "1", "s", "1x", "-1s", "99999999999h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
