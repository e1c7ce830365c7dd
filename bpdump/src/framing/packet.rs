// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From frames to datagrams and segments: links, IP and its fragments, UDP and TCP.

use std::net::{IpAddr, SocketAddr};

use etherparse::defrag::IpDefragPool;
use etherparse::err::packet::SliceError;
use etherparse::{EtherType, IpNumber, NetSlice, SlicedPacket, TcpSlice, UdpSlice};

use super::{Frame, Path, tcp};

const SLL2_HEADER: usize = 20;
const NULL_HEADER: usize = 4;

/// What a frame begins with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Link {
    Ethernet,
    /// An IP packet, with nothing in front.
    Ip,
    /// Linux "cooked" captures, of all interfaces.
    Sll,
    /// The second version of them.
    Sll2,
    /// BSD loopback: four octets, and an IP packet.
    Null,
    /// A number that is not read here.
    Other(u32),
}

/// A datagram or segment, and who sent it to whom.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) path: Path,
    pub(super) transport: Transport,
}

#[derive(Debug)]
pub(super) enum Transport {
    Udp(Vec<u8>),
    Tcp(tcp::Segment),
}

/// Reads packets, and puts fragments of IP together.
#[derive(Default)]
pub(super) struct Packets {
    fragments: IpDefragPool<(), ()>,
    fragments_seen: usize,
    fragments_used: usize,
    unreadable: usize,
    unknown_link: Option<u32>,
}

impl std::fmt::Debug for Packets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packets")
            .field("fragments_seen", &self.fragments_seen)
            .field("unreadable", &self.unreadable)
            .finish_non_exhaustive()
    }
}

impl Packets {
    /// The datagram or segment of a frame, or that which the frame completes.
    pub(super) fn read(&mut self, frame: &Frame) -> Option<Packet> {
        if let Link::Other(number) = frame.link {
            self.unknown_link = Some(number);
            return None;
        }
        let Ok(sliced) = slice(frame) else {
            self.unreadable += 1;
            return None;
        };
        let (from, to) = addresses(sliced.net.as_ref()?)?;
        let packet = if sliced.is_ip_payload_fragmented() {
            self.fragments_seen += 1;
            let whole = self.fragments.process_sliced_packet(&sliced, (), ());
            let whole = whole.ok().flatten()?;
            self.fragments_used += 1;
            transport(whole.ip_number, &whole.payload, from, to)
        } else {
            let payload = sliced.ip_payload()?;
            transport(payload.ip_number, payload.payload, from, to)
        };
        if packet.is_none() {
            self.unreadable += 1;
        }
        packet.flatten()
    }

    pub(super) fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if let Some(number) = self.unknown_link {
            notices.push(format!(
                "frames of link type {number} were not read: convert the capture to Ethernet or raw IP"
            ));
        }
        if self.unreadable > 0 {
            notices.push(format!(
                "{} frames are cut or damaged, and were not read",
                self.unreadable
            ));
        }
        if self.fragments_seen > 0 && self.fragments_used == 0 {
            notices.push(format!(
                "{} fragments of IP packets never became a whole packet",
                self.fragments_seen
            ));
        }
        notices
    }
}

fn slice(frame: &Frame) -> Result<SlicedPacket<'_>, SliceError> {
    let octets = &frame.octets;
    match frame.link {
        Link::Ethernet => SlicedPacket::from_ethernet(octets),
        Link::Sll => SlicedPacket::from_linux_sll(octets),
        Link::Sll2 => {
            let (head, packet) = octets.split_at_checked(SLL2_HEADER).unwrap_or_default();
            let protocol = head
                .first_chunk()
                .map_or(0, |octets| u16::from_be_bytes(*octets));
            SlicedPacket::from_ether_type(EtherType(protocol), packet)
        }
        Link::Null => SlicedPacket::from_ip(octets.get(NULL_HEADER..).unwrap_or_default()),
        Link::Ip | Link::Other(_) => SlicedPacket::from_ip(octets),
    }
}

fn addresses(net: &NetSlice<'_>) -> Option<(IpAddr, IpAddr)> {
    match net {
        NetSlice::Ipv4(packet) => {
            let header = packet.header();
            let (from, to) = (header.source_addr(), header.destination_addr());
            Some((from.into(), to.into()))
        }
        NetSlice::Ipv6(packet) => {
            let header = packet.header();
            let (from, to) = (header.source_addr(), header.destination_addr());
            Some((from.into(), to.into()))
        }
        NetSlice::Arp(_) => None,
    }
}

/// Reads the header of the transport. `None` if it is damaged, `Some(None)` if it is another one.
#[expect(
    clippy::option_option,
    reason = "damaged and irrelevant packets are counted differently"
)]
fn transport(
    protocol: IpNumber,
    octets: &[u8],
    from: IpAddr,
    to: IpAddr,
) -> Option<Option<Packet>> {
    let (ports, transport) = match protocol {
        IpNumber::UDP => {
            let datagram = UdpSlice::from_slice(octets).ok()?;
            let ports = (datagram.source_port(), datagram.destination_port());
            (ports, Transport::Udp(datagram.payload().to_vec()))
        }
        IpNumber::TCP => {
            let segment = TcpSlice::from_slice(octets).ok()?;
            let ports = (segment.source_port(), segment.destination_port());
            let segment = tcp::Segment {
                sequence: segment.sequence_number(),
                is_first: segment.syn(),
                octets: segment.payload().to_vec(),
            };
            (ports, Transport::Tcp(segment))
        }
        _ => return Some(None),
    };
    let path = Path {
        from: SocketAddr::new(from, ports.0),
        to: SocketAddr::new(to, ports.1),
    };
    Some(Some(Packet { path, transport }))
}

#[cfg(test)]
mod tests {
    use etherparse::{IpFragOffset, Ipv4Header, PacketBuilder, PacketBuilderStep, UdpHeader};

    use super::{Frame, IpNumber, Link, Packets, Transport};

    const BUNDLE: &[u8] = b"\x06 as many octets as two fragments need";

    fn frame(link: Link, octets: Vec<u8>) -> Frame {
        Frame {
            number: 1,
            time: None,
            link,
            octets,
        }
    }

    #[track_caller]
    fn check(frames: &[Frame], from: &str) {
        let mut packets = Packets::default();
        let found: Vec<_> = frames.iter().filter_map(|it| packets.read(it)).collect();
        let [packet] = found.as_slice() else {
            panic!("there is one datagram, and not {found:?}");
        };
        let Transport::Udp(payload) = &packet.transport else {
            panic!("it is UDP");
        };
        assert_eq!(payload, BUNDLE);
        assert_eq!(packet.path.from.to_string(), from);
        assert_eq!(packets.notices(), Vec::<String>::new());
    }

    fn written(builder: PacketBuilderStep<UdpHeader>) -> Vec<u8> {
        let mut octets = Vec::new();
        builder
            .write(&mut octets, BUNDLE)
            .expect("a vector takes everything");
        octets
    }

    fn ip_packet() -> Vec<u8> {
        let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
        written(builder.udp(40000, 4556))
    }

    #[test]
    fn links() {
        let from = "10.0.0.1:40000";
        let packet = ip_packet();
        check(&[frame(Link::Ip, packet.clone())], from);
        check(
            &[frame(Link::Null, [&[2, 0, 0, 0], &*packet].concat())],
            from,
        );
        let mut head = vec![0; 20];
        head[..2].copy_from_slice(&[8, 0]);
        check(&[frame(Link::Sll2, [head, packet.clone()].concat())], from);
        let mut head = vec![0; 16];
        head[2..6].copy_from_slice(&[0, 1, 0, 6]);
        head[14..].copy_from_slice(&[8, 0]);
        check(&[frame(Link::Sll, [head, packet].concat())], from);
    }

    #[test]
    fn tags_and_addresses() {
        let tagged = PacketBuilder::ethernet2([1; 6], [2; 6])
            .single_vlan(7.try_into().expect("a tag"))
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(40000, 4556);
        check(&[frame(Link::Ethernet, written(tagged))], "10.0.0.1:40000");
        let v6 = PacketBuilder::ethernet2([1; 6], [2; 6])
            .ipv6([1; 16], [2; 16], 64)
            .udp(40000, 4556);
        let from = "[101:101:101:101:101:101:101:101]:40000";
        check(&[frame(Link::Ethernet, written(v6))], from);
    }

    #[test]
    fn fragments() {
        let whole = ip_packet();
        let payload = &whole[Ipv4Header::MIN_LEN..];
        let part = |offset: u16, octets: &[u8], more: bool| {
            let length = u16::try_from(octets.len()).expect("a short part");
            let addresses = ([10, 0, 0, 1], [10, 0, 0, 2]);
            let mut header = Ipv4Header::new(length, 64, IpNumber::UDP, addresses.0, addresses.1)
                .expect("a short part");
            header.more_fragments = more;
            header.fragment_offset = IpFragOffset::try_new(offset).expect("a short part");
            let mut packet = header.to_bytes().to_vec();
            packet.extend_from_slice(octets);
            frame(Link::Ip, packet)
        };
        let (first, second) = payload.split_at(16);
        let first = part(0, first, true);
        let second = part(2, second, false);
        check(&[second, first], "10.0.0.1:40000");
    }

    #[test]
    fn what_is_not_read_is_told() {
        let mut packets = Packets::default();
        assert!(packets.read(&frame(Link::Ethernet, vec![0; 3])).is_none());
        assert!(packets.read(&frame(Link::Other(147), vec![0; 3])).is_none());
        assert_eq!(packets.notices().len(), 2);
    }
}
