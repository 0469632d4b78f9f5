//! Which process has a port: `/proc/net/{tcp,udp}[6]` gives the socket's inode, `/proc/<pid>/fd` its owner.

use std::fs;
use std::net::IpAddr;

use crate::request::Protocol;
use crate::sandbox::Published;

/// ` (held by process 123 nginx)`, or an empty string when it cannot be told.
pub(crate) fn describe(published: &Published) -> String {
    let inodes = inodes(published);
    match inodes.iter().find_map(|inode| owner(inode)) {
        Some((pid, name)) => format!(" (held by process {pid} {name})"),
        None => String::new(),
    }
}

/// Inodes of the sockets bound to the port.
fn inodes(published: &Published) -> Vec<String> {
    let protocol = match published.port.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => return Vec::new(),
    };
    // A dual-stack IPv6 socket also blocks the IPv4 port.
    let files: &[&str] = match published.address {
        IpAddr::V4(_) => &["", "6"],
        IpAddr::V6(_) => &["6"],
    };
    let texts = files
        .iter()
        .filter_map(|suffix| fs::read_to_string(format!("/proc/thread-self/net/{protocol}{suffix}")).ok());
    texts.flat_map(|text| inodes_in(&text, published.host_port)).collect()
}

/// Lines of `/proc/net/tcp`: `sl local_address rem_address st … inode`, addresses as `HEX:PORT`.
fn inodes_in(text: &str, port: u16) -> Vec<String> {
    const INODE: usize = 9;
    const UNCONNECTED: &str = ":0000";
    let suffix = format!(":{port:04X}");
    let of_port = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|local| local.ends_with(&suffix))
            && fields.next().is_some_and(|remote| remote.ends_with(UNCONNECTED))
    };
    let inode = |line: &str| line.split_whitespace().nth(INODE).map(str::to_owned);
    text.lines().skip(1).filter(of_port).filter_map(inode).collect()
}

/// Process and name of the one that has the socket open.
fn owner(inode: &str) -> Option<(u32, String)> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pid = pids.find(|pid| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        descriptors
            .into_iter()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str()))
    })?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some((pid, name.trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_listeners_and_not_connections() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4343 1
   2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4444 1\n";
        assert_eq!(inodes_in(text, 8080), ["4242"]);
    }
}
