//! The tags of a repository.

use crate::{Error, Repository, Url};
use http::header;
use serde::Deserialize;

const LONGEST_PAGE: u64 = 4 << 20;
/// A repository with more tags than this is not pulled whole.
const MOST_PAGES: usize = 1000;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Repository {
    /// All tags, in the registry's order.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn tags(&self) -> Result<Vec<String>, Error> {
        let mut tags = Vec::new();
        let mut what = "tags/list".to_owned();
        for _ in 0..MOST_PAGES {
            let answer = self.get(&what, &["application/json"], 0).await?;
            let url = answer.url.clone();
            let next = answer
                .header(header::LINK)
                .and_then(next_page)
                .map(|link| url.join(link))
                .transpose()?;
            let body = answer.into_bytes("list of tags", LONGEST_PAGE).await?;
            let page: Page = serde_json::from_slice(&body).map_err(|error| Error::Malformed {
                url: url.shown(),
                cause: format!("the list of tags is no JSON: {error}"),
            })?;
            tags.extend(page.tags.unwrap_or_default());
            match next.as_ref().and_then(Url::query) {
                // Only the query is taken: a page cannot lead to another host or repository.
                Some(query) => what = format!("tags/list?{query}"),
                None => return Ok(tags),
            }
        }
        Err(Error::TooLarge {
            url: self.domain().to_owned(),
            object: "list of tags".to_owned(),
            limit: LONGEST_PAGE,
        })
    }
}

/// The target of `<target>; rel="next"` (RFC 8288).
pub(crate) fn next_page(link: &str) -> Option<&str> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    parameters
        .replace([' ', '"'], "")
        .contains("rel=next")
        .then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_links() {
        assert_eq!(
            next_page("</v2/a/tags/list?n=1&last=x>; rel=\"next\""),
            Some("/v2/a/tags/list?n=1&last=x")
        );
        assert_eq!(next_page("</v2>; rel=prev"), None);
        assert_eq!(next_page("nonsense"), None);
    }
}
