//! Operations of the API that are not served: each answers as dockerd does in the state that this daemon is in, never
//! with "page not found".

use hyper::{Method, StatusCode};
use tierce_fault::Kind;

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::{Call, Table};
use crate::status::Failure;

/// Text of a daemon outside any swarm. Source: dockerd's answer.
const NOT_A_MANAGER: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to \
                             connect this node to swarm and try again.";

/// What it says of volumes that are no cluster's.
const NO_CLUSTER_VOLUMES: &str = "volume update only valid for cluster volumes, but swarm is unavailable";

/// Operations that need a swarm.
const SWARM: [(Method, &str); 27] = [
    (Method::GET, "/swarm"),
    (Method::POST, "/swarm/update"),
    (Method::GET, "/swarm/unlockkey"),
    (Method::POST, "/swarm/unlock"),
    (Method::GET, "/nodes"),
    (Method::GET, "/nodes/{id}"),
    (Method::DELETE, "/nodes/{id}"),
    (Method::POST, "/nodes/{id}/update"),
    (Method::GET, "/services"),
    (Method::POST, "/services/create"),
    (Method::GET, "/services/{id}/logs"),
    (Method::GET, "/services/{id}"),
    (Method::DELETE, "/services/{id}"),
    (Method::POST, "/services/{id}/update"),
    (Method::GET, "/tasks"),
    (Method::GET, "/tasks/{id}/logs"),
    (Method::GET, "/tasks/{id}"),
    (Method::GET, "/secrets"),
    (Method::POST, "/secrets/create"),
    (Method::GET, "/secrets/{id}"),
    (Method::DELETE, "/secrets/{id}"),
    (Method::POST, "/secrets/{id}/update"),
    (Method::GET, "/configs"),
    (Method::POST, "/configs/create"),
    (Method::GET, "/configs/{id}"),
    (Method::DELETE, "/configs/{id}"),
    (Method::POST, "/configs/{id}/update"),
];

/// Operations that are not written yet.
const LATER: [(Method, &str); 10] = [
    (Method::POST, "/swarm/init"),
    (Method::POST, "/swarm/join"),
    (Method::POST, "/build"),
    (Method::POST, "/build/cancel"),
    (Method::POST, "/session"),
    (Method::POST, "/grpc"),
    (Method::GET, "/images/{name}/attestations"),
    (Method::GET, "/plugins/privileges"),
    (Method::POST, "/plugins/pull"),
    (Method::POST, "/plugins/create"),
];

/// The routes of this group.
pub(super) fn routes(table: &mut Table<'_>) {
    for (method, pattern) in SWARM {
        table.add(method, pattern, no_manager);
    }
    for (method, pattern) in LATER {
        table.add(method, pattern, not_served);
    }
    table.post("/swarm/leave", |_| async {
        Ok(no_swarm("This node is not part of a swarm"))
    });
    table.add(Method::PUT, "/volumes/{name}", |_| async {
        Ok(no_swarm(NO_CLUSTER_VOLUMES))
    });
    table.get("/plugins", |_| async { Reply::json(&[(); 0]) });
    table.get("/plugins/{name}/json", no_such_plugin);
    for verb in [
        "/plugins/{name}/enable",
        "/plugins/{name}/disable",
        "/plugins/{name}/upgrade",
        "/plugins/{name}/push",
        "/plugins/{name}/set",
    ] {
        table.post(verb, no_such_plugin);
    }
    table.delete("/plugins/{name}", no_such_plugin);
}

async fn no_manager(_: Call) -> Outcome {
    Ok(no_swarm(NOT_A_MANAGER))
}

fn no_swarm(text: &str) -> Reply {
    Reply::failure(&Failure::new(Kind::Unavailable, text)).with_status(StatusCode::SERVICE_UNAVAILABLE)
}

async fn no_such_plugin(call: Call) -> Outcome {
    Err(Failure::new(
        Kind::NotFound,
        format!("plugin {:?} not found", call.name),
    ))
}

async fn not_served(call: Call) -> Outcome {
    let path = call.head.uri.path();
    Err(Failure::not_implemented(format!(
        "{} {path}: this daemon does not serve this operation",
        call.head.method
    )))
}
