//! Networks.

use hyper::StatusCode;
use tierce_api_types::network::{
    Network, NetworkConnect, NetworkCreate, NetworkCreated, NetworkDisconnect, NetworksPruned,
};
use tierce_fault::Kind;

use crate::convert;
use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::{Call, Table};
use crate::status::Failure;

/// The routes of this group.
pub(super) fn routes(table: &mut Table<'_>) {
    table.get("/networks", list);
    table.get("/networks/", list);
    table.get("/networks/{id}", inspect);
    table.post("/networks/create", create);
    table.post("/networks/prune", prune);
    table.post("/networks/{id}/connect", connect);
    table.post("/networks/{id}/disconnect", disconnect);
    table.delete("/networks/{id}", remove);
}

/// Lists networks; who is on them is told only by inspect since API 1.28.
async fn list(call: Call) -> Outcome {
    let with_members = !call.speaks(28);
    let networks = call.engine.networks.list(&call.query.filters()?)?;
    let documents: Vec<Network> = networks
        .iter()
        .map(|details| convert::network::document(details, with_members))
        .collect();
    Reply::json(&documents)
}

async fn inspect(call: Call) -> Outcome {
    let verbose = call.query.text("verbose");
    if !verbose.is_empty() && !is_go_bool(verbose) {
        return Err(Failure::invalid(format!(
            "invalid value for verbose: {verbose}: strconv.ParseBool: parsing {verbose:?}: invalid syntax"
        )));
    }
    if !matches!(call.query.text("scope"), "" | "local") {
        return Err(Failure::new(Kind::NotFound, format!("network {} not found", call.name)));
    }
    let details = call.engine.networks.inspect(&call.name)?;
    Reply::json(&convert::network::document(&details, true))
}

/// What Go's `strconv.ParseBool` understands.
fn is_go_bool(text: &str) -> bool {
    let yes = ["1", "t", "T", "TRUE", "true", "True"];
    let no = ["0", "f", "F", "FALSE", "false", "False"];
    yes.contains(&text) || no.contains(&text)
}

async fn create(mut call: Call) -> Outcome {
    let mut wire: NetworkCreate = call.json_or_default().await?;
    if !call.speaks(48) {
        // Clients could not ask for a network without IPv4.
        wire.enable_ipv4 = None;
    }
    let network = call.engine.networks.create(convert::network::create(wire)?).await?;
    let answer = NetworkCreated {
        id: network.id.clone(),
        warning: String::new(),
    };
    Ok(Reply::json(&answer)?.with_status(StatusCode::CREATED))
}

async fn remove(call: Call) -> Outcome {
    call.engine.networks.remove(&call.name).await?;
    Ok(Reply::no_content())
}

async fn prune(call: Call) -> Outcome {
    let pruned = call.engine.networks.prune(&call.query.filters()?).await?;
    Reply::json(&NetworksPruned {
        networks_deleted: (!pruned.removed.is_empty()).then_some(pruned.removed),
    })
}

async fn connect(mut call: Call) -> Outcome {
    let wire: NetworkConnect = call.json_or_default().await?;
    let wish = convert::container::endpoint_wish(wire.endpoint_config.unwrap_or_default());
    call.engine.networks.connect(&call.name, &wire.container, wish).await?;
    Ok(Reply::empty())
}

async fn disconnect(mut call: Call) -> Outcome {
    let wire: NetworkDisconnect = call.json_or_default().await?;
    call.engine
        .networks
        .disconnect(&call.name, &wire.container, wire.force)
        .await?;
    Ok(Reply::empty())
}
