//! How a message is written: `<priority>`, time, host, tag, process, text.

use std::io::Write;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Address, Options};
use crate::{Stream, time};

/// The facility's numbers, by name.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "", "", "",
    "", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The number of a facility by name or number, empty: `daemon`; `None`: there is none such.
pub fn facility(name: &str) -> Option<u8> {
    if name.is_empty() {
        return Some(3);
    }
    let named = FACILITIES.iter().position(|known| *known == name);
    let number = named.map(|number| number as u8).or_else(|| name.parse().ok());
    number.filter(|number| *number < 24)
}

/// A form of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// As programs write to their own machine's server: without host.
    #[default]
    Unix,
    /// RFC 3164.
    Rfc3164,
    /// RFC 5424, time to the second.
    Rfc5424,
    /// RFC 5424, time to the microsecond.
    Rfc5424Micro,
}

impl Format {
    /// The one with that name; empty is [`Self::Unix`].
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "" => Self::Unix,
            "rfc3164" => Self::Rfc3164,
            "rfc5424" => Self::Rfc5424,
            "rfc5424micro" => Self::Rfc5424Micro,
            _ => return None,
        })
    }
}

/// A message with its newline. Times are UTC.
pub(super) fn message(options: &Options, stream: Stream, text: &[u8], at: SystemTime) -> Vec<u8> {
    let severity = if stream == Stream::Stderr { 3 } else { 6 };
    let priority = u32::from(options.facility) * 8 + severity;
    let (tag, host, process) = (&options.tag, &options.hostname, std::process::id());
    let full = time::format(at);
    let mut message = Vec::with_capacity(text.len() + 128);
    // Writing to a vector cannot fail.
    let _ = match options.format {
        Format::Unix => write!(message, "<{priority}>{} {tag}[{process}]: ", stamp(&full)),
        Format::Rfc3164 => write!(message, "<{priority}>{} {host} {tag}[{process}]: ", stamp(&full)),
        Format::Rfc5424 | Format::Rfc5424Micro => {
            let seconds = full.get(..19).unwrap_or_default();
            let fraction = if options.format == Format::Rfc5424Micro {
                micro(&full)
            } else {
                String::new()
            };
            write!(
                message,
                "<{priority}>1 {seconds}{fraction}Z {host} {tag} {process} {tag} - "
            )
        }
    };
    message.extend_from_slice(text);
    message.push(b'\n');
    let counted = matches!(options.format, Format::Rfc5424 | Format::Rfc5424Micro);
    if counted && matches!(options.address, Address::Tls(..)) {
        // RFC 5425: its length comes first.
        let length = format!("{} ", message.len());
        message.splice(..0, length.into_bytes());
    }
    message
}

/// `Nov 30 12:00:00` of an RFC 3339 time; the day is padded with a space.
fn stamp(full: &str) -> String {
    let number = |from: usize, to: usize| full.get(from..to).and_then(|text| text.parse::<usize>().ok());
    let month = MONTHS[number(5, 7).unwrap_or(1).clamp(1, 12) - 1];
    let day = number(8, 10).unwrap_or(1);
    format!("{month} {day:>2} {}", full.get(11..19).unwrap_or_default())
}

/// The fraction with six digits.
fn micro(full: &str) -> String {
    let digits = full.get(20..).unwrap_or_default().trim_end_matches('Z');
    format!(".{digits:0<6.6}")
}
