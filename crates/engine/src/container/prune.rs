//! `prune`: removes every container that does not run.

use super::context::Context;
use super::remove;
use super::requests::Pruned;
use crate::error::{Error, Result};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use tierce_events::Filters;
use tierce_events::Subject;

/// See [`super::Containers::prune`].
pub(crate) async fn prune(context: &Arc<Context>, filters: &Filters) -> Result<Pruned> {
    filters.validate(&["until", "label", "label!"])?;
    let before = until(filters)?;
    let empty = BTreeMap::new();
    let mut pruned = Pruned::default();
    for container in context.all() {
        let snapshot = container.snapshot();
        let labels = snapshot.record.config.labels.as_ref().unwrap_or(&empty);
        let wanted = before.is_none_or(|before| snapshot.record.created < before)
            && filters.labels("label", labels)
            && filters.no_labels("label!", labels);
        if !wanted || snapshot.record.state.running {
            continue;
        }
        let _transient = container.transition().await;
        // Started, or removed, since we looked.
        let now = container.snapshot();
        if now.record.state.running || now.gone {
            continue;
        }
        let (rootfs, id) = (Arc::clone(&context.rootfs), container.id.clone());
        let size = super::context::blocking(move || Ok(rootfs.usage(&id).unwrap_or_default().own)).await?;
        match remove::remove_locked(context, &container, false).await {
            Ok(()) => {
                pruned.removed.push(container.id.clone());
                pruned.space_reclaimed += size;
            }
            Err(error) => tracing::warn!(container = %container.id, %error, "could not prune a container"),
        }
    }
    let attributes = BTreeMap::from([("reclaimed".to_owned(), pruned.space_reclaimed.to_string())]);
    context.events.publish(Subject::Container, "prune", "", attributes);
    Ok(pruned)
}

/// The moment of the filter `until`: a Unix time, an RFC 3339 time, or a Go duration before now (`1h30m`).
pub(crate) fn until(filters: &Filters) -> Result<Option<Timestamp>> {
    match filters.get("until") {
        [] => Ok(None),
        [only] => moment(only).map(Some),
        _ => Err(Error::Invalid("more than one until filter specified".to_owned())),
    }
}

/// A moment as filters give it: a Unix time, a time of RFC 3339 whose end and zone may be missing, or a Go duration
/// before now. Source: moby `api/types/time/timestamp.go`.
pub(crate) fn moment(text: &str) -> Result<Timestamp> {
    let invalid = || Error::Invalid(format!("failed to parse value as time or duration: {text:?}"));
    if let Some(seconds) = go_duration(text) {
        let before = Timestamp::now().checked_sub(std::time::Duration::from_secs_f64(seconds));
        return before.map_err(|_| invalid());
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if let (Ok(seconds), Ok(nanoseconds)) = (seconds.parse(), format!("{fraction:0<9.9}").parse::<u32>()) {
        return Timestamp::new(seconds, nanoseconds as i32).map_err(|_| invalid());
    }
    // Without a zone: the daemon's, and from the first moment that it may mean.
    let known = text.chars().count();
    if known < "0000".len() {
        return Err(invalid());
    }
    let whole: String = text.chars().chain("0000-01-01T00:00:00".chars().skip(known)).collect();
    let civil: jiff::civil::DateTime = whole.parse().map_err(|_| invalid())?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::system());
    zoned.map(|zoned| zoned.timestamp()).map_err(|_| invalid())
}

/// Seconds of a Go duration such as `1h30m` or `10s`; at most ten thousand years.
fn go_duration(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit_length = rest[digits..]
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len() - digits);
        let factor = match &rest[digits..digits + unit_length] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number * factor;
        rest = &rest[digits + unit_length..];
    }
    (seconds < 3.2e11).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moment(text: &str) -> Result<Option<Timestamp>> {
        let mut filters = Filters::default();
        filters.add("until", text);
        until(&filters)
    }

    #[test]
    fn until_takes_durations_and_times() {
        assert_eq!(go_duration("1h30m"), Some(5400.0));
        let hour = moment("1h").unwrap().unwrap();
        assert!((Timestamp::now().as_second() - hour.as_second() - 3600).abs() <= 1);
        assert_eq!(moment("1700000000").unwrap().unwrap().as_second(), 1_700_000_000);
        let exact = moment("1700000000.25").unwrap().unwrap();
        assert_eq!(exact.to_string(), "2023-11-14T22:13:20.25Z");
        assert_eq!(
            moment("2026-01-02T03:04:05Z").unwrap().unwrap().to_string(),
            "2026-01-02T03:04:05Z"
        );
        assert!(moment("2026-01-02").unwrap().is_some() && moment("2026-01-02T03").unwrap().is_some());
        let error = moment("yesterday").unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to parse value as time or duration: \"yesterday\""
        );
        assert!(moment("").is_err() && moment("x").is_err());
        assert_eq!(until(&Filters::default()).unwrap(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "[0-9a-zµ.:-]{0,16}") {
            let _ = moment(&text);
        }
    }
}
