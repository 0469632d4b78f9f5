//! Search, in the form that Docker Hub has and `docker search` reads.

use std::cmp::Reverse;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::reply::{self, Answer};
use super::{Asked, blocking};
use crate::store::Name;

/// Entries of a page, unless asked for otherwise; Docker Hub's numbers.
const USUAL_PAGE: usize = 25;
const LONGEST_PAGE: usize = 100;

/// A repository, as a search shows it.
#[derive(Serialize)]
struct Shown {
    name: String,
    description: String,
    is_official: bool,
    is_automated: bool,
    star_count: u64,
}

/// `GET /v1/search?q=&n=&page=`: repositories whose name or description has the words, those with most stars first.
/// Private ones are never among them, whoever asks.
pub(super) async fn search(asked: Asked) -> Answer {
    let size = asked.query.number("n")?.unwrap_or(USUAL_PAGE).clamp(1, LONGEST_PAGE);
    let page = asked.query.number("page")?.unwrap_or(1).max(1);
    let text = asked.query.text("q").unwrap_or_default().to_owned();
    let words = text.to_lowercase();
    let parts = Arc::clone(&asked.parts);
    let shown = blocking(move || {
        let all = parts
            .store
            .repositories("", usize::MAX, |name| !parts.metadata.is_private(name));
        let names = all.entries.iter().filter_map(|name| Name::parse(name));
        let mut shown: Vec<Shown> = names
            .map(|name| {
                let said = parts.metadata.of(&name);
                let description = Some(said.description).filter(|text| !text.is_empty());
                Shown {
                    description: description.unwrap_or_else(|| parts.store.description(&name)),
                    name: name.to_string(),
                    is_official: said.official,
                    is_automated: false,
                    star_count: said.stars,
                }
            })
            .filter(|shown| shown.name.contains(&words) || shown.description.to_lowercase().contains(&words))
            .collect();
        shown.sort_by(|a, b| (Reverse(a.star_count), &a.name).cmp(&(Reverse(b.star_count), &b.name)));
        Ok(shown)
    })
    .await?;
    let results: Vec<&Shown> = shown.iter().skip((page - 1).saturating_mul(size)).take(size).collect();
    Ok(reply::json(&json!({
        "query": text,
        "page": page,
        "page_size": size,
        "num_pages": shown.len().div_ceil(size),
        "num_results": shown.len(),
        "results": results,
    })))
}
