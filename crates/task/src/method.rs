//! Names of the service and its methods.

/// The service of protocol version 3.
pub const SERVICE_V3: &str = "containerd.task.v3.Task";
/// The service of protocol version 2; the messages are the same.
pub const SERVICE_V2: &str = "containerd.task.v2.Task";

/// A method of the `Task` service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the protocol's, and say it")]
pub enum Method {
    State,
    Create,
    Start,
    Delete,
    Pids,
    Pause,
    Resume,
    Checkpoint,
    Kill,
    Exec,
    ResizePty,
    CloseIo,
    Update,
    Wait,
    Stats,
    Connect,
    Shutdown,
    Events,
}

impl Method {
    /// All methods with their names on the wire.
    const NAMES: [(Self, &str); 18] = [
        (Self::State, "State"),
        (Self::Create, "Create"),
        (Self::Start, "Start"),
        (Self::Delete, "Delete"),
        (Self::Pids, "Pids"),
        (Self::Pause, "Pause"),
        (Self::Resume, "Resume"),
        (Self::Checkpoint, "Checkpoint"),
        (Self::Kill, "Kill"),
        (Self::Exec, "Exec"),
        (Self::ResizePty, "ResizePty"),
        (Self::CloseIo, "CloseIO"),
        (Self::Update, "Update"),
        (Self::Wait, "Wait"),
        (Self::Stats, "Stats"),
        (Self::Connect, "Connect"),
        (Self::Shutdown, "Shutdown"),
        (Self::Events, "Events"),
    ];

    /// The method called `name` of `service`, if that is the `Task` service in a version we speak.
    pub fn find(service: &str, name: &str) -> Option<Self> {
        if service != SERVICE_V3 && service != SERVICE_V2 {
            return None;
        }
        Self::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(method, _)| *method)
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(method, _)| *method == self)
            .map_or("", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_by_its_name_in_both_versions() {
        for (method, name) in Method::NAMES {
            assert_eq!(Method::find(SERVICE_V3, name), Some(method));
            assert_eq!(Method::find(SERVICE_V2, method.name()), Some(method));
        }
        assert_eq!(Method::find("containerd.runtime.sandbox.v1.Sandbox", "State"), None);
        assert_eq!(Method::find(SERVICE_V3, "create"), None);
    }
}
