//! What clients ask of the supervisor itself.

use tierce_grpc::Status;
use tierce_task::messages::Empty;
use tierce_task::services::daemon::{
    EXTENSIONS, INTROSPECTION, LEASES, Lease, ListNamespacesResponse, NAMESPACES, Namespace, OneLease, OneNamespace,
    ServerResponse, VERSION, VersionResponse,
};
use tierce_task::status::Code;

use super::{Reply, Server, answer, decode, unknown};

pub(super) fn version(method: &str) -> Reply {
    match method {
        "Version" => answer(&VersionResponse {
            version: format!("tierce-supervisor {}", env!("CARGO_PKG_VERSION")),
            revision: String::new(),
            extensions: EXTENSIONS,
        }),
        _ => unknown(VERSION, method),
    }
}

/// Nothing is collected here, so that a lease has nothing to hold; clients want one before they make a container.
pub(super) fn leases(method: &str, message: &[u8]) -> Reply {
    match method {
        "Create" => {
            let mut lease: Lease = decode(message)?;
            let now = std::time::SystemTime::now();
            if lease.id.is_empty() {
                let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                lease.id = format!("{}-tierce", since.as_nanos());
            }
            lease.created_at = Some(now.into());
            answer(&OneLease { lease: Some(lease) })
        }
        // No lease is kept, so the list of them is empty.
        "Delete" | "List" => answer(&Empty {}),
        _ => unknown(LEASES, method),
    }
}

impl Server {
    pub(super) fn introspection(&self, method: &str) -> Reply {
        match method {
            "Server" => answer(&ServerResponse {
                uuid: self.identity.clone(),
                pid: std::process::id().into(),
                pidns: pid_namespace(),
            }),
            _ => unknown(INTROSPECTION, method),
        }
    }

    pub(super) fn namespaces(&self, method: &str, message: &[u8]) -> Reply {
        let own = Namespace {
            name: self.supervisor.config.namespace.clone(),
            ..Namespace::default()
        };
        match method {
            "List" => answer(&ListNamespacesResponse { namespaces: vec![own] }),
            "Get" => {
                // The request is a namespace with its name alone.
                let asked: Namespace = decode(message)?;
                if asked.name != own.name {
                    let text = format!("namespace {:?}: not found", asked.name);
                    return Err(Status::new(Code::NotFound as i32, text));
                }
                answer(&OneNamespace { namespace: Some(own) })
            }
            "Create" | "Update" | "Delete" => Err(self.elsewhere()),
            _ => unknown(NAMESPACES, method),
        }
    }
}

/// Its number; 0 where the kernel does not tell.
fn pid_namespace() -> u64 {
    let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let link = link.to_string_lossy();
    let number = link.trim_start_matches("pid:[").trim_end_matches(']').parse();
    number.unwrap_or_default()
}
