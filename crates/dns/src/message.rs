//! DNS messages, as far as this server reads and writes them: one question in, addresses or a name out.
//!
//! Whatever else a message holds goes through to other servers as it came. Sources: RFC 1035, RFC 6891 (EDNS).

use std::net::IpAddr;

/// Length of a message's header.
const HEADER: usize = 12;
/// What every client takes by UDP (RFC 1035, 4.2.1).
const PLAIN_UDP: usize = 512;
/// Longest name, with the lengths of its labels.
const LONGEST_NAME: usize = 255;
const LONGEST_LABEL: usize = 63;
const CLASS_INTERNET: u16 = 1;
/// How long a client may keep an answer, in seconds; Docker's value.
const TIME_TO_LIVE: u32 = 600;

/// Types of records, by number.
pub(crate) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const AAAA: u16 = 28;
    pub(super) const OPT: u16 = 41;
}

/// Response codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Success = 0,
    FormatError = 1,
    ServerFailure = 2,
    NotImplemented = 4,
    Refused = 5,
}

/// A question that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    head: Head,
    /// The name in lower case, without the final dot; bytes that no host name has are `?`.
    pub(crate) name: String,
    /// Type of record.
    pub(crate) kind: u16,
    /// Most bytes that the client takes by UDP.
    pub(crate) udp_size: usize,
    /// Name, type and class, as they came.
    question: Vec<u8>,
    has_options: bool,
}

/// What an answer repeats of a message that cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    id: [u8; 2],
    recursion_desired: bool,
}

/// Why a message is no query for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Too short, or an answer: whoever answers those is in a loop.
    Silent,
    /// To be told so.
    Answer(Head, Code),
}

impl Query {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Unreadable`] says whether and how to answer it.
    pub(crate) fn parse(message: &[u8]) -> Result<Self, Unreadable> {
        let header = message.get(..HEADER).ok_or(Unreadable::Silent)?;
        if header[2] & 0x80 != 0 {
            return Err(Unreadable::Silent);
        }
        let head = Head {
            id: [header[0], header[1]],
            recursion_desired: header[2] & 1 != 0,
        };
        if header[2] & 0x78 != 0 {
            return Err(Unreadable::Answer(head, Code::NotImplemented));
        }
        let broken = Unreadable::Answer(head, Code::FormatError);
        if number(header, 4) != Some(1) {
            return Err(broken);
        }
        let (name, after) = read_name(message, HEADER).ok_or(broken)?;
        let kind = number(message, after).ok_or(broken)?;
        let class = number(message, after + 2).ok_or(broken)?;
        if class != CLASS_INTERNET {
            return Err(Unreadable::Answer(head, Code::Refused));
        }
        let end = after + 4;
        let options = options(message, end);
        Ok(Self {
            head,
            name,
            kind,
            udp_size: options.map_or(PLAIN_UDP, |size| usize::from(size).max(PLAIN_UDP)),
            question: message[HEADER..end].to_vec(),
            has_options: options.is_some(),
        })
    }

    /// The answer with these addresses, of which those of the other family are left out. Longer than `longest` bytes, it
    /// holds as many as go in and says that it is cut.
    pub(crate) fn addresses(&self, addresses: &[IpAddr], longest: usize) -> Vec<u8> {
        let mut records = Vec::new();
        for address in addresses {
            match address {
                IpAddr::V4(address) if self.kind == kind::A => records.push(record(kind::A, &address.octets())),
                IpAddr::V6(address) if self.kind == kind::AAAA => records.push(record(kind::AAAA, &address.octets())),
                _ => {}
            }
        }
        self.answer(&records, longest)
    }

    /// The answer of a reverse look-up.
    pub(crate) fn pointer(&self, name: &str, longest: usize) -> Vec<u8> {
        match write_name(name) {
            Some(name) => self.answer(&[record(kind::PTR, &name)], longest),
            None => self.failure(Code::ServerFailure),
        }
    }

    /// The answer that there is the name, and nothing of the kind that was asked for.
    pub(crate) fn nothing(&self) -> Vec<u8> {
        self.answer(&[], PLAIN_UDP)
    }

    /// The answer that there is no answer.
    pub(crate) fn failure(&self, code: Code) -> Vec<u8> {
        let mut message = self.head.answer(code);
        message[5] = 1;
        message.extend_from_slice(&self.question);
        self.end(message)
    }

    fn answer(&self, records: &[Vec<u8>], longest: usize) -> Vec<u8> {
        let mut message = self.head.answer(Code::Success);
        message[5] = 1;
        message.extend_from_slice(&self.question);
        let options = if self.has_options { OPTIONS.len() } else { 0 };
        let mut count = 0u16;
        for record in records {
            if message.len() + record.len() + options > longest {
                message[2] |= 0x02;
                break;
            }
            message.extend_from_slice(record);
            count += 1;
        }
        message[6..8].copy_from_slice(&count.to_be_bytes());
        self.end(message)
    }

    /// A client that speaks EDNS gets an answer that does.
    fn end(&self, mut message: Vec<u8>) -> Vec<u8> {
        if self.has_options {
            message[11] = 1;
            message.extend_from_slice(&OPTIONS);
        }
        message
    }
}

impl Head {
    /// An answer without question and records.
    pub(crate) fn answer(self, code: Code) -> Vec<u8> {
        let mut message = vec![0; HEADER];
        message[..2].copy_from_slice(&self.id);
        message[2] = 0x80 | u8::from(self.recursion_desired);
        // Recursion is available.
        message[3] = 0x80 | code as u8;
        message
    }
}

/// Our side of EDNS: version 0, 1232 bytes by UDP.
const OPTIONS: [u8; 11] = [0, 0, kind::OPT as u8, 0x04, 0xd0, 0, 0, 0, 0, 0, 0];

/// A record of the question's name: a pointer to it, type, class, time to live, data.
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = vec![0xc0, HEADER as u8];
    record.extend_from_slice(&kind.to_be_bytes());
    record.extend_from_slice(&CLASS_INTERNET.to_be_bytes());
    record.extend_from_slice(&TIME_TO_LIVE.to_be_bytes());
    record.extend_from_slice(&(data.len() as u16).to_be_bytes());
    record.extend_from_slice(data);
    record
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    let bytes = message.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

/// The name at `at`, and where it ends. A question has nothing before it that its name could point to.
fn read_name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let start = at;
    let mut name = String::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        if length > LONGEST_LABEL || at + length - start > LONGEST_NAME {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        for byte in message.get(at..at + length)? {
            let plain = byte.is_ascii_graphic() && *byte != b'.';
            name.push(if plain {
                char::from(byte.to_ascii_lowercase())
            } else {
                '?'
            });
        }
        at += length;
    }
}

/// The labels of a name; nothing when one does not fit.
fn write_name(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        if label.is_empty() || label.len() > LONGEST_LABEL {
            return None;
        }
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    (bytes.len() <= LONGEST_NAME).then_some(bytes)
}

/// The size in the OPT record, if the message has nothing else behind its question.
fn options(message: &[u8], at: usize) -> Option<u16> {
    let only_additional = number(message, 6) == Some(0) && number(message, 8) == Some(0);
    let first = message.get(at..at + 3)?;
    (only_additional && first == [0, 0, kind::OPT as u8]).then(|| number(message, at + 3))?
}

/// What an answer of another server says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// It was cut.
    pub(crate) cut: bool,
    /// Its server could not or would not answer; another may.
    pub(crate) failed: bool,
}

/// Reads the header of an answer; nothing when it does not answer `query`, which has the same question.
pub(crate) fn judge(query: &[u8], answer: &[u8]) -> Option<Answer> {
    let (asked, header) = (query.get(..HEADER)?, answer.get(..HEADER)?);
    if asked[..2] != header[..2] || header[2] & 0x80 == 0 {
        return None;
    }
    let code = header[3] & 0x0f;
    // A server that fails may leave the question out.
    if number(header, 4) == Some(1) {
        let (asked, answered) = (read_name(query, HEADER)?, read_name(answer, HEADER)?);
        let kind = |message: &[u8], at: usize| message.get(at..at + 4).map(<[u8]>::to_vec);
        if asked.0 != answered.0 || kind(query, asked.1)? != kind(answer, answered.1)? {
            return None;
        }
    } else if code == 0 {
        return None;
    }
    Some(Answer {
        cut: header[2] & 0x02 != 0,
        // "No such name" is an answer.
        failed: !matches!(code, 0 | 3),
    })
}

/// An answer's beginning for a client that takes no more: header and question, marked as cut.
pub(crate) fn cut(query: &[u8], answer: &[u8]) -> Vec<u8> {
    let question = read_name(query, HEADER).map_or(HEADER, |(_, end)| end + 4);
    let mut message = answer[..HEADER].to_vec();
    message[2] |= 0x02;
    message[4..].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend_from_slice(query.get(HEADER..question).unwrap_or_default());
    message
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A query as `getaddrinfo` sends it, with EDNS where `size` is one.
    pub(crate) fn query(name: &str, kind: u16, size: Option<u16>) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(size.is_some())];
        message.extend(write_name(name).unwrap());
        message.extend(kind.to_be_bytes());
        message.extend([0, 1]);
        if let Some(size) = size {
            message.extend([0, 0, 41]);
            message.extend(size.to_be_bytes());
            message.extend([0; 6]);
        }
        message
    }

    #[test]
    fn row_159_a_question_is_read_and_answered() {
        let query = Query::parse(&query("Web.Net1", kind::A, None)).unwrap();
        assert_eq!(
            (query.name.as_str(), query.kind, query.udp_size),
            ("web.net1", kind::A, 512)
        );
        let answer = query.addresses(&["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()], 512);
        assert_eq!(&answer[..12], [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        assert_eq!(&answer[12..26], b"\x03Web\x04Net1\0\0\x01\0\x01");
        assert_eq!(&answer[26..], [0xc0, 12, 0, 1, 0, 1, 0, 0, 2, 88, 0, 4, 10, 0, 0, 2]);
    }

    #[test]
    fn what_does_not_fit_is_cut_and_edns_gives_more_room() {
        let many: Vec<IpAddr> = (0..100).map(|last| IpAddr::from([10, 0, 0, last])).collect();
        let plain = Query::parse(&query("w", kind::A, None)).unwrap();
        let answer = plain.addresses(&many, plain.udp_size);
        assert!(answer.len() <= 512 && answer[2] & 2 != 0 && answer[7] > 20);
        let edns = Query::parse(&query("w", kind::A, Some(4096))).unwrap();
        let answer = edns.addresses(&many, edns.udp_size);
        assert!(answer[2] & 2 == 0 && answer[7] == 100 && answer[11] == 1);
        assert_eq!(&answer[answer.len() - 11..], OPTIONS);
    }

    #[test]
    fn what_is_no_query_is_refused_or_ignored() {
        let good = query("a.b", kind::A, None);
        assert_eq!(Query::parse(&good[..11]), Err(Unreadable::Silent));
        let changed = |at: usize, byte: u8| {
            let mut message = good.clone();
            message[at] = byte;
            Query::parse(&message)
        };
        assert_eq!(changed(2, 0x81), Err(Unreadable::Silent));
        let code = |result: Result<Query, Unreadable>| match result {
            Err(Unreadable::Answer(_, code)) => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code(changed(2, 0x28)), Code::NotImplemented);
        assert_eq!(code(changed(5, 2)), Code::FormatError);
        assert_eq!(code(changed(12, 0xc0)), Code::FormatError);
        assert_eq!(code(changed(12, 60)), Code::FormatError);
        assert_eq!(code(changed(good.len() - 1, 3)), Code::Refused);
    }

    #[test]
    fn answers_of_others_are_judged() {
        let asked = query("a.b", kind::A, None);
        let mut answer = asked.clone();
        answer[2] |= 0x80;
        let judged = |answer: &[u8]| judge(&asked, answer);
        assert_eq!(
            judged(&answer),
            Some(Answer {
                cut: false,
                failed: false
            })
        );
        answer[3] = 3;
        assert_eq!(
            judged(&answer),
            Some(Answer {
                cut: false,
                failed: false
            })
        );
        answer[3] = 5;
        answer[2] |= 2;
        assert_eq!(
            judged(&answer),
            Some(Answer {
                cut: true,
                failed: true
            })
        );
        let mut other = answer.clone();
        other[13] = b'x';
        assert_eq!(judged(&other), None, "another question");
        answer[0] = 0;
        assert_eq!(judged(&answer), None, "another number");
        assert_eq!(judged(&asked), None, "no answer");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(query) = Query::parse(&bytes) {
                let answer = query.addresses(&["10.0.0.2".parse().unwrap()], query.udp_size);
                prop_assert!(judge(&bytes, &answer).is_some());
                prop_assert!(query.pointer("web.net", 512).len() > HEADER);
            }
            if let Some(answer) = judge(&bytes, &bytes) {
                prop_assert!(!cut(&bytes, &bytes).is_empty(), "{answer:?}");
            }
        }
    }
}
