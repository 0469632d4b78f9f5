//! Containers: one verb a file.

mod archive;
mod attach;
mod changes;
mod checkpoint;
mod create;
mod inspect;
mod kill;
mod list;
mod logs;
mod pause;
mod prune;
mod remove;
mod rename;
mod resize;
mod restart;
mod start;
mod stats;
mod stop;
mod top;
mod update;
mod wait;
mod why;

pub(in crate::routes) use resize::size;

use hyper::Method;

use crate::routes::Table;

/// The routes of this group.
pub(super) fn routes(table: &mut Table<'_>) {
    table.get("/containers/json", list::list);
    table.get("/containers/{id}/json", inspect::inspect);
    table.get("/containers/{id}/top", top::top);
    table.get("/containers/{id}/logs", logs::logs);
    table.get("/containers/{id}/changes", changes::changes);
    table.get("/containers/{id}/stats", stats::stats);
    table.get("/tierce/containers/{id}/why", why::why);
    table.get("/containers/{id}/checkpoints", checkpoint::list);
    table.post("/containers/{id}/checkpoints", checkpoint::create);
    table.delete("/containers/{id}/checkpoints/{checkpoint}", checkpoint::remove);
    table.post("/containers/create", create::create);
    table.post("/containers/prune", prune::prune);
    table.post("/containers/{id}/start", start::start);
    table.post("/containers/{id}/stop", stop::stop);
    table.post("/containers/{id}/restart", restart::restart);
    table.post("/containers/{id}/kill", kill::kill);
    table.post("/containers/{id}/pause", pause::pause);
    table.post("/containers/{id}/unpause", pause::unpause);
    table.post("/containers/{id}/wait", wait::wait);
    table.post("/containers/{id}/resize", resize::resize);
    table.post("/containers/{id}/attach", attach::attach);
    table.post("/containers/{id}/rename", rename::rename);
    table.post("/containers/{id}/update", update::update);
    table.get("/containers/{id}/attach/ws", attach::attach_websocket);
    table.add(Method::HEAD, "/containers/{id}/archive", archive::stat);
    table.get("/containers/{id}/archive", archive::take);
    table.add(Method::PUT, "/containers/{id}/archive", archive::put);
    table.delete("/containers/{id}", remove::remove);
}
