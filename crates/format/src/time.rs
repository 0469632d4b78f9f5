//! Times as Docker's CLI shows and takes them.

use crate::Error;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A moment from seconds since 1970.
pub fn from_unix(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// `2024-05-02 10:11:12 +0000 UTC`, in the local zone.
pub fn local(moment: Timestamp) -> String {
    moment
        .to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S %z %Z")
        .to_string()
}

/// `2024-05-02T10:11:12.000000000Z`, in the local zone.
pub fn local_nanoseconds(moment: Timestamp) -> String {
    let local = moment.to_zoned(TimeZone::system());
    let zone = if local.offset().seconds() == 0 { "Z" } else { "%:z" };
    local.strftime(&format!("%Y-%m-%dT%H:%M:%S.%9f{zone}")).to_string()
}

/// `Thu May  2 10:11:12 2024`: when a program was built.
pub fn build(moment: Timestamp) -> String {
    moment
        .to_zoned(TimeZone::UTC)
        .strftime("%a %b %e %H:%M:%S %Y")
        .to_string()
}

/// `2024-05-02T10:11:12Z`, in the local zone.
pub fn local_seconds(moment: Timestamp) -> String {
    let local = moment.to_zoned(TimeZone::system());
    let zone = if local.offset().seconds() == 0 { "Z" } else { "%:z" };
    local.strftime(&format!("%Y-%m-%dT%H:%M:%S{zone}")).to_string()
}

/// `2024-05-02 10:11:12.5 +0000 UTC`: Go's form of a moment in the zone of the daemon's answer.
pub fn utc(moment: Timestamp) -> String {
    let text = moment
        .to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%d %H:%M:%S%.f")
        .to_string();
    format!("{text} +0000 UTC")
}

/// How long ago, in words.
pub fn since(moment: Timestamp) -> String {
    in_words(Timestamp::now().duration_since(moment))
}

/// A duration in words: `About a minute`, `3 hours`. Source of the forms: `docker/go-units` `HumanDuration`.
fn in_words(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let hours = (duration.as_secs_f64() / 3600.0).round() as i64;
    match seconds {
        i64::MIN..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{} minutes", seconds / 60),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// What `--since` and `--until` say, as `seconds[.nanoseconds]`: a Unix time, an RFC 3339 time, or a duration back from
/// now (`1h30m`). Empty stays empty.
///
/// # Errors
/// When it is none of them.
pub fn moment(flag: &str, text: &str) -> Result<String, Error> {
    if text.is_empty() || text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Ok(text.to_owned());
    }
    let moment = match go_duration(text) {
        Some(back) => Timestamp::now() - back,
        None => parse_timestamp(text).ok_or_else(|| Error::Moment {
            flag: flag.to_owned(),
            value: text.to_owned(),
        })?,
    };
    Ok(format!("{}.{:09}", moment.as_second(), moment.subsec_nanosecond()))
}

fn parse_timestamp(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    // Without a zone: local time, and any tail of it may be missing.
    let whole: String = text
        .chars()
        .chain("0000-01-01T00:00:00".chars().skip(text.chars().count()))
        .collect();
    let civil = whole.parse::<jiff::civil::DateTime>().ok()?;
    civil.to_zoned(TimeZone::system()).ok().map(|zoned| zoned.timestamp())
}

/// Go's `time.ParseDuration`: `1h2m3.5s`, `300ms`.
pub fn go_duration(text: &str) -> Option<SignedDuration> {
    let mut rest = text;
    let mut total = 0f64;
    if rest.is_empty() {
        return None;
    }
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        total += number
            * match &rest[..unit] {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    SignedDuration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_dockers_words() {
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (61, "About a minute"),
            (3599, "59 minutes"),
            (3700, "About an hour"),
            (7200, "2 hours"),
            (86_400 * 3, "3 days"),
            (86_400 * 20, "2 weeks"),
            (86_400 * 90, "3 months"),
            (86_400 * 365 * 3, "3 years"),
        ] {
            assert_eq!(in_words(SignedDuration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn moments_are_read_in_every_form() {
        assert_eq!(moment("since", "12.5").unwrap(), "12.5");
        assert_eq!(moment("since", "1970-01-01T00:00:10Z").unwrap(), "10.000000000");
        assert!(moment("since", "10m").unwrap().parse::<f64>().unwrap() > 1e9);
        assert!(moment("since", "2024-05").is_ok());
        assert!(moment("since", "yesterday").is_err());
        assert_eq!(go_duration("1h2m3.5s"), SignedDuration::try_from_secs_f64(3723.5).ok());
    }
}
