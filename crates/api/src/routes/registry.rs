//! What goes on to a registry: login, search, a look at what is behind a name.

use tierce_api_types::auth::{AuthConfig, AuthResponse};
use tierce_api_types::image::FoundRepository;
use tierce_engine::image::{Credentials, Found, Search};

use crate::convert;
use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::{Call, Table};
use crate::status::Failure;

/// The routes of this group.
pub(super) fn routes(table: &mut Table<'_>) {
    table.post("/auth", auth);
    table.get("/images/search", search);
    table.get("/distribution/{name}/json", look_up);
}

/// Tries credentials at their registry.
async fn auth(mut call: Call) -> Outcome {
    let wanted: AuthConfig = call.json().await?;
    let credentials = Credentials::from_document(&wanted.username, &wanted.password, &wanted.identity_token);
    let identity = call
        .engine
        .images
        .store()
        .log_in(&wanted.server_address, &credentials)
        .await?;
    Reply::json(&AuthResponse {
        status: "Login Succeeded".to_owned(),
        identity_token: identity.map(|token| token.reveal().to_owned()).unwrap_or_default(),
    })
}

/// Searches an index.
async fn search(call: Call) -> Outcome {
    let filters = call.query.filters()?;
    filters.validate(&["is-automated", "is-official", "stars"])?;
    let flag = |name: &str| {
        let given = filters.contains(name).then(|| filters.boolean(name, false));
        given.transpose()
    };
    let (automated, official) = (flag("is-automated")?, flag("is-official")?);
    let mut stars = 0;
    for text in filters.get("stars") {
        let number: i64 = text.parse().map_err(|_| {
            let cause = format!("strconv.Atoi: parsing {text:?}: invalid syntax");
            Failure::invalid(format!("invalid filter 'stars={text}': {cause}"))
        })?;
        stars = stars.max(number);
    }
    let search = Search {
        term: call.query.text("term").to_owned(),
        limit: limit(call.query.text("limit"))?,
        official,
        stars,
        credentials: call.credentials(),
    };
    // The index no longer marks automated builds: nothing is one.
    let found = if automated == Some(true) {
        Vec::new()
    } else {
        call.engine.images.store().search(&search).await?
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    Reply::json(&rows)
}

/// How many results are wanted, if that is said.
fn limit(text: &str) -> Result<Option<i64>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let limit = text.parse().map_err(|_| {
        let cause = format!("strconv.Atoi: parsing {text:?}: invalid syntax");
        Failure::invalid(format!("invalid limit specified: {cause}"))
    })?;
    Ok(Some(limit))
}

fn row(found: &Found) -> FoundRepository {
    FoundRepository {
        star_count: found.star_count,
        is_official: found.is_official,
        name: found.name.clone(),
        is_automated: false,
        description: found.description.clone(),
    }
}

/// What a registry has behind a name.
async fn look_up(call: Call) -> Outcome {
    let reference = convert::image::reference(&call.name, "")?;
    let credentials = call.credentials();
    let remote = call.engine.images.store().look_up(&reference, credentials).await?;
    let platforms = Some(remote.platforms).filter(|platforms| !platforms.is_empty());
    Reply::json(&serde_json::json!({"Descriptor": remote.descriptor, "Platforms": platforms}))
}
