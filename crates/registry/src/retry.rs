//! When to ask again, and after which pause.

use crate::{Error, Timeouts};
use http::{HeaderMap, header};
use jiff::Timestamp;
use std::time::Duration;

/// Counts the attempts of one request.
#[derive(Debug, Clone)]
pub(crate) struct Attempts {
    made: u32,
    most: u32,
    timeouts: Timeouts,
}

impl Attempts {
    pub(crate) fn new(most: u32, timeouts: Timeouts) -> Self {
        Self {
            made: 0,
            most: most.max(1),
            timeouts,
        }
    }

    /// Forgets the attempts so far: there was progress.
    pub(crate) fn reset(&mut self) {
        self.made = 0;
    }

    /// Notes a failed attempt. Returns the pause before the next, or the error when there shall be none.
    pub(crate) fn after(&mut self, error: Error) -> Result<Duration, Error> {
        self.made += 1;
        if self.made >= self.most || !error.may_pass() {
            return Err(error);
        }
        let growing = self.timeouts.pause.saturating_mul(1 << (self.made - 1).min(16));
        let asked = match &error {
            Error::Refused { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let pause = growing.max(asked).min(self.timeouts.longest_pause);
        tracing::info!(%error, attempt = self.made, pause_ms = pause.as_millis() as u64, "asking a registry again");
        Ok(pause)
    }
}

/// The pause that `Retry-After` asks for: seconds, or a date (RFC 9110 §10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    pause_of(headers.get(header::RETRY_AFTER)?.to_str().ok()?, Timestamp::now())
}

pub(crate) fn pause_of(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    // A date that has passed asks for no pause.
    Some(Duration::try_from(then.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refusal;

    fn busy(retry_after: Option<u64>) -> Error {
        Error::Refused {
            url: String::new(),
            status: 503,
            refusal: Refusal::from_body(503, b""),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn pauses_grow_and_end() {
        let timeouts = Timeouts {
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(5),
            ..Timeouts::default()
        };
        let mut attempts = Attempts::new(4, timeouts);
        assert_eq!(attempts.after(busy(None)).unwrap(), Duration::from_secs(1));
        assert_eq!(attempts.after(busy(Some(4))).unwrap(), Duration::from_secs(4));
        assert_eq!(attempts.after(busy(Some(86400))).unwrap(), Duration::from_secs(5));
        assert!(attempts.after(busy(None)).is_err());
    }

    #[test]
    fn pauses_are_seconds_or_dates() {
        let now: Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
        for (text, seconds) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:20 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(pause_of(text, now), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn what_will_not_change_is_not_asked_again() {
        let error = Error::Malformed {
            url: String::new(),
            cause: String::new(),
        };
        assert!(Attempts::new(5, Timeouts::default()).after(error).is_err());
    }
}
