// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tables as messages of the DTN Peering Protocol, and back.
//!
//! One advertisement is one window. What the draft has no field for travels in attributes of the
//! private range, which pass through speakers that do not know them.

use std::collections::BTreeMap;

use contact::{BytesPerSecond, Confidence, NodeNumber, Span, UtcTime};
use prost_types::Timestamp;

use super::proto::{
    EidPattern, IpnPattern, RouteAdvertisement, RouteAttribute, RouteUpdate, RouteWithdrawal,
    UnknownAttribute, eid_pattern::Pattern, route_attribute::Attribute,
};
use crate::reach::{Table, Window};

/// Until when bundles wait, and how long they then travel: two numbers of eight octets, in
/// microseconds, the first one since 1970.
pub const TIMES: u32 = 0xffff_5301;
/// How likely the way is there, in millionths: four octets.
pub const CONFIDENCE: u32 = 0xffff_5302;

/// Why an update cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an advertisement has no {0} that can be used")]
pub struct WireError(&'static str);

/// What makes one table of another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Destinations with all of their windows.
    pub announced: Table,
    /// Destinations that cannot be reached any more.
    pub withdrawn: Vec<NodeNumber>,
}

impl Change {
    /// From one table to another.
    #[must_use]
    pub fn between(before: &Table, after: &Table) -> Self {
        let is_new = |(to, windows): &(&NodeNumber, &Vec<Window>)| before.get(to) != Some(windows);
        let changed = after.iter().filter(is_new);
        let gone = before.keys().filter(|to| !after.contains_key(to));
        Self {
            announced: changed
                .map(|(to, windows)| (*to, windows.clone()))
                .collect(),
            withdrawn: gone.copied().collect(),
        }
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.announced.is_empty() && self.withdrawn.is_empty()
    }

    /// Makes the table that it leads to.
    pub fn apply(self, table: &mut Table) {
        for to in self.withdrawn {
            table.remove(&to);
        }
        table.extend(self.announced);
    }

    /// As a message.
    #[must_use]
    pub fn to_update(&self) -> RouteUpdate {
        let announced = self.announced.iter();
        let announcements = announced
            .flat_map(|(to, windows)| windows.iter().map(|window| advertisement(*to, window)));
        let withdrawal = |to: &NodeNumber| RouteWithdrawal {
            patterns: vec![pattern(*to)],
            valid_from: None,
        };
        RouteUpdate {
            announcements: announcements.collect(),
            withdrawals: self.withdrawn.iter().map(withdrawal).collect(),
        }
    }

    /// Reads a message. Patterns that are not single nodes are passed over, as are windows that are
    /// not `sound`.
    ///
    /// # Errors
    /// Says which part of an advertisement is missing.
    pub fn of_update(
        update: &RouteUpdate,
        sound: impl Fn(&Window) -> bool,
    ) -> Result<Self, WireError> {
        let mut announced = BTreeMap::<_, Vec<_>>::new();
        for advertisement in &update.announcements {
            let window = window(advertisement)?;
            for to in advertisement.patterns.iter().filter_map(node) {
                // What was known before is replaced also if nothing of this can be used.
                let windows = announced.entry(to).or_default();
                if sound(&window) {
                    windows.push(window.clone());
                }
            }
        }
        let withdrawn = update.withdrawals.iter().flat_map(|one| &one.patterns);
        Ok(Self {
            announced,
            withdrawn: withdrawn.filter_map(node).collect(),
        })
    }
}

fn advertisement(to: NodeNumber, window: &Window) -> RouteAdvertisement {
    let times = [window.waits_until.micros(), window.travel.micros()];
    let times = times.map(u64::to_be_bytes).concat();
    let attributes = [
        Attribute::GatewayEid(format!("ipn:{}.0", window.gateway)),
        Attribute::ValidFrom(timestamp(window.from)),
        Attribute::ValidUntil(timestamp(window.until)),
        Attribute::BandwidthBps(window.rate.0.saturating_mul(8)),
        Attribute::MaxBundleSize(window.max_bundle),
        private(TIMES, times),
        private(
            CONFIDENCE,
            millionths(window.confidence).to_be_bytes().to_vec(),
        ),
    ];
    let attribute = |attribute| RouteAttribute {
        attribute: Some(attribute),
    };
    RouteAdvertisement {
        patterns: vec![pattern(to)],
        ad_path: window.path.clone(),
        metric: 0,
        attributes: attributes.map(attribute).to_vec(),
    }
}

fn private(type_id: u32, value: Vec<u8>) -> Attribute {
    Attribute::Unknown(UnknownAttribute {
        type_id,
        value,
        transitive: true,
    })
}

fn window(advertisement: &RouteAdvertisement) -> Result<Window, WireError> {
    let attributes = advertisement.attributes.iter();
    let mut window = Window {
        gateway: NodeNumber(0),
        from: UtcTime::default(),
        until: UtcTime::default(),
        waits_until: UtcTime::default(),
        travel: Span::ZERO,
        rate: BytesPerSecond(0),
        max_bundle: u32::MAX,
        confidence: Confidence::CERTAIN,
        path: advertisement.ad_path.clone(),
    };
    let (mut gateway, mut valid, mut times) = (false, (false, false), false);
    for attribute in attributes {
        match &attribute.attribute {
            Some(Attribute::GatewayEid(text)) => {
                window.gateway = eid(text).ok_or(WireError("gateway"))?;
                gateway = true;
            }
            Some(Attribute::ValidFrom(time)) => {
                window.from = utc(time).ok_or(WireError("beginning"))?;
                valid.0 = true;
            }
            Some(Attribute::ValidUntil(time)) => {
                window.until = utc(time).ok_or(WireError("end"))?;
                valid.1 = true;
            }
            Some(Attribute::BandwidthBps(bits)) => window.rate = BytesPerSecond(bits / 8),
            Some(Attribute::MaxBundleSize(octets)) => window.max_bundle = *octets,
            Some(Attribute::Unknown(other)) if other.type_id == TIMES => {
                let pair = numbers(&other.value).ok_or(WireError("times"))?;
                window.waits_until = UtcTime::from_micros(pair.0);
                window.travel = Span::from_micros(pair.1);
                times = true;
            }
            Some(Attribute::Unknown(other)) if other.type_id == CONFIDENCE => {
                let value = <[u8; 4]>::try_from(&other.value[..]).ok();
                let value = value.map(|octets| f64::from(u32::from_be_bytes(octets)) / 1e6);
                let value = value.and_then(Confidence::new);
                window.confidence = value.ok_or(WireError("confidence"))?;
            }
            _ => {}
        }
    }
    match (gateway, valid, times) {
        (false, ..) => Err(WireError("gateway")),
        (_, (false, _), _) => Err(WireError("beginning")),
        (_, (_, false), _) => Err(WireError("end")),
        // A speaker without clocks in its tables: bundles pass at once.
        (_, _, false) => Ok(Window {
            waits_until: window.from,
            ..window
        }),
        _ => Ok(window),
    }
}

fn pattern(node: NodeNumber) -> EidPattern {
    let number = |half: u64| u32::try_from(half & u64::from(u32::MAX)).unwrap_or(0);
    EidPattern {
        pattern: Some(Pattern::Ipn(IpnPattern {
            allocator_id: number(node.0 >> 32),
            node_id: number(node.0),
            is_wildcard: false,
        })),
    }
}

fn node(pattern: &EidPattern) -> Option<NodeNumber> {
    match &pattern.pattern {
        Some(Pattern::Ipn(ipn)) if !ipn.is_wildcard => Some(NodeNumber(
            u64::from(ipn.allocator_id) << 32 | u64::from(ipn.node_id),
        )),
        _ => None,
    }
}

/// The node of an `ipn` endpoint ID, in the form of two numbers or of three.
fn eid(text: &str) -> Option<NodeNumber> {
    let numbers = text.strip_prefix("ipn:")?.split('.');
    let numbers: Vec<u64> = numbers.map(str::parse).collect::<Result<_, _>>().ok()?;
    match numbers[..] {
        [node, _] => Some(NodeNumber(node)),
        [allocator, node, _] if allocator >> 32 == 0 && node >> 32 == 0 => {
            Some(NodeNumber(allocator << 32 | node))
        }
        _ => None,
    }
}

fn timestamp(time: UtcTime) -> Timestamp {
    let micros = time.micros() % 1_000_000;
    Timestamp {
        seconds: i64::try_from(time.whole_seconds()).unwrap_or(i64::MAX),
        nanos: i32::try_from(micros * 1000).unwrap_or(0),
    }
}

fn utc(time: &Timestamp) -> Option<UtcTime> {
    let seconds = u64::try_from(time.seconds).ok()?;
    let nanos = u64::try_from(time.nanos).ok()?;
    let micros = seconds.checked_mul(1_000_000)?.checked_add(nanos / 1000)?;
    Some(UtcTime::from_micros(micros))
}

fn numbers(octets: &[u8]) -> Option<(u64, u64)> {
    let (first, second) = octets.split_at_checked(8)?;
    let number = |octets: &[u8]| Some(u64::from_be_bytes(octets.try_into().ok()?));
    Some((number(first)?, number(second)?))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a probability is from 0 to 1"
)]
fn millionths(confidence: Confidence) -> u32 {
    (confidence.probability() * 1e6).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_have_two_numbers_or_three() {
        let large = NodeNumber((7 << 32) + 10);
        assert_eq!(eid("ipn:10.0"), Some(NodeNumber(10)));
        assert_eq!(eid(&format!("ipn:{large}.0")), Some(large));
        assert_eq!(eid("ipn:7.10.0"), Some(large));
        assert_eq!(node(&pattern(large)), Some(large));
        for text in [
            "ipn:10",
            "ipn:1.2.3.4",
            "ipn:4294967296.1.0",
            "ipn:x.0",
            "dtn://x/",
        ] {
            assert_eq!(eid(text), None, "{text}");
        }
    }
}
