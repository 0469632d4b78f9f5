//! `HEAD`, `GET` and `PUT /containers/{id}/archive`

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{HeaderName, HeaderValue};
use tierce_engine::container::{Extract, PathStat};
use tierce_fault::Kind;

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;
use crate::status::Failure;
use crate::{convert, pipe};

/// Carries what is at the path, as a document in base64.
const STAT: HeaderName = HeaderName::from_static("x-docker-container-path-stat");

/// Tells what is at a path.
pub(super) async fn stat(call: Call) -> Outcome {
    let stat = call.engine.containers.stat_path(&call.name, path(&call)?).await?;
    described(Reply::empty(), &stat)
}

/// Sends a file or directory as an archive.
pub(super) async fn take(call: Call) -> Outcome {
    let archiving = call.engine.containers.archive(&call.name, path(&call)?).await?;
    let stat = archiving.stat.clone();
    let archive = pipe::outlet(move |outlet| archiving.write(outlet));
    described(Reply::transfer("application/x-tar", archive), &stat)
}

/// Unpacks an archive into a directory.
pub(super) async fn put(call: Call) -> Outcome {
    let request = Extract {
        keep_kinds: call.query.flag("noOverwriteDirNonDir"),
        to_user: call.query.flag("copyUIDGID"),
    };
    let (path, name) = (path(&call).map(str::to_owned), call.name.clone());
    let containers = call.engine.containers.clone();
    // Before anything is refused: who still sends does not hear the answer.
    let input = pipe::inlet(call.request.body);
    containers.extract(&name, &path?, request, input).await?;
    Ok(Reply::empty())
}

fn path(call: &Call) -> Result<&str, Failure> {
    match call.query.text("path") {
        // dockerd's words, blank and all.
        "" => Err(Failure::invalid("bad parameter: pathcannot be empty")),
        path if path.contains('\0') => Err(Failure::invalid("bad parameter: path has a zero byte in it")),
        path => Ok(path),
    }
}

fn described(reply: Reply, stat: &PathStat) -> Outcome {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Kind::Internal, format!("describe the path: {error}"));
    let document = serde_json::to_vec(&convert::container::path_stat(stat)).map_err(|error| failed(&error))?;
    let value = HeaderValue::try_from(STANDARD.encode(document)).map_err(|error| failed(&error))?;
    Ok(reply.with_header(STAT, value))
}
