//! Filters of image lists and prunes.

use tierce_engine::Filters;
use tierce_engine::image::{Prune, Summary};

use crate::status::Failure;
use crate::timestamp;

/// Which images a list shows, the newest first. Source: moby `daemon/images/images.go`.
pub(crate) fn select<'s>(summaries: &'s [Summary], filters: &Filters, all: bool) -> Result<Vec<&'s Summary>, Failure> {
    filters.validate(&["dangling", "label", "label!", "before", "since", "reference", "until"])?;
    let dangling = filters
        .contains("dangling")
        .then(|| filters.boolean("dangling", true))
        .transpose()?;
    let bound = |key: &str| -> Result<Option<i64>, Failure> {
        let Some(name) = filters.get(key).first() else {
            return Ok(None);
        };
        let found = summaries.iter().find(|summary| is_called(summary, name));
        found
            .map(|summary| Some(summary.created))
            .ok_or_else(|| Failure::new(tierce_fault::Kind::NotFound, format!("No such image: {name}")))
    };
    let (before, since) = (bound("before")?, bound("since")?);
    let until = until(filters)?;
    let mut shown: Vec<&Summary> = summaries
        .iter()
        .filter(|summary| {
            let hidden = summary.intermediate && !all && dangling.is_none();
            !hidden
                && dangling.is_none_or(|wanted| summary.dangling == wanted)
                && before.is_none_or(|bound| summary.created < bound)
                && since.is_none_or(|bound| summary.created > bound)
                && until.is_none_or(|bound| summary.created < bound)
                && filters.labels("label", &summary.labels)
                && filters.no_labels("label!", &summary.labels)
                && is_referred_to(summary, filters.get("reference"))
        })
        .collect();
    shown.sort_by(|one, other| {
        other
            .created
            .cmp(&one.created)
            .then_with(|| one.id.to_string().cmp(&other.id.to_string()))
    });
    Ok(shown)
}

/// What a prune removes: nameless images, with `dangling=false` all that nobody uses.
pub(crate) fn prune(filters: &Filters) -> Result<Prune, Failure> {
    filters.validate(&["dangling", "label", "label!", "until"])?;
    let labels = |key: &str| {
        let pair = |text: &String| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text.clone(), None),
        };
        filters.get(key).iter().map(pair).collect()
    };
    Ok(Prune {
        all: !filters.boolean("dangling", true)?,
        until: until(filters)?,
        labels: labels("label"),
        without_labels: labels("label!"),
    })
}

fn until(filters: &Filters) -> Result<Option<i64>, Failure> {
    match filters.get("until") {
        [] => Ok(None),
        [text] => timestamp::moment(text, jiff::Timestamp::now()).map(|moment| Some(moment.as_second())),
        _ => Err(Failure::invalid("more than one until filter specified")),
    }
}

/// Whether a user's word means this image: its id or the beginning of it, or one of its names.
fn is_called(summary: &Summary, name: &str) -> bool {
    let id = summary.id.to_string();
    let hex = id.split_once(':').map_or(id.as_str(), |(_, hex)| hex);
    let tagged = |known: &String| known == name || known.strip_suffix(":latest") == Some(name);
    id == name || (name.len() >= 4 && hex.starts_with(name)) || summary.repo_tags.iter().any(tagged)
}

/// Whether one of the patterns (or there is none) fits a name of the image, with or without its tag or digest.
fn is_referred_to(summary: &Summary, patterns: &[String]) -> bool {
    if patterns.is_empty() {
        return true;
    }
    summary.repo_tags.iter().chain(&summary.repo_digests).any(|name| {
        let bare = name.split('@').next().unwrap_or(name);
        let bare = match bare.rsplit_once(':') {
            Some((before, tag)) if !tag.contains('/') => before,
            _ => bare,
        };
        patterns
            .iter()
            .any(|pattern| fits(pattern, name) || fits(pattern, bare))
    })
}

/// Go's `path.Match` without character classes: `*` and `?` stand for anything but a slash.
fn fits(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let end = text.find('/').unwrap_or(text.len());
            let cuts = text
                .char_indices()
                .map(|(index, _)| index)
                .chain([text.len()])
                .take_while(|index| *index <= end);
            cuts.into_iter().any(|index| fits(rest.as_str(), &text[index..]))
        }
        Some(wanted) => {
            let mut letters = text.chars();
            letters
                .next()
                .is_some_and(|letter| letter == wanted || (wanted == '?' && letter != '/'))
                && fits(rest.as_str(), letters.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_go() {
        for (pattern, text, expected) in [
            ("busybox", "busybox", true),
            ("busy*", "busybox", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("a?c", "abc", true),
            ("*:1", "abc:1", true),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn prune_takes_what_is_not_dangling_only_when_asked() {
        let filters = |pairs: &[(&str, &str)]| {
            let mut filters = Filters::default();
            for (key, value) in pairs {
                filters.add(key, value);
            }
            prune(&filters)
        };
        assert!(!filters(&[]).unwrap().all);
        assert!(filters(&[("dangling", "false")]).unwrap().all);
        assert_eq!(
            filters(&[("label", "a=b")]).unwrap().labels,
            [("a".to_owned(), Some("b".to_owned()))]
        );
        assert!(filters(&[("colour", "x")]).is_err());
        assert!(filters(&[("until", "10m")]).unwrap().until.is_some());
    }
}
