// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The codecs, the CRCs and the translator, side by side with other implementations on equal octets.
//!
//! Two forms of bundles, with payloads of 13, 200 and 1400 octets. `ion` is what ION sends: previous
//! node, bundle age and payload, a CRC-16 on the primary block of version 7 and none elsewhere.
//! `hdtn` is what HDTN sends in version 7: hop count and payload, a CRC-32C on every block.
//!
//! Every subject reads one slice, and writes into memory of its own or into a buffer that was there
//! before, as its interface wants it. `bundle` and hardy-bpv7 check CRCs as they decode; bp7 does so
//! in a second step, so it is measured without and with it.

use std::borrow::Cow;
use std::hint::black_box;

use bundle::v7::CrcType;
use bundle::{Eid, Policy, crc, translate_into, v6, v7};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const PAYLOAD_LENGTHS: [usize; 3] = [13, 200, 1400];

criterion_group!(benches, crcs, decode, encode, translation);
criterion_main!(benches);

fn payload(length: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(length).collect()
}

fn ipn(node: u64, service: u64) -> v7::Eid<'static> {
    v7::Eid::Ipn { node, service }
}

/// A bundle of version 7 as ION writes it.
fn ion7(length: usize) -> Vec<u8> {
    let kept = v7::BlockFlags::default();
    let previous = v7::Block::previous_node_data(Eid::ipn(1, 0));
    bundle7(
        CrcType::Crc16,
        vec![
            v7::Block::new(v7::BlockType::PREVIOUS_NODE, 2, kept, previous.into()),
            v7::Block::new(
                v7::BlockType::AGE,
                3,
                kept,
                v7::Block::number_data(0).into(),
            ),
            v7::Block::new(v7::BlockType::PAYLOAD, 1, kept, payload(length).into()),
        ],
    )
}

/// A bundle of version 7 as HDTN writes it.
fn hdtn7(length: usize) -> Vec<u8> {
    let kept = v7::BlockFlags::default();
    let hops = v7::Block::hop_count_data(100, 1);
    let mut blocks = vec![
        v7::Block::new(v7::BlockType::HOP_COUNT, 2, kept, hops.into()),
        v7::Block::new(v7::BlockType::PAYLOAD, 1, kept, payload(length).into()),
    ];
    for block in &mut blocks {
        block.crc = CrcType::Crc32c;
    }
    bundle7(CrcType::Crc32c, blocks)
}

fn bundle7(crc: CrcType, blocks: Vec<v7::Block<'_>>) -> Vec<u8> {
    let primary = v7::Primary {
        flags: v7::BundleFlags::MUST_NOT_FRAGMENT,
        crc,
        destination: ipn(2, 1),
        source: ipn(1, 1),
        report_to: ipn(1, 0),
        creation: v7::CreationTimestamp {
            time_ms: 802_094_400_250,
            sequence: 3,
        },
        lifetime_ms: 86_400_000,
        fragment: None,
    };
    let blocks = blocks.into_iter().collect();
    v7::Bundle { primary, blocks }.to_vec()
}

/// A bundle of version 6 as ION writes it.
fn ion6(length: usize) -> Vec<u8> {
    let pair = |scheme, ssp| v6::EidRef { scheme, ssp };
    let kept = v6::BlockFlags::REPLICATE;
    let primary = v6::Primary {
        flags: v6::BundleFlags::SINGLETON.with_priority(v6::Priority::Normal),
        destination: pair(2, 1),
        source: pair(1, 1),
        report_to: pair(1, 0),
        creation: v6::CreationTimestamp {
            seconds: 802_094_400,
            sequence: 1,
        },
        lifetime_s: 86_400,
        ..v6::Primary::default()
    };
    let blocks = [
        v6::Block::previous_hop(kept, &Eid::ipn(1, 0)),
        v6::Block::age(v6::BlockType::AGE, kept, 0),
        v6::Block::new(
            v6::BlockType::PAYLOAD,
            v6::BlockFlags::default(),
            Cow::Owned(payload(length)),
        ),
    ];
    let blocks = blocks.into_iter().collect();
    v6::Bundle { primary, blocks }.to_vec()
}

fn crcs(c: &mut Criterion) {
    let mut group = c.benchmark_group("crc");
    let (x25, castagnoli) = (
        ::crc::Crc::<u16>::new(&::crc::CRC_16_IBM_SDLC),
        ::crc::Crc::<u32>::new(&::crc::CRC_32_ISCSI),
    );
    for length in PAYLOAD_LENGTHS {
        let octets = payload(length);
        group.throughput(Throughput::Bytes(length as u64));
        let id = |name| BenchmarkId::new(name, length);
        group.bench_function(id("crc16/bundle"), |b| {
            b.iter(|| crc::x25(black_box(&octets)));
        });
        group.bench_function(id("crc16/crate crc"), |b| {
            b.iter(|| x25.checksum(black_box(&octets)));
        });
        group.bench_function(id("crc32c/bundle"), |b| {
            b.iter(|| crc::castagnoli(black_box(&octets)));
        });
        group.bench_function(id("crc32c/crate crc"), |b| {
            b.iter(|| castagnoli.checksum(black_box(&octets)));
        });
    }
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for length in PAYLOAD_LENGTHS {
        let octets = ion6(length);
        group.bench_function(BenchmarkId::new("v6 ion/bundle", length), |b| {
            b.iter(|| v6::Bundle::decode(black_box(&octets)).map(|bundle| bundle.blocks.len()));
        });
        for (form, octets) in [("v7 ion", ion7(length)), ("v7 hdtn", hdtn7(length))] {
            let id = |subject| BenchmarkId::new(format!("{form}/{subject}"), length);
            group.bench_function(id("bundle"), |b| {
                b.iter(|| {
                    v7::Bundle::decode(black_box(&octets), v7::Tolerance::LENIENT)
                        .map(|bundle| bundle.blocks.len())
                });
            });
            group.bench_function(id("bp7"), |b| {
                b.iter(|| bp7::Bundle::try_from(black_box(&octets[..])));
            });
            group.bench_function(id("bp7, CRCs checked"), |b| {
                b.iter(|| {
                    bp7::Bundle::try_from(black_box(&octets[..])).map(|mut read| read.crc_valid())
                });
            });
            group.bench_function(id("hardy-bpv7"), |b| {
                b.iter(|| {
                    hardy_bpv7::bundle::ParsedBundle::parse(
                        black_box(&octets),
                        hardy_bpv7::bpsec::no_keys,
                    )
                });
            });
        }
    }
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(1));
    for length in PAYLOAD_LENGTHS {
        let mut out = Vec::with_capacity(2048);
        let octets = ion6(length);
        let decoded = v6::Bundle::decode(&octets).expect("it was encoded here");
        group.bench_function(BenchmarkId::new("v6 ion/bundle", length), |b| {
            b.iter(|| {
                out.clear();
                black_box(&decoded).encode(&mut out);
                out.len()
            });
        });
        for (form, octets) in [("v7 ion", ion7(length)), ("v7 hdtn", hdtn7(length))] {
            let decoded =
                v7::Bundle::decode(&octets, v7::Tolerance::STRICT).expect("it was encoded here");
            let id = |subject| BenchmarkId::new(format!("{form}/{subject}"), length);
            group.bench_function(id("bundle"), |b| {
                b.iter(|| {
                    out.clear();
                    black_box(&decoded).encode(&mut out);
                    out.len()
                });
            });
            let mut theirs = bp7::Bundle::try_from(&octets[..]).expect("bp7 reads it");
            group.bench_function(id("bp7"), |b| b.iter(|| black_box(&mut theirs).to_cbor()));
        }
    }
}

fn translation(c: &mut Criterion) {
    let mut group = c.benchmark_group("translate");
    group.throughput(Throughput::Elements(1));
    let policy = Policy::default();
    for length in PAYLOAD_LENGTHS {
        let inputs = [
            ("v6 to v7 ion", ion6(length)),
            ("v7 to v6 ion", ion7(length)),
            ("v7 to v6 hdtn", hdtn7(length)),
        ];
        for (direction, octets) in inputs {
            let mut out = Vec::new();
            group.bench_function(BenchmarkId::new(direction, length), |b| {
                b.iter(|| {
                    out.clear();
                    translate_into(black_box(&octets), &policy, &mut out)
                });
            });
        }
    }
}
