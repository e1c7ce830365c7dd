// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles that have to be refused, for every reason that there is.

use std::borrow::Cow;

use bundle::{
    arbitrary::{Shape, v6_bundle, v7_bundle},
    v6, v7,
};
use proptest::{
    collection::vec,
    prelude::{BoxedStrategy, Strategy, any, prop_oneof},
    sample::select,
};

/// What spoils a bundle of either version. Octets are the data of a new block, or the payload.
#[derive(Clone, Debug)]
enum Spoil {
    Security(usize),
    Custody,
    Record(Vec<u8>),
    RecordInFragment,
    Required,
    /// The first block of a known type, once more.
    Twice,
    /// The data of a known block ends early.
    Short(usize),
    /// The data of a known block goes on.
    Long(u8),
    /// The data of a known block is something else.
    Other(Vec<u8>),
    Time(u64),
    Service(u64),
    LocalNode,
    /// The text of a dictionary, or the name of a `dtn` endpoint.
    Name(String),
    Scheme(u64),
    /// A CRC type of the primary block, and the number of a block.
    Number(u64),
    SecondPayload,
    NoPayload,
    Behind(Vec<u8>),
    End(usize),
    /// An octet of the bundle is one too large: in a CRC, if there is one.
    Crc,
}

/// Octets of a bundle that is spoiled in one way or in two.
pub(super) fn bundle() -> BoxedStrategy<Vec<u8>> {
    let shape = Shape {
        any_blocks: false,
        odd_flags: false,
        payload_max: 60,
        ..Shape::ANY
    };
    let spoils = || vec(spoil(), 1..3);
    let six = (v6_bundle(shape), spoils()).prop_map(|(bundle, spoils)| spoil_6(bundle, &spoils));
    let seven = (v7_bundle(shape), spoils()).prop_map(|(bundle, spoils)| spoil_7(bundle, &spoils));
    prop_oneof![six, seven].boxed()
}

fn spoil() -> BoxedStrategy<Spoil> {
    let names = [
        "none",
        "n/a",
        "//n\u{e9}/",
        "//n\u{1}/",
        "1.",
        ".1",
        "01.2",
        "1.02",
        "1.2.3",
        "+1.2",
        "1",
        "18446744073709551616.1",
        "1.18446744073709551616",
        "4294967295.0",
        "0.5",
        "",
    ];
    let octets = || vec(any::<u8>(), 0..12);
    let simple = select(vec![
        Spoil::Custody,
        Spoil::RecordInFragment,
        Spoil::Required,
        Spoil::Twice,
        Spoil::LocalNode,
        Spoil::SecondPayload,
        Spoil::NoPayload,
        Spoil::Crc,
    ]);
    prop_oneof![
        6 => simple,
        1 => any::<usize>().prop_map(Spoil::Security),
        2 => octets().prop_map(Spoil::Record),
        2 => (0..20_usize).prop_map(Spoil::Short),
        1 => any::<u8>().prop_map(Spoil::Long),
        2 => octets().prop_map(Spoil::Other),
        1 => select(&[1, 999, u64::MAX, u64::MAX / 1000 + 1][..]).prop_map(Spoil::Time),
        1 => select(&[1 << 32, u64::MAX][..]).prop_map(Spoil::Service),
        2 => select(names.to_vec()).prop_map(|name| Spoil::Name(name.to_owned())),
        1 => select(&[0, 3, 255, u64::MAX][..]).prop_map(Spoil::Scheme),
        1 => select(&[0, 1, 2, 3, 4, 255][..]).prop_map(Spoil::Number),
        1 => octets().prop_map(Spoil::Behind),
        1 => (1..40_usize).prop_map(Spoil::End),
    ]
    .boxed()
}

fn spoil_6(mut bundle: v6::Bundle<'static>, spoils: &[Spoil]) -> Vec<u8> {
    for spoil in spoils {
        spoil.apply_6(&mut bundle);
    }
    let mut octets = bundle.to_vec();
    for spoil in spoils {
        spoil.apply_to_octets(&mut octets);
    }
    octets
}

fn spoil_7(mut bundle: v7::Bundle<'static>, spoils: &[Spoil]) -> Vec<u8> {
    for spoil in spoils {
        spoil.apply_7(&mut bundle);
    }
    let mut octets = bundle.to_vec();
    for spoil in spoils {
        spoil.apply_to_octets(&mut octets);
    }
    octets
}

impl Spoil {
    fn apply_to_octets(&self, octets: &mut Vec<u8>) {
        match self {
            Self::Behind(more) => octets.extend(more),
            Self::End(fewer) => octets.truncate(octets.len().saturating_sub(*fewer)),
            Self::Crc => {
                // The last octet of the primary block is somewhere here.
                let at = octets.len() / 2;
                octets[at] = octets[at].wrapping_add(1);
            }
            _ => {}
        }
    }

    /// What becomes of the data of a block.
    fn edit_data(&self, data: &mut Cow<'static, [u8]>) {
        match self {
            Self::Short(left) => data.to_mut().truncate(*left),
            Self::Long(more) => data.to_mut().push(*more),
            Self::Other(other) => *data = Cow::Owned(other.clone()),
            _ => {}
        }
    }

    fn apply_6(&self, bundle: &mut v6::Bundle<'static>) {
        use v6::{Block, BlockFlags, BlockType, BundleFlags};
        const SECURITY: [u8; 5] = [2, 3, 4, 9, 13];
        let known = bundle
            .blocks
            .iter()
            .position(|block| block.kind != BlockType::PAYLOAD);
        let primary = &mut bundle.primary;
        match self {
            Self::Security(at) => {
                let kind = BlockType(SECURITY[at % SECURITY.len()]);
                let block = Block::new(kind, BlockFlags::default(), Cow::Borrowed(b"\x01\x02"));
                bundle.blocks.insert(at % (bundle.blocks.len() + 1), block);
            }
            Self::Custody => primary.flags = primary.flags.with(BundleFlags::CUSTODY),
            Self::Record(octets) => {
                primary.flags = primary.flags.with(BundleFlags::ADMIN_RECORD);
                primary.fragment = None;
                set_payload_6(bundle, octets);
            }
            Self::RecordInFragment => {
                primary.flags = primary.flags.with(BundleFlags::ADMIN_RECORD);
                primary.fragment = Some(v6::Fragment::default());
            }
            Self::Required => {
                let flags = BlockFlags::DELETE_UNPROCESSED;
                let block = Block::new(BlockType(77), flags, Cow::Borrowed(b"x"));
                bundle.blocks.insert(0, block);
            }
            Self::Twice => {
                if let Some(known) = known {
                    bundle.blocks.insert(0, bundle.blocks[known].clone());
                }
            }
            Self::Short(_) | Self::Long(_) | Self::Other(_) => {
                if let Some(known) = known {
                    self.edit_data(&mut bundle.blocks[known].data);
                }
            }
            Self::Time(seconds) => primary.creation.seconds = *seconds,
            Self::Service(number) if primary.is_compressed() => primary.source.ssp = *number,
            Self::LocalNode if primary.is_compressed() => {
                primary.report_to.scheme = u32::MAX.into();
            }
            Self::Name(name) => {
                let scheme = if name.starts_with('/') || name == "none" {
                    "dtn"
                } else {
                    "ipn"
                };
                let dictionary = format!("{scheme}\0{name}\0");
                let reference = v6::EidRef { scheme: 0, ssp: 4 };
                primary.dictionary = Cow::Owned(dictionary.into_bytes());
                primary.destination = reference;
                primary.source = reference;
                primary.report_to = reference;
                primary.custodian = reference;
            }
            Self::Scheme(_) => {
                primary.dictionary = Cow::Borrowed(b"http\0//x\0");
                let reference = v6::EidRef { scheme: 0, ssp: 5 };
                primary.destination = reference;
                primary.source = reference;
                primary.report_to = reference;
                primary.custodian = reference;
            }
            Self::SecondPayload => {
                let block = Block::new(BlockType::PAYLOAD, BlockFlags::default(), Cow::default());
                bundle.blocks.insert(0, block);
            }
            Self::NoPayload => {
                for block in &mut bundle.blocks {
                    if block.kind == BlockType::PAYLOAD {
                        block.kind = BlockType(78);
                    }
                }
            }
            _ => {}
        }
    }

    fn apply_7(&self, bundle: &mut v7::Bundle<'static>) {
        use v7::{BlockFlags, BlockType, BundleFlags, Eid};
        let known = bundle.blocks.len() > 1;
        let primary = &mut bundle.primary;
        match self {
            Self::Security(at) => {
                let kind = BlockType(11 + (*at % 2) as u64);
                insert_7(bundle, *at, kind, BlockFlags::default());
            }
            Self::Record(octets) => {
                primary.flags = primary.flags.with(BundleFlags::ADMIN_RECORD);
                primary.fragment = None;
                if let Some(payload) = bundle.blocks.last_mut() {
                    payload.data = Cow::Owned(octets.clone());
                }
            }
            Self::RecordInFragment => {
                primary.flags = primary.flags.with(BundleFlags::ADMIN_RECORD);
                primary.fragment = Some(v7::Fragment::default());
            }
            Self::Required => insert_7(bundle, 0, BlockType(77), BlockFlags::DELETE_UNPROCESSED),
            Self::Twice if known => {
                let mut block = bundle.blocks[0].clone();
                block.number += 100;
                bundle.blocks.insert(0, block);
            }
            Self::Short(_) | Self::Long(_) | Self::Other(_) if known => {
                self.edit_data(&mut bundle.blocks[0].data);
            }
            Self::Time(time_ms) => primary.creation.time_ms = *time_ms,
            Self::Custody => primary.creation.time_ms = 0,
            Self::Service(service) => {
                primary.source = Eid::Ipn {
                    node: 1,
                    service: *service,
                };
            }
            Self::LocalNode => {
                primary.report_to = Eid::Ipn {
                    node: u32::MAX.into(),
                    service: 0,
                };
            }
            Self::Name(name) => primary.destination = Eid::Dtn(Cow::Owned(name.clone())),
            Self::Scheme(scheme) => {
                primary.destination = Eid::Other {
                    scheme: *scheme,
                    ssp: Cow::Borrowed(b"\x01"),
                };
            }
            Self::Number(number) => bundle.blocks[0].number = *number,
            Self::SecondPayload => {
                if let Some(payload) = bundle.blocks.last().cloned() {
                    bundle.blocks.insert(0, payload);
                }
            }
            Self::NoPayload => {
                if let Some(payload) = bundle.blocks.last_mut() {
                    payload.kind = BlockType(78);
                }
            }
            _ => {}
        }
    }
}

fn set_payload_6(bundle: &mut v6::Bundle<'static>, octets: &[u8]) {
    for block in &mut bundle.blocks {
        if block.kind == v6::BlockType::PAYLOAD {
            block.data = Cow::Owned(octets.to_vec());
        }
    }
}

/// Puts a block somewhere in front of the payload.
fn insert_7(
    bundle: &mut v7::Bundle<'static>,
    at: usize,
    kind: v7::BlockType,
    flags: v7::BlockFlags,
) {
    let numbers = bundle.blocks.iter().map(|block| block.number);
    let number = numbers.max().unwrap_or(1).wrapping_add(1);
    let block = v7::Block::new(kind, number, flags, Cow::Borrowed(b"\x01\x02"));
    bundle.blocks.insert(at % bundle.blocks.len(), block);
}
