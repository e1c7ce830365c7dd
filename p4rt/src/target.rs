// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where servers differ from the specification, as data.

use std::time::Duration;

/// A kind of P4Runtime server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// `simple_switch_grpc` of BMv2, with the PI front end.
    Bmv2,
    /// The switch of this project.
    #[default]
    Sddtn,
    /// `bf_switchd` for Tofino, with the PI front end.
    TofinoPi,
    /// Stratum on any device.
    Stratum,
}

/// What a server does in its own way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quirks {
    /// Whether device 0 is a device. The specification says that it is not.
    pub device_zero: Support,
    /// Whether a Read of digest 0 returns all digests.
    pub digest_wildcard: Support,
    /// Whether a Read of table 0 returns the direct counters of all tables.
    pub direct_counter_wildcard: Support,
    /// Whether `RECONCILE_AND_COMMIT` keeps everything that it promises to.
    pub reconcile: Support,
    /// Whether registers can be read and written.
    pub registers: Support,
    /// Shortest time-out of a digest that is not taken for "never".
    pub least_digest_timeout_ms: u32,
    /// Smallest port that a multicast group may name.
    pub least_replica_port: u32,
    /// Frames that a port takes at once. Who sends more without a pause may lose some. `None`: as many
    /// as fit into the buffers of the machine.
    pub burst_frames: Option<u16>,
    /// How long a frame may be under way from its first lookup to its last one, at most: it may find
    /// what was written first missing, and what was written last there.
    pub transit: Duration,
}

/// Whether a server has a feature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Support {
    /// It works as specified.
    Full,
    /// It is missing or does something else.
    Missing,
}

impl Target {
    /// The differences of this server.
    #[must_use]
    pub fn quirks(self) -> Quirks {
        match self {
            Self::Sddtn => SPECIFICATION,
            Self::Bmv2 => BMV2,
            Self::TofinoPi => Quirks {
                device_zero: Support::Full,
                ..PI
            },
            Self::Stratum => Quirks {
                reconcile: Support::Missing,
                registers: Support::Missing,
                ..SPECIFICATION
            },
        }
    }
}

const SPECIFICATION: Quirks = Quirks {
    device_zero: Support::Missing,
    digest_wildcard: Support::Full,
    direct_counter_wildcard: Support::Full,
    reconcile: Support::Full,
    registers: Support::Full,
    least_digest_timeout_ms: 0,
    least_replica_port: 0,
    burst_frames: None,
    transit: Duration::ZERO,
};

/// The front end that BMv2 and `bf_switchd` share. BMv2 cuts a time-out to whole milliseconds and
/// takes zero for "no timer". A replica names its port with a number above zero.
const PI: Quirks = Quirks {
    device_zero: Support::Missing,
    digest_wildcard: Support::Missing,
    direct_counter_wildcard: Support::Missing,
    reconcile: Support::Missing,
    registers: Support::Missing,
    least_digest_timeout_ms: 1,
    least_replica_port: 1,
    burst_frames: None,
    transit: Duration::ZERO,
};

/// `simple_switch_grpc` reads interfaces by libpcap, whose ring has 32 frames for 64 KiB each; half of
/// that leaves room for others. A frame that is resubmitted goes behind all frames that wait: a
/// millisecond or two for each of them, 32 for each port, and what waits comes at once when the switch
/// gets its program.
const BMV2: Quirks = Quirks {
    burst_frames: Some(16),
    transit: Duration::from_millis(500),
    ..PI
};

/// Packs a compiled Tofino program as `bf_switchd` expects its device configuration: three items,
/// each behind its length as a little-endian number of 32 bits.
///
/// `None` if an item is longer than such a length can say.
#[must_use]
pub fn tofino_device_config(name: &str, binary: &[u8], context: &[u8]) -> Option<Vec<u8>> {
    let mut packed = Vec::with_capacity(12 + name.len() + binary.len() + context.len());
    for item in [name.as_bytes(), binary, context] {
        let length = i32::try_from(item.len()).ok()?;
        packed.extend_from_slice(&length.to_le_bytes());
        packed.extend_from_slice(item);
    }
    Some(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tofino_items_stand_behind_their_lengths() {
        let packed = tofino_device_config("p", &[1, 2], &[]).expect("short items");
        assert_eq!(packed, [1, 0, 0, 0, b'p', 2, 0, 0, 0, 1, 2, 0, 0, 0, 0]);
    }

    #[test]
    fn only_tofino_has_a_device_zero() {
        let zero = |target: Target| target.quirks().device_zero == Support::Full;
        assert!(zero(Target::TofinoPi));
        assert!(!zero(Target::Bmv2) && !zero(Target::Sddtn) && !zero(Target::Stratum));
    }
}
