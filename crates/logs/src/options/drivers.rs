//! The options of each driver.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Options, Subject, attributes, copy_path, local_path, refuse, size};
use crate::drivers::{Copied, journald, json_file, local, syslog};
use crate::error::Result;
use crate::forward::Mode;
use crate::rotation::Files;

/// Option names that every driver has.
const COMMON: [&str; 6] = [
    "mode",
    "max-buffer-size",
    "cache-disabled",
    "cache-max-size",
    "cache-max-file",
    "cache-compress",
];
/// Of `local`.
pub(super) const LOCAL: [&str; 3] = ["max-file", "max-size", "compress"];
/// Of `json-file`.
pub(super) const JSON_FILE: [&str; 8] = [
    "max-file",
    "max-size",
    "compress",
    "labels",
    "labels-regex",
    "env",
    "env-regex",
    "tag",
];
const SYSLOG: [&str; 12] = [
    "syslog-address",
    "syslog-facility",
    "syslog-format",
    "syslog-tls-ca-cert",
    "syslog-tls-cert",
    "syslog-tls-key",
    "syslog-tls-skip-verify",
    "labels",
    "labels-regex",
    "env",
    "env-regex",
    "tag",
];

/// How much of a `json-file` log is kept where nobody says so; `info` tells it. Docker keeps all, until the disk is full.
pub const DEFAULT_LIMITS: &str = "20 MB × 5 files a container (json-file without max-size; max-size=-1 keeps all)";

/// Refuses names that the driver does not have, and checks what all have.
pub(super) fn check_names(options: &Options, known: &[&str], driver: &str) -> Result<()> {
    match options.get("mode").map(String::as_str) {
        None | Some("" | "blocking" | "non-blocking") => {}
        Some(mode) => return refuse(format!("logger: logging mode not supported: {mode}")),
    }
    if let Some(text) = options.get("max-buffer-size") {
        if options.get("mode").map(String::as_str) != Some("non-blocking") {
            return refuse("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
        }
        if size::parse(text, 1024).is_none() {
            return refuse(format!("error parsing option max-buffer-size: invalid size: '{text}'"));
        }
    }
    flag(options, "cache-disabled")?;
    let unknown = options
        .keys()
        .find(|name| !known.contains(&name.as_str()) && !COMMON.contains(&name.as_str()));
    match unknown {
        None => Ok(()),
        Some(name) if driver == "local" => refuse(format!("unknown log opt '{name}' for log driver local")),
        Some(name) => refuse(format!("unknown log opt '{name}' for {driver} log driver")),
    }
}

/// A truth value in Go's words; `None`: not given.
fn flag(options: &Options, name: &str) -> Result<Option<bool>> {
    match options.get(name).map(String::as_str) {
        None | Some("") => Ok(None),
        Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Ok(Some(true)),
        Some("0" | "f" | "F" | "FALSE" | "false" | "False") => Ok(Some(false)),
        Some(text) => refuse(format!(
            "invalid value for {name}: strconv.ParseBool: parsing {text:?}: invalid syntax"
        )),
    }
}

fn max_size(options: &Options, name: &str) -> Result<Option<u64>> {
    let Some(text) = options.get(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match size::parse(text, 1000) {
        None => refuse(format!("invalid size: '{text}'")),
        Some(0) => refuse(format!("{name} must be a positive number")),
        size => Ok(size),
    }
}

fn max_files(options: &Options, name: &str) -> Result<Option<u32>> {
    let Some(text) = options.get(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match text.parse::<i64>() {
        Err(_) => refuse(format!(
            "invalid value for {name}: strconv.Atoi: parsing {text:?}: invalid syntax"
        )),
        Ok(count) if count < 1 => refuse(format!("{name} cannot be less than 1")),
        Ok(count) => Ok(Some(u32::try_from(count).unwrap_or(u32::MAX))),
    }
}

pub(super) fn json_file(options: &Options, subject: &Subject<'_>) -> Result<json_file::Options> {
    check_names(options, &JSON_FILE, "json-file")?;
    let all = options.get("max-size").is_some_and(|text| text == "-1");
    let size = if all { None } else { max_size(options, "max-size")? };
    let count = max_files(options, "max-file")?;
    let compress = flag(options, "compress")?;
    // Nothing said: as much as `local` keeps.
    let default = size.is_none() && !all;
    let files = Files {
        path: subject.directory.join(format!("{}-json.log", subject.id)),
        max_size: if default { Some(local::MAX_SIZE) } else { size },
        max_files: count.unwrap_or(if default { local::MAX_FILES } else { 1 }),
        compress: compress.unwrap_or(default && count.is_none()),
    };
    if compress == Some(true) && (files.max_files < 2 || size.is_none()) {
        return refuse("compress cannot be true when max-file is less than 2 or max-size is not set");
    }
    let mut extra = attributes::extra(options, subject, str::to_owned)?;
    let tag = attributes::tag(options, subject, "")?;
    if !tag.is_empty() {
        extra.insert("tag".to_owned(), tag);
    }
    Ok(json_file::Options {
        files,
        attributes: extra,
    })
}

/// Files in the format of `local`, by the options with this prefix.
fn local_files(options: &Options, prefix: &str, path: PathBuf) -> Result<Files> {
    let name = |option: &str| format!("{prefix}{option}");
    Ok(Files {
        path,
        max_size: Some(max_size(options, &name("max-size"))?.unwrap_or(local::MAX_SIZE)),
        max_files: max_files(options, &name("max-file"))?.unwrap_or(local::MAX_FILES),
        compress: flag(options, &name("compress"))?.unwrap_or(true),
    })
}

pub(super) fn local(options: &Options, subject: &Subject<'_>) -> Result<Files> {
    check_names(options, &LOCAL, "local")?;
    local_files(options, "", local_path(subject.directory))
}

/// Whether a log that is sent away has a copy that can be read.
pub(super) fn has_copy(options: &Options) -> bool {
    !matches!(flag(options, "cache-disabled"), Ok(Some(true)))
}

fn copy(options: &Options, subject: &Subject<'_>) -> Result<Option<Files>> {
    let files = local_files(options, "cache-", copy_path(subject.directory))?;
    Ok(has_copy(options).then_some(files))
}

fn mode(options: &Options) -> Mode {
    let buffer = options.get("max-buffer-size").and_then(|text| size::parse(text, 1024));
    Mode {
        non_blocking: options.get("mode").is_some_and(|mode| mode == "non-blocking"),
        buffer: buffer.filter(|size| *size > 0).unwrap_or(crate::forward::BUFFER),
    }
}

pub(super) fn journald(options: &Options, subject: &Subject<'_>) -> Result<Copied<journald::Options>> {
    check_names(options, &attributes::NAMES, "journald")?;
    let tag = attributes::tag(options, subject, "{{.ID}}")?;
    let mut fields = attributes::extra(options, subject, journald::field_name)?;
    for (name, value) in [
        ("CONTAINER_ID", subject.id.get(..12).unwrap_or(subject.id)),
        ("CONTAINER_ID_FULL", subject.id),
        ("CONTAINER_NAME", subject.name),
        ("CONTAINER_TAG", &tag),
        ("IMAGE_NAME", subject.image),
        ("SYSLOG_IDENTIFIER", &tag),
    ] {
        fields.insert(name.to_owned(), value.to_owned());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let options_of_driver = journald::Options {
        socket: PathBuf::from(journald::SOCKET),
        fields,
        epoch: format!("{:032x}", now.as_nanos()),
        mode: mode(options),
    };
    Ok(Copied {
        options: options_of_driver,
        copy: copy(options, subject)?,
    })
}

/// What dockerd checks of syslog when a container is made.
pub(super) fn check_syslog(options: &Options) -> Result<()> {
    check_names(options, &SYSLOG, "syslog")?;
    server(options).map(drop)
}

/// Address, facility and format.
fn server(options: &Options) -> Result<(syslog::Address, u8, syslog::Format)> {
    let get = |name: &str| options.get(name).map_or("", String::as_str);
    let address = match address(get("syslog-address"))? {
        syslog::Address::Tls(host, _) => syslog::Address::Tls(
            host,
            syslog::Files {
                authority: PathBuf::from(get("syslog-tls-ca-cert")),
                certificate: PathBuf::from(get("syslog-tls-cert")),
                key: PathBuf::from(get("syslog-tls-key")),
                // As for dockerd, whatever its value is.
                anybody: options.contains_key("syslog-tls-skip-verify"),
            },
        ),
        address => address,
    };
    let Some(facility) = syslog::facility(get("syslog-facility")) else {
        return refuse("invalid syslog facility");
    };
    let Some(format) = syslog::Format::named(get("syslog-format")) else {
        return refuse("Invalid syslog format");
    };
    Ok((address, facility, format))
}

pub(super) fn syslog(options: &Options, subject: &Subject<'_>) -> Result<Copied<syslog::Options>> {
    check_names(options, &SYSLOG, "syslog")?;
    let (address, facility, format) = server(options)?;
    attributes::extra(options, subject, str::to_owned)?;
    let options_of_driver = syslog::Options {
        address,
        facility,
        format,
        tag: attributes::tag(options, subject, "{{.ID}}")?,
        hostname: subject.host.to_owned(),
        mode: mode(options),
    };
    Ok(Copied {
        options: options_of_driver,
        copy: copy(options, subject)?,
    })
}

fn address(text: &str) -> Result<syslog::Address> {
    if text.is_empty() {
        return Ok(syslog::Address::Local);
    }
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let Some((_, place)) = text.split_once("://") else {
        return refuse(format!("unsupported scheme: '{scheme}'"));
    };
    let with_port = || {
        // An address of IPv6 stands in brackets.
        let named = place.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        if named {
            place.to_owned()
        } else {
            format!("{place}:514")
        }
    };
    match scheme {
        "udp" => Ok(syslog::Address::Udp(with_port())),
        "tcp" => Ok(syslog::Address::Tcp(with_port())),
        "tcp+tls" => Ok(syslog::Address::Tls(with_port(), syslog::Files::default())),
        "unix" | "unixgram" => {
            if let Err(error) = std::fs::metadata(place) {
                return refuse(format!("stat {place}: {error}"));
            }
            Ok(if scheme == "unix" {
                syslog::Address::Unix(PathBuf::from(place))
            } else {
                syslog::Address::UnixDatagram(PathBuf::from(place))
            })
        }
        _ => refuse(format!("unsupported scheme: '{scheme}'")),
    }
}
