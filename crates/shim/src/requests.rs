//! From a frame to the verb it asks for.

use prost::Message;
use tierce_fault::Kind;
use tierce_task::frame::{Frame, KIND_REQUEST};
use tierce_task::messages::{Empty, Request};
use tierce_task::method::Method;

use crate::connection::Reply;
use crate::error::{Error, Result};
use crate::serve::Shim;
use crate::{checkpoint, control, lifecycle};

/// Serves a request, or refuses it. Frames of other kinds (the end of a caller's stream) need no answer.
pub(crate) fn on_frame(shim: &mut Shim, reply: Reply, frame: &Frame) {
    if frame.kind != KIND_REQUEST {
        return;
    }
    if let Err(error) = serve(shim, reply, &frame.payload) {
        shim.answer::<Empty>(reply, Err(error));
    }
}

/// An error is the answer; success may be answered later.
fn serve(shim: &mut Shim, reply: Reply, payload: &[u8]) -> Result<()> {
    let request: Request = decode(payload)?;
    let unknown = || {
        Error::refused(
            Kind::NotImplemented,
            format!("no method {} in service {}", request.method, request.service),
        )
    };
    let method = Method::find(&request.service, &request.method).ok_or_else(unknown)?;
    let payload = &request.payload[..];
    match method {
        Method::Create => lifecycle::create(shim, reply, decode(payload)?),
        Method::Start => lifecycle::start(shim, reply, &decode(payload)?),
        Method::Exec => lifecycle::exec(shim, reply, decode(payload)?),
        Method::Delete => lifecycle::delete(shim, reply, &decode(payload)?),
        Method::Shutdown => {
            lifecycle::shutdown(shim, reply, &decode(payload)?);
            Ok(())
        }
        Method::State => control::state(shim, reply, &decode(payload)?),
        Method::Wait => control::wait(shim, reply, &decode(payload)?),
        Method::Kill => control::kill(shim, reply, &decode(payload)?),
        Method::ResizePty => control::resize(shim, reply, &decode(payload)?),
        Method::CloseIo => control::close_io(shim, reply, &decode(payload)?),
        Method::Pause => control::pause(shim, reply, true),
        Method::Resume => control::pause(shim, reply, false),
        Method::Update => control::update(shim, reply, &decode(payload)?),
        Method::Stats => control::stats(shim, reply, &decode(payload)?),
        Method::Pids => control::pids(shim, reply),
        Method::Connect => control::connect(shim, reply),
        Method::Events => {
            shim.publisher.subscribers.push(reply);
            Ok(())
        }
        Method::Checkpoint => checkpoint::checkpoint(shim, reply, &decode(payload)?),
    }
}

fn decode<M: Message + Default>(payload: &[u8]) -> Result<M> {
    M::decode(payload).map_err(|error| Error::refused(Kind::Invalid, format!("malformed request: {error}")))
}
