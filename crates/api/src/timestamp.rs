//! Points in time and spans as the API writes and reads them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use crate::status::Failure;

/// Reads `seconds` or `seconds.fraction` since 1970, as in `since` and `until`; empty = absent.
///
/// Source: moby `api/types/time/timestamp.go`, `ParseTimestamps`.
pub(crate) fn parse(text: &str) -> Result<Option<SystemTime>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = || {
        Failure::invalid(format!(
            "read time {text:?}: expected seconds since 1970, with or without fraction"
        ))
    };
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = seconds.parse().map_err(|_| invalid())?;
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    let nanoseconds: u32 = format!("{fraction:0<9}").parse().map_err(|_| invalid())?;
    let fraction = Duration::new(0, nanoseconds);
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    time.and_then(|time| time.checked_add(fraction))
        .map(Some)
        .ok_or_else(invalid)
}

/// Go's `RFC3339Nano`: as many digits of the fraction as there are.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    time.to_string()
}

/// Nine digits of fraction always, so that log lines align.
pub(crate) fn rfc3339_fixed(time: SystemTime) -> String {
    match Timestamp::try_from(time) {
        Ok(time) => format!("{time:.9}"),
        // Beyond the year 9999; only a broken log says so.
        Err(_) => "0001-01-01T00:00:00.000000000Z".to_owned(),
    }
}

/// A span in words: `3 minutes`, `About an hour`. Source: docker/go-units `duration.go`.
pub(crate) fn in_words(span: Duration) -> String {
    const HOUR: f64 = 3600.0;
    let seconds = span.as_secs();
    let minutes = seconds / 60;
    let hours = (span.as_secs_f64() / HOUR).round() as u64;
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_fraction() {
        assert_eq!(parse("").unwrap(), None);
        assert_eq!(parse("0").unwrap(), Some(UNIX_EPOCH));
        assert_eq!(parse("12").unwrap(), Some(UNIX_EPOCH + Duration::from_secs(12)));
        assert_eq!(parse("12.5").unwrap(), Some(UNIX_EPOCH + Duration::from_millis(12500)));
        assert_eq!(parse("12.000000001").unwrap(), Some(UNIX_EPOCH + Duration::new(12, 1)));
        for bad in ["x", "1.x", "1.0000000001", "99999999999999999999", "1.-5"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_written_as_go_does() {
        let time = Timestamp::new(1, 500_000_000).unwrap();
        assert_eq!(rfc3339(time), "1970-01-01T00:00:01.5Z");
        assert_eq!(rfc3339(tierce_engine::lifecycle::NEVER), "0001-01-01T00:00:00Z");
        assert_eq!(
            rfc3339_fixed(UNIX_EPOCH + Duration::from_millis(1500)),
            "1970-01-01T00:00:01.500000000Z"
        );
    }

    #[test]
    fn row_093_spans_are_in_dockers_words() {
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (150, "2 minutes"),
            (3600, "About an hour"),
            (2 * 3600, "2 hours"),
            (3 * 86400, "3 days"),
            (15 * 86400, "2 weeks"),
            (70 * 86400, "2 months"),
            (800 * 86400, "2 years"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
