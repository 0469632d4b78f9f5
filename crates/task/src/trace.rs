//! The id that joins everything which is done for one container, from the request to its end.
//!
//! Who asks may bring one (`traceparent`, W3C Trace Context); otherwise it is the beginning of the container's own id.
//! Each room that does one of the fourteen steps of a `run` notes it in the structured log by [`TraceId::step`].

use std::fmt;
use std::sync::Arc;

/// Hex digits of an id.
const LENGTH: usize = 32;

/// 32 hex digits, not all zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceId(Arc<str>);

impl TraceId {
    /// The trace of a `traceparent` header; `None` where it is not one of version 00 or of a later, compatible one.
    pub fn from_traceparent(header: &str) -> Option<Self> {
        let mut parts = header.trim().splitn(4, '-');
        let (version, trace) = (parts.next()?, parts.next()?);
        let (parent, flags) = (parts.next()?, parts.next()?);
        let hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let whole = hex(version, 2)
            && version != "ff"
            && hex(parent, 16)
            && flags.get(..2).is_some_and(|flags| hex(flags, 2))
            && (version != "00" || flags.len() == 2);
        whole.then(|| Self::parse(trace)).flatten()
    }

    /// The digits themselves.
    pub fn parse(digits: &str) -> Option<Self> {
        let valid = digits.len() == LENGTH
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && digits.bytes().any(|byte| byte != b'0');
        valid.then(|| Self(digits.into()))
    }

    /// The trace of a container that nobody brought one for.
    pub fn of_container(id: &str) -> Self {
        Self(id.get(..LENGTH).unwrap_or(id).into())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Notes that a step is done or about to be done; `number` is that of ARCHITECTURE.md's table of `run`.
    pub fn step(&self, number: u8, what: &str) {
        tracing::debug!(target: "tierce::trace", trace_id = %self, step = number, "{what}");
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn row_112_a_traceparent_is_taken_only_whole() {
        let read = |header: &str| TraceId::from_traceparent(header).map(|trace| trace.to_string());
        assert_eq!(read(&format!("00-{TRACE}-00f067aa0ba902b7-01")).as_deref(), Some(TRACE));
        // A later version may have more at its end.
        assert_eq!(
            read(&format!("01-{TRACE}-00f067aa0ba902b7-01-x")).as_deref(),
            Some(TRACE)
        );
        for wrong in [
            String::new(),
            TRACE.to_owned(),
            format!("00-{TRACE}-00f067aa0ba902b7-01-x"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{TRACE}-00f0-01"),
        ] {
            assert_eq!(read(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_container_has_one_by_itself() {
        let id = "ab".repeat(32);
        assert_eq!(TraceId::of_container(&id).as_str(), "ab".repeat(16));
        assert_eq!(TraceId::of_container("short").as_str(), "short");
    }
}
