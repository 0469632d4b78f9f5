//! The command line, in dockerd's spelling.
//!
//! Each flag serialises under the key that `daemon.json` has for it, so that flags and file become one document and
//! what is given twice is found by name. Flags of dockerd that are not served are in [`compatibility`].

mod compatibility;
mod containers;
mod daemon;
mod images;
mod network;
mod usage;
mod values;

use std::any::TypeId;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, CommandFactory, FromArgMatches, Parser};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::called_as::CalledAs;

pub(crate) use compatibility::{NO_SELINUX, UNSERVED, Verdict, asks_for_nothing, of_key, selinux_is_there};

/// A Docker-compatible engine.
#[derive(Debug, Clone, Default, Parser, Serialize)]
#[command(
    name = "tierced",
    about,
    disable_help_subcommand = true,
    disable_version_flag = true,
    args_override_self = true
)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Flags {
    /// Daemon configuration file [default: /etc/tierce/daemon.json, else /etc/docker/daemon.json]
    #[arg(long, value_name = "PATH")]
    #[serde(skip)]
    pub(crate) config_file: Option<PathBuf>,
    /// Check the configuration and exit
    #[arg(long)]
    #[serde(skip)]
    pub(crate) validate: bool,
    /// Print the version and exit
    #[arg(short = 'v', long, action = ArgAction::SetTrue)]
    #[serde(skip)]
    pub(crate) version: bool,
    #[command(flatten)]
    #[serde(flatten)]
    daemon: daemon::DaemonFlags,
    #[command(flatten)]
    #[serde(flatten)]
    supervisor: daemon::SupervisorFlags,
    #[command(flatten)]
    #[serde(flatten)]
    tls: daemon::TlsFlags,
    #[command(flatten)]
    #[serde(flatten)]
    images: images::StorageFlags,
    #[command(flatten)]
    #[serde(flatten)]
    network: network::NetworkFlags,
    #[command(flatten)]
    #[serde(flatten)]
    ipv6: network::Ipv6Flags,
    #[command(flatten)]
    #[serde(flatten)]
    addresses: network::AddressFlags,
    #[command(flatten)]
    #[serde(flatten)]
    containers: containers::ContainerFlags,
    #[command(flatten)]
    #[serde(flatten)]
    isolation: containers::IsolationFlags,
    /// Those of dockerd that are not served.
    #[arg(skip)]
    #[serde(flatten)]
    unserved: Map<String, Value>,
    /// Whose default places count.
    #[arg(skip)]
    #[serde(skip)]
    pub(crate) called_as: CalledAs,
}

impl Flags {
    /// Reads a command line; the first argument is the program's name.
    ///
    /// # Errors
    /// The text for standard error, or for standard output where help was asked for.
    pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let called_as = CalledAs::of(arguments.first().map(OsString::as_os_str));
        let command = Self::whole_command(called_as);
        let known = command.clone();
        let matches = command.try_get_matches_from(arguments).map_err(|error| {
            if error.use_stderr() {
                clap::Error::raw(error.kind(), usage::explain(&known, &error))
            } else {
                error
            }
        })?;
        let mut flags = Self::from_arg_matches(&matches)?;
        flags.unserved = compatibility::given(&matches);
        flags.called_as = called_as;
        Ok(flags)
    }

    /// The parser, with every flag of dockerd.
    fn whole_command(called_as: CalledAs) -> clap::Command {
        Self::command()
            .name(called_as.name())
            .override_usage(format!("{} [OPTIONS]", called_as.name()))
            .args(compatibility::arguments())
            .mut_args(switch)
    }

    /// What was given, under the keys of `daemon.json`.
    pub(crate) fn document(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            // A struct of plain values serialises to an object.
            _ => Map::new(),
        }
    }
}

/// Gives a boolean Go's form: `--flag`, or `--flag=VALUE`.
fn switch(argument: Arg) -> Arg {
    let boolean = argument.get_value_parser().type_id() == TypeId::of::<bool>();
    if !boolean || !matches!(argument.get_action(), ArgAction::Set) {
        return argument;
    }
    argument
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .hide_possible_values(true)
        .value_name("BOOL")
        .value_parser(tierce_oci::parse_bool)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(words: &[&str]) -> Result<Flags, String> {
        Flags::read(words.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_become_the_keys_of_the_file() {
        let flags = read(&[
            "tierced",
            "-H",
            "unix:///a",
            "-H",
            "tcp://b",
            "--iptables=false",
            "-D",
            "--log-opt",
            "max-size=1m",
            "--default-address-pool",
            "base=10.0.0.0/8,size=24",
            "--add-runtime",
            "crun=/usr/bin/crun",
            "-s",
            "vfs",
            "--https-proxy",
            "p:1",
        ])
        .unwrap();
        assert_eq!(
            Value::Object(flags.document()),
            json!({
                "hosts": ["unix:///a", "tcp://b"], "iptables": false, "debug": true, "log-opts": {"max-size": "1m"},
                "default-address-pools": [{"base": "10.0.0.0/8", "size": 24}], "storage-driver": "vfs",
                "runtimes": {"crun": {"path": "/usr/bin/crun"}}, "https-proxy": "p:1"
            })
        );
        assert!(read(&["tierced"]).unwrap().document().is_empty());
    }

    #[test]
    fn row_094_a_wrong_command_line_is_told_in_dockers_words() {
        for (words, text) in [
            (
                &["dockerd", "--nope"][..],
                "unknown flag: --nope\nSee 'dockerd --help'.",
            ),
            (
                &["dockerd", "-y"],
                "unknown shorthand flag: 'y' in -y\nSee 'dockerd --help'.",
            ),
            (
                &["tierced", "foo"],
                "\"tierced\" accepts no arguments.\nSee 'tierced --help'.",
            ),
            (
                &["dockerd", "--storage-opt"],
                "flag needs an argument: --storage-opt\nSee 'dockerd --help'.",
            ),
            (
                &["dockerd", "--label", "a"],
                "invalid argument \"a\" for \"--label\" flag: bad attribute format: a\nSee 'dockerd --help'.",
            ),
            (
                &["dockerd", "-D=maybe"],
                "invalid argument \"maybe\" for \"-D, --debug\" flag: strconv.ParseBool: parsing \"maybe\": invalid \
                 syntax\nSee 'dockerd --help'.",
            ),
        ] {
            let told = read(words).unwrap_err();
            assert!(told.contains(text), "{told}");
        }
        // The last of a flag that may be given once counts, as everywhere in Docker.
        let flags = read(&["tierced", "--mtu", "1", "--mtu", "2", "--dns", "1.1.1.1,8.8.8.8"]).unwrap();
        assert_eq!(
            Value::Object(flags.document()),
            json!({"mtu": 2, "dns": ["1.1.1.1", "8.8.8.8"]})
        );
    }

    /// Every flag of dockerd's own help is of exactly one class: served, accepted with a note, or refused.
    #[test]
    fn row_094_every_flag_of_dockerd_has_its_class() {
        let help = include_str!("../../tests/dockerd-28.5-help.txt");
        let flags: Vec<&str> = help
            .lines()
            .filter(|line| line.trim_start().starts_with('-'))
            .filter_map(|line| line.split("--").nth(1)?.split(' ').next())
            .collect();
        assert!(flags.len() > 80, "{}", flags.len());
        let has = |command: &clap::Command, flag: &str| command.get_arguments().any(|it| it.get_long() == Some(flag));
        let whole = Flags::whole_command(CalledAs::Dockerd);
        let served = Flags::command();
        for flag in flags.iter().filter(|flag| **flag != "help") {
            let unserved = UNSERVED.iter().filter(|option| option.flag == *flag).count();
            let classes = usize::from(has(&served, flag)) + unserved;
            assert_eq!(classes, 1, "--{flag}");
            assert!(has(&whole, flag), "--{flag} is not on the command line");
        }
    }
}
