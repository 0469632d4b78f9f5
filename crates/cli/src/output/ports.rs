//! Ports of a container in one cell. Source of the form: docker/cli `formatter.DisplayablePorts`.

use tierce_api_types::container::Port;

/// `0.0.0.0:80-81->80-81/tcp, 443/tcp`: neighbours are joined to ranges.
pub(crate) fn summary(ports: &[Port]) -> String {
    let mut sorted: Vec<&Port> = ports.iter().collect();
    sorted.sort_by_key(|port| {
        (
            port.private_port,
            port.ip.as_str(),
            port.public_port,
            port.protocol.as_str(),
        )
    });
    let mut groups: Vec<Group> = Vec::new();
    for port in sorted {
        match groups.iter_mut().find(|group| group.takes(port)) {
            Some(group) => group.last = port.private_port,
            None => groups.push(Group::of(port)),
        }
    }
    groups.sort_by_key(|group| (group.first, group.public.is_none()));
    groups.iter().map(Group::text).collect::<Vec<_>>().join(", ")
}

struct Group<'a> {
    ip: &'a str,
    protocol: &'a str,
    first: u16,
    last: u16,
    public: Option<u16>,
}

impl<'a> Group<'a> {
    fn of(port: &'a Port) -> Self {
        let Port {
            ip,
            protocol,
            private_port,
            public_port,
        } = port;
        Self {
            ip,
            protocol,
            first: *private_port,
            last: *private_port,
            public: *public_port,
        }
    }

    /// Whether the port is the next one of this range.
    fn takes(&self, port: &Port) -> bool {
        let next = self.last.checked_add(1) == Some(port.private_port);
        let offset = self.last - self.first + 1;
        let public = match (self.public, port.public_port) {
            // Ranges are shown only where both sides count up alike, as Docker does.
            (Some(first), Some(public)) => first.checked_add(offset) == Some(public),
            (None, None) => true,
            _ => false,
        };
        next && public && self.ip == port.ip && self.protocol == port.protocol
    }

    fn text(&self) -> String {
        let range = |first: u16| {
            let last = first + (self.last - self.first);
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        };
        match self.public {
            None => format!("{}/{}", range(self.first), self.protocol),
            Some(public) => {
                let ip = if self.ip.contains(':') {
                    format!("[{}]", self.ip)
                } else {
                    self.ip.to_owned()
                };
                format!("{ip}:{}->{}/{}", range(public), range(self.first), self.protocol)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: &str, private_port: u16, public_port: Option<u16>) -> Port {
        Port {
            ip: ip.to_owned(),
            private_port,
            public_port,
            protocol: "tcp".to_owned(),
        }
    }

    #[test]
    fn neighbours_are_joined() {
        let ports = [
            port("0.0.0.0", 80, Some(8080)),
            port("::", 80, Some(8080)),
            port("0.0.0.0", 81, Some(8081)),
            port("", 443, None),
            port("", 444, None),
        ];
        assert_eq!(
            summary(&ports),
            "0.0.0.0:8080-8081->80-81/tcp, [::]:8080->80/tcp, 443-444/tcp"
        );
        assert_eq!(summary(&[]), "");
    }
}
