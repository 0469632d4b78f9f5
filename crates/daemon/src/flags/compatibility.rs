//! Options of dockerd that are not served: those without a meaning here, and those that would be a lie.
//!
//! Each is on the command line and in `daemon.json` alike. The first kind is accepted with a note in the log, so that
//! dockerd's command lines work. The second kind is refused with the reason, unless the value given is the one that
//! asks for nothing: somebody may rely on it.

use clap::{Arg, ArgAction, ArgMatches};
use serde_json::{Map, Value};

/// What becomes of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Accepted; why it changes nothing.
    Noted(&'static str),
    /// Refused, and why.
    Refused(&'static str),
    /// Refused where SELinux is in force, and why; elsewhere there is nothing to switch on, and dockerd goes on, too.
    OfSelinux(&'static str),
}

/// What the flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Switch,
    Text,
    Number,
    List,
    /// No flag: only a key of the file.
    Nothing,
}

/// One option.
#[derive(Debug)]
pub(crate) struct Unserved {
    /// Name of the flag, without its dashes.
    pub(super) flag: &'static str,
    /// Key in `daemon.json`.
    pub(crate) key: &'static str,
    takes: Takes,
    pub(crate) verdict: Verdict,
}

const fn noted(flag: &'static str, key: &'static str, takes: Takes, reason: &'static str) -> Unserved {
    Unserved {
        flag,
        key,
        takes,
        verdict: Verdict::Noted(reason),
    }
}

const fn refused(flag: &'static str, key: &'static str, takes: Takes, reason: &'static str) -> Unserved {
    Unserved {
        flag,
        key,
        takes,
        verdict: Verdict::Refused(reason),
    }
}

const NO_CRI: &str = "no part of containerd's is in this daemon";
const NO_SWARM: &str = "there is no swarm mode";
const NO_REALTIME: &str = "real-time scheduling of the parent control group is not served";

/// Every option of dockerd 28.5 that is not served.
pub(crate) const UNSERVED: [Unserved; 20] = [
    noted(
        "containerd-plugins-namespace",
        "containerd-plugins-namespace",
        Takes::Text,
        NO_CRI,
    ),
    noted("cri-containerd", "cri-containerd", Takes::Switch, NO_CRI),
    noted(
        "ip-forward-no-drop",
        "ip-forward-no-drop",
        Takes::Switch,
        "the policy of the chain FORWARD is never changed",
    ),
    noted(
        "network-control-plane-mtu",
        "network-control-plane-mtu",
        Takes::Number,
        NO_SWARM,
    ),
    noted(
        "network-diagnostic-port",
        "network-diagnostic-port",
        Takes::Number,
        "there is no network diagnostic server",
    ),
    noted("node-generic-resource", "node-generic-resources", Takes::List, NO_SWARM),
    noted("raw-logs", "raw-logs", Takes::Switch, "the log is never coloured"),
    noted(
        "restart",
        "restart",
        Takes::Switch,
        "containers have restart policies (Docker has deprecated this flag)",
    ),
    noted(
        "swarm-default-advertise-addr",
        "swarm-default-advertise-addr",
        Takes::Text,
        NO_SWARM,
    ),
    noted(
        "userland-proxy-path",
        "userland-proxy-path",
        Takes::Text,
        "there is no proxy process",
    ),
    noted("", "builder", Takes::Nothing, "there is no builder yet"),
    noted(
        "",
        "allow-nondistributable-artifacts",
        Takes::Nothing,
        "Docker has removed it",
    ),
    noted("", "deprecated-key-path", Takes::Nothing, "Docker has removed it"),
    refused(
        "api-cors-header",
        "api-cors-header",
        Takes::Text,
        "DEPRECATED: The \"api-cors-header\" config parameter and the dockerd \"--api-cors-header\" option have been \
         removed; use a reverse proxy if you need CORS headers",
    ),
    refused(
        "authorization-plugin",
        "authorization-plugins",
        Takes::List,
        "there are no plugins, and requests would go unauthorized",
    ),
    refused("cpu-rt-period", "cpu-rt-period", Takes::Number, NO_REALTIME),
    refused("cpu-rt-runtime", "cpu-rt-runtime", Takes::Number, NO_REALTIME),
    refused("rootless", "rootless", Takes::Switch, "rootless mode is not served yet"),
    Unserved {
        flag: "selinux-enabled",
        key: "selinux-enabled",
        takes: Takes::Switch,
        verdict: Verdict::OfSelinux("SELinux labels are not set yet, and containers would go unconfined"),
    },
    refused(
        "userns-remap",
        "userns-remap",
        Takes::Text,
        "user namespaces are not remapped yet, and containers would be the host's root",
    ),
];

/// What is known of a key of `daemon.json`, if it is none that is served.
pub(crate) fn of_key(key: &str) -> Option<&'static Unserved> {
    UNSERVED.iter().find(|option| option.key == key)
}

/// What dockerd says where SELinux cannot be switched on.
pub(crate) const NO_SELINUX: &str = "Docker could not enable SELinux on the host system";

/// Whether the kernel has SELinux, with a policy or without.
pub(crate) fn selinux_is_there() -> bool {
    std::path::Path::new("/sys/fs/selinux/enforce").exists()
}

/// Whether a value asks for nothing, so that there is nothing to refuse.
pub(crate) fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        _ => false,
    }
}

/// The flags, for the parser.
pub(super) fn arguments() -> impl Iterator<Item = Arg> {
    UNSERVED
        .iter()
        .filter(|option| option.takes != Takes::Nothing)
        .map(|option| {
            let (heading, reason) = match option.verdict {
                Verdict::Noted(reason) => ("Accepted without effect", reason),
                Verdict::Refused(reason) | Verdict::OfSelinux(reason) => ("Refused", reason),
            };
            let argument = Arg::new(option.flag)
                .long(option.flag)
                .help(reason)
                .help_heading(heading);
            match option.takes {
                Takes::Switch => argument.value_parser(clap::value_parser!(bool)),
                Takes::Number => argument.value_name("NUMBER").value_parser(clap::value_parser!(i64)),
                Takes::List => argument.value_name("VALUE").action(ArgAction::Append),
                Takes::Text | Takes::Nothing => argument.value_name("VALUE"),
            }
        })
}

/// What was given of them, under the keys of `daemon.json`.
pub(super) fn given(matches: &ArgMatches) -> Map<String, Value> {
    let mut given = Map::new();
    for option in UNSERVED.iter().filter(|option| option.takes != Takes::Nothing) {
        let value = match option.takes {
            Takes::Switch => matches.get_one::<bool>(option.flag).copied().map(Value::from),
            Takes::Number => matches.get_one::<i64>(option.flag).copied().map(Value::from),
            Takes::List => matches
                .get_many::<String>(option.flag)
                .map(|values| values.cloned().collect::<Vec<_>>().into()),
            Takes::Text | Takes::Nothing => matches.get_one::<String>(option.flag).cloned().map(Value::from),
        };
        if let Some(value) = value {
            given.insert(option.key.to_owned(), value);
        }
    }
    given
}
