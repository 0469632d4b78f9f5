//! `GET /tierce/ports` and `GET /tierce/networks/diagnose`: outside of Docker's names, since Docker has nothing like it.

use tierce_api_types::reach::{Entrance, NetworkDiagnosis, NetworkFinding, Passage, PortReach};
use tierce_engine::network::reach;

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::{Call, Table};

/// The routes of this group.
pub(super) fn routes(table: &mut Table<'_>) {
    table.get("/tierce/ports", ports);
    table.get("/tierce/networks/diagnose", diagnose);
}

/// Who can reach published ports.
async fn ports(call: Call) -> Outcome {
    let ports = call.engine.networks.reach().await?;
    let documents: Vec<_> = ports.into_iter().map(port).collect();
    Reply::json(&documents)
}

/// What is wrong with the networks of a container, or with all.
async fn diagnose(call: Call) -> Outcome {
    let container = call.query.non_empty("container");
    let diagnosis = call.engine.networks.diagnose(container.as_deref()).await?;
    let findings = diagnosis.findings.into_iter().map(|finding| NetworkFinding {
        subject: finding.subject.name().to_owned(),
        what: finding.what,
        evidence: finding.evidence,
        mend: finding.mend,
    });
    Reply::json(&NetworkDiagnosis {
        container: diagnosis.container,
        checked: diagnosis.checked.into_iter().map(|one| one.name().to_owned()).collect(),
        findings: findings.collect(),
        not_judged: diagnosis.not_judged,
    })
}

fn port(port: reach::PortReach) -> PortReach {
    let entrances = port.outside.into_iter().map(|entrance| Entrance {
        interface: entrance.interface,
        address: entrance.address.to_string(),
        passage: passage(entrance.passage),
        bypasses: entrance.bypasses.unwrap_or_default(),
    });
    PortReach {
        id: port.container,
        name: port.name,
        host_ip: port.published.address.to_string(),
        host_port: port.published.host_port,
        port: port.published.port.to_string(),
        target: port.target.to_string(),
        way: match port.carrier {
            reach::Carrier::Kernel => "kernel",
            reach::Carrier::Relay => "relay",
            reach::Carrier::Route => "route",
        }
        .to_owned(),
        this_host: port.this_host,
        containers: passage(port.containers),
        outside: entrances.collect(),
    }
}

fn passage(passage: reach::Passage) -> Passage {
    let (verdict, chains) = match passage {
        reach::Passage::Open => ("open", Vec::new()),
        reach::Passage::Blocked(chain) => ("blocked", vec![chain]),
        reach::Passage::Depends(chains) => ("depends", chains),
    };
    Passage {
        verdict: verdict.to_owned(),
        chains,
    }
}
