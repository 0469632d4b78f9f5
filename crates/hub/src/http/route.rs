//! The endpoints, by the numbers of the distribution specification.
//!
//! | | Request | Answered in |
//! |---|---|---|
//! | end-1 | `GET /v2/` | `mod.rs` |
//! | end-2 | `GET HEAD /v2/<name>/blobs/<digest>` | `blob.rs` |
//! | end-3 | `GET HEAD /v2/<name>/manifests/<reference>` | `manifest.rs` |
//! | end-4a, 4b | `POST /v2/<name>/blobs/uploads/`, with `?digest=` | `upload.rs` |
//! | end-5 | `PATCH /v2/<name>/blobs/uploads/<id>` | `upload.rs` |
//! | end-6 | `PUT /v2/<name>/blobs/uploads/<id>?digest=` | `upload.rs` |
//! | end-7 | `PUT /v2/<name>/manifests/<reference>` | `manifest.rs` |
//! | end-8a, 8b | `GET /v2/<name>/tags/list`, with `?n=&last=` | `listing.rs` |
//! | end-9 | `DELETE /v2/<name>/manifests/<reference>` | `manifest.rs` |
//! | end-10 | `DELETE /v2/<name>/blobs/<digest>` | `blob.rs` |
//! | end-11 | `POST /v2/<name>/blobs/uploads/?mount=&from=` | `upload.rs` |
//! | end-12a, 12b | `GET /v2/<name>/referrers/<digest>`, with `?artifactType=` | `listing.rs` |
//! | end-13 | `GET /v2/<name>/blobs/uploads/<id>` | `upload.rs` |
//! | end-14 | `DELETE /v2/<name>/blobs/uploads/<id>` | `upload.rs` |
//! | Docker | `GET /v2/_catalog` | `listing.rs` |
//! | Docker Hub | `GET /v1/search?q=&n=`, `GET /v1/_ping` | `search.rs` |
//! | tokens | `GET /token` | `token.rs` |

use hyper::Method;
use tierce_oci::Digest;

use super::query::decode;
use super::refusal::{Code, Refusal};
use crate::store::{Name, Tag, Which};

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// Is this a registry?
    Base,
    /// Is this an index?
    Ping,
    /// A token for who one is.
    Token,
    /// Repositories by words.
    Search,
    /// All repositories.
    Catalog,
    /// The tags of a repository.
    Tags(Name),
    /// A manifest.
    Manifest(Name, Which),
    /// A blob.
    Blob(Name, Digest),
    /// New uploads.
    Uploads(Name),
    /// An upload under way.
    Upload(Name, String),
    /// Manifests about a manifest.
    Referrers(Name, Digest),
}

impl Route {
    /// What a path is for.
    pub(crate) fn parse(method: &Method, path: &str) -> Result<Self, Refusal> {
        match path {
            "/v2/" | "/v2" => return Ok(Self::Base),
            "/v2/_catalog" => return Ok(Self::Catalog),
            "/v1/_ping" | "/v1/_ping/" => return Ok(Self::Ping),
            "/v1/search" => return Ok(Self::Search),
            "/token" => return Ok(Self::Token),
            _ => {}
        }
        let rest = path.strip_prefix("/v2/").ok_or_else(|| unknown(path))?;
        // A name may have components of any kind, so the end says what it is.
        let mut end = rest.rsplitn(4, '/');
        let (last, before, third, front) = (end.next(), end.next(), end.next(), end.next());
        let (Some(last), Some(before), Some(third)) = (last, before, third) else {
            return Err(unknown(path));
        };
        let last = decode(last, false);
        if let ("blobs", "uploads", Some(front)) = (third, before, front) {
            let name = name(front)?;
            return Ok(if last.is_empty() {
                Self::Uploads(name)
            } else {
                Self::Upload(name, last)
            });
        }
        let front = match front {
            Some(front) => format!("{front}/{third}"),
            None => third.to_owned(),
        };
        match before {
            // Docker's own clients leave the last slash out at times.
            "blobs" if last == "uploads" => Ok(Self::Uploads(name(&front)?)),
            "blobs" => Ok(Self::Blob(name(&front)?, digest(&last)?)),
            "manifests" => Ok(Self::Manifest(name(&front)?, which(method, &last)?)),
            "referrers" => Ok(Self::Referrers(name(&front)?, digest(&last)?)),
            "tags" if last == "list" => Ok(Self::Tags(name(&front)?)),
            _ => Err(unknown(path)),
        }
    }

    /// The methods that it takes.
    pub(crate) fn methods(&self) -> &'static str {
        match self {
            Self::Base => "GET, HEAD",
            Self::Ping | Self::Token | Self::Search | Self::Catalog | Self::Tags(_) | Self::Referrers(..) => "GET",
            Self::Manifest(..) => "GET, HEAD, PUT, DELETE",
            Self::Blob(..) => "GET, HEAD, DELETE",
            Self::Uploads(_) => "POST",
            Self::Upload(..) => "GET, PATCH, PUT, DELETE",
        }
    }
}

fn name(text: &str) -> Result<Name, Refusal> {
    let text = decode(text, false);
    Name::parse(&text).ok_or_else(|| Refusal::new(Code::NameInvalid, "invalid repository name").about("name", &text))
}

/// A digest that a request names.
pub(super) fn digest(text: &str) -> Result<Digest, Refusal> {
    text.parse()
        .map_err(|error: tierce_oci::Error| Refusal::new(Code::DigestInvalid, error.to_string()))
}

fn which(method: &Method, text: &str) -> Result<Which, Refusal> {
    if text.contains(':') {
        return digest(text).map(Which::Digest);
    }
    Tag::parse(text).map(Which::Tag).ok_or_else(|| {
        // Nothing has such a tag, and nothing can get it.
        let code = if method == Method::PUT {
            Code::TagInvalid
        } else {
            Code::ManifestUnknown
        };
        Refusal::new(code, "invalid tag").about("tag", text)
    })
}

fn unknown(path: &str) -> Refusal {
    Refusal::new(Code::NotFound, "there is nothing at this path").about("path", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_path_says_what_it_is() {
        let hex = "0".repeat(64);
        let digest: Digest = format!("sha256:{hex}").parse().unwrap();
        let name = |text| Name::parse(text).unwrap();
        let parse = |path: &str| Route::parse(&Method::GET, path);
        let cases = [
            ("/v2/".to_owned(), Route::Base),
            ("/v2/a/tags/list".to_owned(), Route::Tags(name("a"))),
            ("/v2/a/b/tags/list".to_owned(), Route::Tags(name("a/b"))),
            (
                "/v2/blobs/uploads/tags/list".to_owned(),
                Route::Tags(name("blobs/uploads")),
            ),
            ("/v2/a/b/blobs/uploads/".to_owned(), Route::Uploads(name("a/b"))),
            ("/v2/a/blobs/uploads".to_owned(), Route::Uploads(name("a"))),
            (
                "/v2/a/blobs/uploads/1f".to_owned(),
                Route::Upload(name("a"), "1f".to_owned()),
            ),
            (
                format!("/v2/a/blobs/sha256:{hex}"),
                Route::Blob(name("a"), digest.clone()),
            ),
            (
                format!("/v2/a/b/c/manifests/sha256%3A{hex}"),
                Route::Manifest(name("a/b/c"), Which::Digest(digest.clone())),
            ),
            (
                "/v2/a/manifests/v1".to_owned(),
                Route::Manifest(name("a"), Which::Tag(Tag::parse("v1").unwrap())),
            ),
            (
                format!("/v2/a/referrers/sha256:{hex}"),
                Route::Referrers(name("a"), digest),
            ),
        ];
        for (path, route) in cases {
            assert_eq!(parse(&path).ok(), Some(route), "{path}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused_with_its_code() {
        let code = |path: &str| Route::parse(&Method::GET, path).err().map(|refusal| refusal.code);
        for (path, wanted) in [
            ("/", Code::NotFound),
            ("/v2", Code::NotFound),
            ("/v2/a", Code::NotFound),
            ("/v2/a/tags", Code::NotFound),
            ("/v2//tags/list", Code::NameInvalid),
            ("/v2/A/tags/list", Code::NameInvalid),
            ("/v2/../../etc/manifests/passwd", Code::NameInvalid),
            ("/v2/a%2f..%2fb/tags/list", Code::NameInvalid),
            ("/v2/a/blobs/sha256:0", Code::DigestInvalid),
            ("/v2/a/blobs/md5:0", Code::DigestInvalid),
            ("/v2/a/manifests/.INVALID", Code::ManifestUnknown),
            ("/v2/a/manifests/sha256:bad", Code::DigestInvalid),
        ] {
            let found = code(path);
            let base = path == "/v2";
            assert_eq!(found, (!base).then_some(wanted), "{path}");
        }
        let put = Route::parse(&Method::PUT, "/v2/a/manifests/.INVALID")
            .err()
            .map(|refusal| refusal.code);
        assert_eq!(put, Some(Code::TagInvalid));
    }
}
