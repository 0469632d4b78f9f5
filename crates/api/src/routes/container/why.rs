//! `GET /tierce/containers/{id}/why`: outside of Docker's names, since Docker has nothing like it.

use tierce_api_types::container::{WhyFinding, WhyResponse};

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;

/// Why a container is as it is.
pub(super) async fn why(call: Call) -> Outcome {
    let reason = call.engine.containers.why(&call.name).await?;
    let findings = reason.explanation.findings.into_iter().map(|finding| WhyFinding {
        what: finding.what,
        evidence: finding.evidence,
        advice: finding.advice,
    });
    Reply::json(&WhyResponse {
        id: reason.id,
        name: reason.name,
        status: reason.status.to_owned(),
        summary: reason.explanation.summary,
        findings: findings.collect(),
    })
}
