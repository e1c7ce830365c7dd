// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which packets are traced: a small language of tests on the port and on common headers.
//!
//! ```text
//! filter = all { "or" all }
//! all    = one { "and" one }
//! one    = "not" one | "(" filter ")" | FIELD "=" VALUE
//! ```
//!
//! | Field | Value | True if |
//! | --- | --- | --- |
//! | `port` | number | the packet came in on the port |
//! | `mac`, `mac.src`, `mac.dst` | `02:00:00:00:00:01` | one of the Ethernet addresses, or the one, is this |
//! | `type` | number | the Ethernet type, behind VLAN tags, is this |
//! | `ip`, `ip.src`, `ip.dst` | address, or prefix `10.0.0.0/8` | one of the IP addresses, or the one, is in it |
//! | `udp`, `udp.src`, `udp.dst` | number | one of the UDP ports, or the one, is this |

use std::{net::IpAddr, str::FromStr};

/// Parentheses and negations may nest this deep.
const MAX_DEPTH: usize = 32;

const VLAN_TYPES: [u16; 2] = [0x8100, 0x88a8];
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const UDP: u8 = 17;

/// Says of a packet whether it is wanted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filter(Node);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Node {
    Any(Vec<Node>),
    All(Vec<Node>),
    Not(Box<Node>),
    Port(u32),
    Type(u16),
    Mac(Side, [u8; 6]),
    Ip(Side, IpAddr, u8),
    Udp(Side, u16),
}

/// Which of the two ends of a packet is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    Source,
    Destination,
    Either,
}

impl Side {
    fn of<T>(self, source: T, destination: T, test: impl Fn(T) -> bool) -> bool {
        match self {
            Self::Source => test(source),
            Self::Destination => test(destination),
            Self::Either => test(source) || test(destination),
        }
    }
}

/// Why a text is no filter.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// The text ends too early.
    #[error("filter ends where a test is expected, for example port=1")]
    End,
    /// A word is no test.
    #[error(
        "{0:?} is no test; there are port, type, mac, ip and udp, for example ip.dst=10.0.0.0/8"
    )]
    Test(String),
    /// A value does not fit its field.
    #[error("{value:?} is no value for {field}")]
    Value {
        /// Name of the field.
        field: String,
        /// What was given.
        value: String,
    },
    /// A test is followed by something else than `and`, `or` or a parenthesis.
    #[error("{0:?} is not expected here; tests are joined by `and` and `or`")]
    Unexpected(String),
    /// A parenthesis is not closed.
    #[error("a parenthesis is not closed")]
    Open,
    /// The text nests too deep.
    #[error("filter nests more than {MAX_DEPTH} levels")]
    Depth,
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut words = Words { rest: &words };
        let node = words.any(0)?;
        match words.rest.first() {
            None => Ok(Self(node)),
            Some(word) => Err(FilterError::Unexpected((*word).to_owned())),
        }
    }
}

struct Words<'w> {
    rest: &'w [&'w str],
}

impl Words<'_> {
    fn take(&mut self, wanted: &str) -> bool {
        let Some((first, rest)) = self.rest.split_first() else {
            return false;
        };
        if *first != wanted {
            return false;
        }
        self.rest = rest;
        true
    }

    fn any(&mut self, depth: usize) -> Result<Node, FilterError> {
        let mut nodes = vec![self.all(depth)?];
        while self.take("or") {
            nodes.push(self.all(depth)?);
        }
        Ok(Node::Any(nodes))
    }

    fn all(&mut self, depth: usize) -> Result<Node, FilterError> {
        let mut nodes = vec![self.one(depth)?];
        while self.take("and") {
            nodes.push(self.one(depth)?);
        }
        Ok(Node::All(nodes))
    }

    fn one(&mut self, depth: usize) -> Result<Node, FilterError> {
        if depth > MAX_DEPTH {
            return Err(FilterError::Depth);
        }
        if self.take("not") {
            return Ok(Node::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take("(") {
            let node = self.any(depth + 1)?;
            return if self.take(")") {
                Ok(node)
            } else {
                Err(FilterError::Open)
            };
        }
        let (word, rest) = self.rest.split_first().ok_or(FilterError::End)?;
        self.rest = rest;
        test(word)
    }
}

fn test(word: &str) -> Result<Node, FilterError> {
    let unknown = || FilterError::Test(word.to_owned());
    let (field, value) = word.split_once('=').ok_or_else(unknown)?;
    let bad = || FilterError::Value {
        field: field.to_owned(),
        value: value.to_owned(),
    };
    let number = || match value.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).map_err(|_| bad()),
        None => value.parse::<u32>().map_err(|_| bad()),
    };
    let short = || u16::try_from(number()?).map_err(|_| bad());
    let (name, side) = match field.split_once('.') {
        None => (field, Side::Either),
        Some((name, "src")) => (name, Side::Source),
        Some((name, "dst")) => (name, Side::Destination),
        Some(_) => return Err(unknown()),
    };
    Ok(match name {
        "port" if side == Side::Either => Node::Port(number()?),
        "type" if side == Side::Either => Node::Type(short()?),
        "mac" => Node::Mac(side, mac(value).ok_or_else(bad)?),
        "ip" => {
            let (address, length) = prefix(value).ok_or_else(bad)?;
            Node::Ip(side, address, length)
        }
        "udp" => Node::Udp(side, short()?),
        _ => return Err(unknown()),
    })
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let octets = text
        .split(':')
        .map(|part| u8::from_str_radix(part, 16).ok());
    octets.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

fn prefix(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        None => (text, None),
        Some((address, length)) => (address, Some(length.parse().ok()?)),
    };
    let address: IpAddr = address.parse().ok()?;
    let widest = if address.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(widest);
    (length <= widest).then_some((address, length))
}

impl Filter {
    /// Whether a packet is wanted.
    #[must_use]
    pub fn accepts(&self, port: u32, frame: &[u8]) -> bool {
        accepts(&self.0, port, &Frame(frame))
    }
}

fn accepts(node: &Node, port: u32, frame: &Frame<'_>) -> bool {
    match node {
        Node::Any(nodes) => nodes.iter().any(|node| accepts(node, port, frame)),
        Node::All(nodes) => nodes.iter().all(|node| accepts(node, port, frame)),
        Node::Not(node) => !accepts(node, port, frame),
        Node::Port(wanted) => *wanted == port,
        Node::Type(wanted) => frame.network().is_some_and(|(kind, _)| kind == *wanted),
        Node::Mac(side, wanted) => frame
            .macs()
            .is_some_and(|(source, destination)| side.of(source, destination, |one| one == wanted)),
        Node::Ip(side, wanted, length) => frame.addresses().is_some_and(|(source, destination)| {
            side.of(source, destination, |one| is_in(one, *wanted, *length))
        }),
        Node::Udp(side, wanted) => frame.udp().is_some_and(|(source, destination)| {
            side.of(source, destination, |one| one == *wanted)
        }),
    }
}

fn is_in(address: IpAddr, prefix: IpAddr, length: u8) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    };
    let differs = bits(address) ^ bits(prefix);
    address.is_ipv4() == prefix.is_ipv4() && differs.leading_zeros() >= u32::from(length)
}

/// What is looked at in a frame; nothing if the frame is too short.
struct Frame<'f>(&'f [u8]);

impl<'f> Frame<'f> {
    fn macs(&self) -> Option<(&'f [u8; 6], &'f [u8; 6])> {
        let (destination, rest) = self.0.split_first_chunk()?;
        Some((rest.first_chunk()?, destination))
    }

    /// Type and content, behind all VLAN tags.
    fn network(&self) -> Option<(u16, &'f [u8])> {
        let mut rest = self.0.get(12..)?;
        loop {
            let (kind, content) = rest
                .split_first_chunk()
                .map(|(kind, content)| (u16::from_be_bytes(*kind), content))?;
            if !VLAN_TYPES.contains(&kind) {
                return Some((kind, content));
            }
            rest = content.get(2..)?;
        }
    }

    fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        let (kind, packet) = self.network()?;
        match kind {
            IPV4 => {
                let (source, rest) = packet.get(12..)?.split_first_chunk::<4>()?;
                let destination = rest.first_chunk::<4>()?;
                Some((IpAddr::from(*source), IpAddr::from(*destination)))
            }
            IPV6 => {
                let (source, rest) = packet.get(8..)?.split_first_chunk::<16>()?;
                let destination = rest.first_chunk::<16>()?;
                Some((IpAddr::from(*source), IpAddr::from(*destination)))
            }
            _ => None,
        }
    }

    /// Ports of a datagram that is not a later fragment.
    fn udp(&self) -> Option<(u16, u16)> {
        let (kind, packet) = self.network()?;
        let datagram = match kind {
            IPV4 if *packet.get(9)? == UDP => {
                let fragment = u16::from_be_bytes(*packet.get(6..)?.first_chunk()?);
                let later = fragment & 0x1fff != 0;
                packet
                    .get(usize::from(packet[0] & 0x0f) * 4..)
                    .filter(|_| !later)?
            }
            IPV6 if *packet.get(6)? == UDP => packet.get(40..)?,
            _ => return None,
        };
        let (source, rest) = datagram.split_first_chunk()?;
        Some((
            u16::from_be_bytes(*source),
            u16::from_be_bytes(*rest.first_chunk()?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A datagram from 10.0.0.1:1000 to 10.0.1.2:4556, between two stations, with a VLAN tag.
    fn frame() -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 5, 8, 0];
        frame.extend([
            0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 1, 2,
        ]);
        frame.extend([0x03, 0xe8, 0x11, 0xcc, 0, 8, 0, 0]);
        frame
    }

    fn check(filter: &str, expected: &Result<bool, FilterError>) {
        let found = filter.parse::<Filter>();
        let found = found.map(|filter| filter.accepts(3, &frame()));
        assert_eq!(found, *expected, "{filter}");
    }

    #[test]
    fn packets_are_chosen() {
        for (filter, expected) in [
            ("port=3", true),
            ("port=4", false),
            ("type=0x0800 and udp=4556", true),
            ("udp.src=4556", false),
            ("udp.dst=4556 and not udp.src=4556", true),
            ("mac=02:00:00:00:00:01", true),
            ("mac.dst=02:00:00:00:00:01", false),
            ("ip=10.0.0.0/24", true),
            ("ip.dst=10.0.0.0/24", false),
            ("ip.dst=10.0.0.0/23", true),
            ("ip=::/0", false),
            ("ip=0.0.0.0/0", true),
            ("port=1 or port=2 or (port=3 and ip.src=10.0.0.1)", true),
            ("not(port=3)", false),
        ] {
            check(filter, &Ok(expected));
        }
    }

    #[test]
    fn short_frames_have_no_headers() {
        let filter: Filter = "mac=02:00:00:00:00:02 or ip=0.0.0.0/0 or ip=::/0 or udp=1 or type=1"
            .parse()
            .expect("well formed");
        let whole = frame();
        for end in 0..whole.len() {
            assert_eq!(filter.accepts(1, &whole[..end]), end >= 12, "{end}");
        }
    }

    #[test]
    fn bad_filters_say_what_is_wrong() {
        check("", &Err(FilterError::End));
        check("port=1 and", &Err(FilterError::End));
        check("tcp=1", &Err(FilterError::Test("tcp=1".to_owned())));
        check(
            "port.src=1",
            &Err(FilterError::Test("port.src=1".to_owned())),
        );
        check(
            "port=1 port=2",
            &Err(FilterError::Unexpected("port=2".to_owned())),
        );
        check("(port=1", &Err(FilterError::Open));
        let bad = |field: &str, value: &str| FilterError::Value {
            field: field.to_owned(),
            value: value.to_owned(),
        };
        check("udp=65536", &Err(bad("udp", "65536")));
        check("ip=10.0.0.0/33", &Err(bad("ip", "10.0.0.0/33")));
        check("mac=02:00", &Err(bad("mac", "02:00")));
        check(&"not ".repeat(1000), &Err(FilterError::Depth));
    }
}
