//! What live rules do to a packet: three-valued, since not everything of a rule is understood.

use std::net::IpAddr;

use super::{Expression, Field, LiveBase, LiveChain, LiveElement, LiveRules, LiveVerdict, Packet, Passage};

/// Rules looked at for one packet; what takes more is not judged.
const STEPS: usize = 20_000;
/// The kernel's limit of jumps (`NFT_JUMP_STACK_SIZE`).
const DEPTH: usize = 16;
/// Sixteen registers of four bytes.
const REGISTERS: usize = 64;

/// What may become of a packet in a chain.
#[derive(Debug, Clone, Copy, Default)]
struct Possible {
    accept: bool,
    drop: bool,
    go_on: bool,
}

impl Possible {
    fn add(&mut self, other: Self) {
        self.accept |= other.accept;
        self.drop |= other.drop;
        self.go_on |= other.go_on;
    }
}

/// Whether a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    Maybe,
}

impl From<bool> for Answer {
    fn from(matches: bool) -> Self {
        if matches { Self::Yes } else { Self::No }
    }
}

/// What all filter chains at a hook do with a packet. Tables that cannot be read may do anything.
pub(super) fn passage(rules: &LiveRules, point: u32, packet: &Packet) -> Passage {
    let unread = rules.unread(packet.destination.is_ipv6());
    match chains(rules, point, packet, &|_| true) {
        Passage::Open if !unread.is_empty() => Passage::Depends(unread),
        Passage::Depends(mut doubtful) => {
            doubtful.extend(unread);
            Passage::Depends(doubtful)
        }
        decided => decided,
    }
}

/// The same of the chains that can be read, as far as `counts` says that their table counts.
pub(super) fn chains(rules: &LiveRules, point: u32, packet: &Packet, counts: &dyn Fn(&str) -> bool) -> Passage {
    let is_here = |base: &LiveBase| base.point == point && base.kind == "filter";
    let mut here: Vec<_> = rules
        .chains
        .iter()
        .filter_map(|chain| Some((chain.base.as_ref().filter(|base| is_here(base))?, chain)))
        .filter(|(_, chain)| packet.is_seen_by(&chain.table) && counts(&chain.table))
        .collect();
    here.sort_by_key(|(base, _)| base.priority);
    let mut doubtful = Vec::new();
    for (base, chain) in here {
        let mut judge = Judge {
            rules,
            packet,
            steps: 0,
        };
        let mut possible = judge.chain(chain, 0);
        if possible.go_on {
            possible.drop |= base.drops;
            possible.accept |= !base.drops;
        }
        let name = format!("{} {}", chain.table, chain.name);
        match (possible.drop, possible.accept) {
            (true, false) => return Passage::Blocked(name),
            (true, true) => doubtful.push(name),
            _ => {}
        }
    }
    if doubtful.is_empty() {
        Passage::Open
    } else {
        Passage::Depends(doubtful)
    }
}

struct Judge<'a> {
    rules: &'a LiveRules,
    packet: &'a Packet,
    steps: usize,
}

impl Judge<'_> {
    fn chain(&mut self, chain: &LiveChain, depth: usize) -> Possible {
        let mut possible = Possible::default();
        for rule in &chain.rules {
            self.steps += 1;
            if self.steps > STEPS || depth > DEPTH {
                return Possible {
                    accept: true,
                    drop: true,
                    go_on: true,
                };
            }
            let (answer, verdict) = self.rule(&chain.table, rule);
            if answer == Answer::No {
                continue;
            }
            let Some(verdict) = verdict else { continue };
            let outcome = self.verdict(&chain.table, &verdict, depth);
            let goes_on = answer == Answer::Maybe || (outcome.go_on && matches!(verdict, LiveVerdict::Jump(_)));
            let returns = outcome.go_on && !matches!(verdict, LiveVerdict::Jump(_));
            possible.add(Possible {
                go_on: returns,
                ..outcome
            });
            if !goes_on {
                return possible;
            }
        }
        possible.go_on = true;
        possible
    }

    fn verdict(&mut self, table: &str, verdict: &LiveVerdict, depth: usize) -> Possible {
        let mut possible = Possible::default();
        match verdict {
            LiveVerdict::Accept => possible.accept = true,
            LiveVerdict::Drop => possible.drop = true,
            LiveVerdict::Return => possible.go_on = true,
            LiveVerdict::Jump(name) | LiveVerdict::Goto(name) => {
                let rules = self.rules;
                let target = rules
                    .chains
                    .iter()
                    .find(|chain| chain.table == *table && chain.name == *name);
                match target {
                    Some(target) => return self.chain(target, depth + 1),
                    None => possible.go_on = true,
                }
            }
        }
        possible
    }

    /// Whether a rule matches, and what it decides.
    fn rule(&self, table: &str, rule: &[Expression]) -> (Answer, Option<LiveVerdict>) {
        let mut registers = [None; REGISTERS];
        let mut answer = Answer::Yes;
        let mut verdict = None;
        for expression in rule {
            let step = match expression {
                Expression::Load { to, length, what } => {
                    self.load(&mut registers, *to, *length, *what);
                    Answer::Yes
                }
                Expression::Mask { from, to, mask } => {
                    for (index, mask) in mask.iter().enumerate() {
                        let byte = registers.get(from + index).copied().flatten();
                        if let Some(register) = registers.get_mut(to + index) {
                            *register = if *mask == 0 {
                                Some(0)
                            } else {
                                byte.map(|byte: u8| byte & mask)
                            };
                        }
                    }
                    Answer::Yes
                }
                Expression::Compare { from, operator, value } => compare(&registers, *from, *operator, value),
                Expression::Range {
                    from,
                    outside,
                    low,
                    high,
                } => match known(&registers, *from, low.len()) {
                    Some(bytes) => Answer::from((bytes >= *low && bytes <= *high) != *outside),
                    None => Answer::Maybe,
                },
                Expression::Lookup {
                    from,
                    set,
                    outside,
                    decides,
                } => {
                    let (found, value) = self.look_up(table, set, &registers, *from);
                    if *decides {
                        verdict = value;
                    }
                    match (found, outside) {
                        (Answer::Yes, true) => Answer::No,
                        (Answer::No, true) => Answer::Yes,
                        (found, _) => found,
                    }
                }
                Expression::State { mask, inverted } => {
                    // Bit of a new connection, and of one whose destination was translated.
                    let bits = 1 << 3 | if self.packet.original_port.is_some() { 1 << 7 } else { 0 };
                    Answer::from((mask & bits != 0) != *inverted)
                }
                Expression::Verdict(decided) => {
                    verdict = Some(decided.clone());
                    Answer::Yes
                }
                Expression::Nothing => Answer::Yes,
                Expression::Never => Answer::No,
                Expression::Unknown(_) => Answer::Maybe,
            };
            match step {
                Answer::No => return (Answer::No, None),
                Answer::Maybe => answer = Answer::Maybe,
                Answer::Yes => {}
            }
        }
        (answer, verdict)
    }

    fn load(&self, registers: &mut [Option<u8>; REGISTERS], to: usize, length: usize, what: Field) {
        let packet = self.packet;
        let name = |name: &str| {
            let mut bytes = name.as_bytes().to_vec();
            bytes.resize(16, 0);
            bytes
        };
        let translated = packet.original_port.is_some();
        let bytes = match what {
            Field::InterfaceIn => Some(name(&packet.interface_in)),
            Field::InterfaceOut => Some(name(&packet.interface_out)),
            Field::NumberIn => packet.number_in.map(|number| number.to_ne_bytes().to_vec()),
            Field::Mark => Some(vec![0; 4]),
            Field::NetworkProtocol => Some(vec![if packet.destination.is_ipv4() { 2 } else { 10 }]),
            Field::TransportProtocol => Some(vec![packet.protocol]),
            Field::EtherType if packet.destination.is_ipv4() => Some(vec![0x08, 0x00]),
            Field::EtherType => Some(vec![0x86, 0xdd]),
            Field::NetworkHeader(from) => header(packet)
                .get(from..from + length)
                .and_then(|bytes| bytes.iter().copied().collect()),
            Field::DestinationPort => Some(packet.port.to_be_bytes().to_vec()),
            Field::State => Some(8u32.to_ne_bytes().to_vec()),
            Field::Status => Some(u32::to_ne_bytes(if translated { 1 << 5 | 1 << 8 } else { 0 }).to_vec()),
            Field::OriginalPort => Some(packet.original_port.unwrap_or(packet.port).to_be_bytes().to_vec()),
            Field::Other => None,
        };
        let size = bytes.as_ref().map_or(length, Vec::len).max(length).next_multiple_of(4);
        for index in 0..size {
            if let Some(register) = registers.get_mut(to + index) {
                // What follows the value in its register is zero.
                *register = bytes.as_ref().map(|bytes| bytes.get(index).copied().unwrap_or(0));
            }
        }
    }

    fn look_up(
        &self,
        table: &str,
        set: &str,
        registers: &[Option<u8>; REGISTERS],
        from: usize,
    ) -> (Answer, Option<LiveVerdict>) {
        let Some(elements) = self.rules.sets.get(&(table.to_owned(), set.to_owned())) else {
            return (Answer::Maybe, None);
        };
        let Some(length) = elements.iter().map(|element| element.key.len()).max() else {
            return (Answer::No, None);
        };
        let Some(key) = known(registers, from, length) else {
            return (Answer::Maybe, None);
        };
        let found = find(elements, &key);
        (
            Answer::from(found.is_some()),
            found.and_then(|element| element.verdict.clone()),
        )
    }
}

/// The header of IPv4 or IPv6, as far as it is known.
fn header(packet: &Packet) -> Vec<Option<u8>> {
    let (length, protocol, source, destination) = match packet.destination {
        IpAddr::V4(_) => (20, 9, 12, 16),
        IpAddr::V6(_) => (40, 6, 8, 24),
    };
    let mut header = vec![None; length];
    let mut put = |from: usize, bytes: &[u8]| {
        for (place, byte) in header.iter_mut().skip(from).zip(bytes) {
            *place = Some(*byte);
        }
    };
    put(protocol, &[packet.protocol]);
    for (from, address) in [(source, packet.source), (destination, Some(packet.destination))] {
        match address {
            Some(IpAddr::V4(address)) => put(from, &address.octets()),
            Some(IpAddr::V6(address)) => put(from, &address.octets()),
            None => {}
        }
    }
    header
}

/// The element that a key is in.
pub(super) fn find<'a>(elements: &'a [LiveElement], key: &[u8]) -> Option<&'a LiveElement> {
    if elements.iter().any(|element| element.ends) {
        let below = elements.iter().filter(|element| element.key.as_slice() <= key);
        // Where one range ends and the next begins, the beginning counts.
        return below
            .max_by(|one, other| one.key.cmp(&other.key).then(other.ends.cmp(&one.ends)))
            .filter(|element| !element.ends);
    }
    elements.iter().find(|element| match &element.key_end {
        None => element.key == key,
        Some(end) => {
            let parts = element.key.chunks(4).zip(end.chunks(4)).zip(key.chunks(4));
            parts.into_iter().all(|((low, high), part)| low <= part && part <= high)
        }
    })
}

fn known(registers: &[Option<u8>; REGISTERS], from: usize, length: usize) -> Option<Vec<u8>> {
    registers.get(from..from + length)?.iter().copied().collect()
}

fn compare(registers: &[Option<u8>; REGISTERS], from: usize, operator: u32, value: &[u8]) -> Answer {
    let Some(bytes) = known(registers, from, value.len()) else {
        return Answer::Maybe;
    };
    let value = value.to_vec();
    Answer::from(match operator {
        0 => bytes == value,
        1 => bytes != value,
        2 => bytes < value,
        3 => bytes <= value,
        4 => bytes > value,
        _ => bytes >= value,
    })
}
