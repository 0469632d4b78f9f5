//! Which images a list shows and a prune removes: Docker's filters.
//!
//! Source: moby `daemon/images/images.go` and `image_prune.go`; the order of checks and the texts are theirs.

use crate::container::{moment, prune_until};
use crate::error::{Error, Result};
use jiff::Timestamp;
use tierce_events::Filters;
use tierce_image::{Images, Prune, Summary};
use tierce_oci::Pattern;

/// What a list asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListImages {
    /// Also images that only serve as parents of others.
    pub all: bool,
    /// `before dangling label reference since until`.
    pub filters: Filters,
}

/// The images that pass, the newest first; with the filter `reference`, each with those of its names that pass.
pub(crate) fn select(images: &Images, wanted: &ListImages) -> Result<Vec<Summary>> {
    let filters = &wanted.filters;
    filters.validate(&["before", "dangling", "label", "reference", "since", "until"])?;
    let dangling = filters
        .contains("dangling")
        .then(|| filters.boolean("dangling", false))
        .transpose()?;
    let created =
        |name: &String| -> Result<Option<Timestamp>> { Ok(images.find(name).map_err(Error::below)?.created_at()) };
    let mut before: Vec<Timestamp> = Vec::new();
    for name in filters.get("before") {
        before.extend(created(name)?);
    }
    for text in filters.get("until") {
        before.push(moment(text)?);
    }
    let mut since: Vec<Timestamp> = Vec::new();
    for name in filters.get("since") {
        since.extend(created(name)?);
    }
    let patterns = filters.get("reference").iter().map(|text| Pattern::parse(text));
    let patterns: Vec<Pattern> = patterns.collect::<std::result::Result<_, _>>().map_err(Error::below)?;
    let patterns = filters.contains("reference").then_some(patterns);
    let passes = |image: &Summary| {
        let created = image.created_at;
        before
            .iter()
            .all(|bound| created.is_some_and(|created| created < *bound))
            && since
                .iter()
                .all(|bound| created.is_some_and(|created| created > *bound))
            && filters.labels("label", &image.labels)
            && shown(image, wanted.all, dangling, patterns.is_some())
    };
    let mut selected = images.list();
    for image in &mut selected {
        if let Some(patterns) = &patterns {
            let fits = |name: &String| patterns.iter().any(|pattern| pattern.fits_name(name));
            image.repo_tags.retain(fits);
            image.repo_digests.retain(fits);
        }
    }
    selected.retain(passes);
    Ok(selected)
}

/// Whether an image with these names belongs into the list.
fn shown(image: &Summary, all: bool, dangling: Option<bool>, by_reference: bool) -> bool {
    let nameless = image.repo_tags.is_empty() && image.repo_digests.is_empty();
    match dangling {
        Some(true) => image.dangling && !by_reference,
        Some(false) => !nameless,
        None if nameless => !by_reference && (all || !image.intermediate),
        None => true,
    }
}

/// What a prune removes: nameless images, with `dangling=false` all that nobody uses.
///
/// # Errors
/// [`Error::Invalid`] with Docker's text.
pub(crate) fn prune(filters: &Filters) -> Result<Prune> {
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
        until: prune_until(filters)?.map(Timestamp::as_second),
        labels: labels("label"),
        without_labels: labels("label!"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prune_takes_what_is_not_dangling_only_when_asked() {
        let filters = |json: &str| prune(&Filters::from_json(json).unwrap());
        assert!(!filters("{}").unwrap().all);
        assert!(filters(r#"{"dangling":["false"]}"#).unwrap().all);
        assert_eq!(
            filters(r#"{"label":["a=b"]}"#).unwrap().labels,
            [("a".to_owned(), Some("b".to_owned()))]
        );
        assert!(filters(r#"{"until":["10m"]}"#).unwrap().until.is_some());
        assert_eq!(
            filters(r#"{"colour":["x"]}"#).unwrap_err().to_string(),
            "invalid filter 'colour'"
        );
    }

    #[test]
    fn row_093_lists_show_what_dockers_show() {
        let image = |tags: &[&str], digests: &[&str], dangling, intermediate| Summary {
            id: tierce_oci::ImageId(tierce_oci::Digest::sha256_of(b"")),
            parent: None,
            repo_tags: tags.iter().map(|name| (*name).to_owned()).collect(),
            repo_digests: digests.iter().map(|name| (*name).to_owned()).collect(),
            created: 0,
            created_at: None,
            size: 0,
            shared_size: 0,
            containers: 0,
            labels: std::collections::BTreeMap::new(),
            platform: tierce_oci::Platform::host(),
            dangling,
            intermediate,
        };
        let named = image(&["a:1"], &[], false, false);
        let by_digest = image(&[], &["a@sha256:1"], true, false);
        let untagged = image(&[], &[], true, false);
        let parent = image(&[], &[], false, true);
        let which = |all, dangling, by_reference| -> Vec<bool> {
            [&named, &by_digest, &untagged, &parent]
                .map(|image| shown(image, all, dangling, by_reference))
                .to_vec()
        };
        assert_eq!(which(false, None, false), [true, true, true, false]);
        assert_eq!(which(true, None, false), [true, true, true, true]);
        assert_eq!(which(false, Some(true), false), [false, true, true, false]);
        assert_eq!(which(true, Some(false), false), [true, true, false, false]);
        assert_eq!(which(true, None, true), [true, true, false, false]);
    }
}
