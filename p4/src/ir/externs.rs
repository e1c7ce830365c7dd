// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls of v1model externs.

use super::{CounterId, DigestId, Expr, MeterId, RegisterId, SlotId};

/// Calls of v1model's extern functions and methods.
///
/// A list of expressions as data is hashed or summed as their bits in order, first expression first,
/// with no padding between them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Extern {
    /// Sets the two slots so that the packet is dropped: `egress_spec` to [`DROP_PORT`](super::DROP_PORT), `mcast_grp` to 0.
    MarkToDrop {
        /// Slot of `egress_spec`.
        egress_spec: SlotId,
        /// Slot of `mcast_grp`.
        mcast_grp: SlotId,
    },
    /// `counter.count`; out of range does nothing.
    Count {
        /// Which; indirect.
        counter: CounterId,
        /// Which cell.
        index: Expr,
    },
    /// `direct_counter.count`: counts the entry that the enclosing action belongs to.
    CountDirect(CounterId),
    /// `meter.execute_meter`.
    ExecuteMeter {
        /// Which; indirect.
        meter: MeterId,
        /// Which cell.
        index: Expr,
        /// Gets 0 green, 1 yellow, 2 red.
        dst: SlotId,
    },
    /// `direct_meter.read`: colour of the packet for the entry that the enclosing action belongs to.
    ReadMeter {
        /// Which; direct.
        meter: MeterId,
        /// Gets 0 green, 1 yellow, 2 red.
        dst: SlotId,
    },
    /// `register.read`; out of range reads 0.
    ReadRegister {
        /// Which.
        register: RegisterId,
        /// Which cell.
        index: Expr,
        /// Gets the value.
        dst: SlotId,
    },
    /// `register.write`; out of range does nothing.
    WriteRegister {
        /// Which.
        register: RegisterId,
        /// Which cell.
        index: Expr,
        /// The value.
        value: Expr,
    },
    /// `random`: a number between both, inclusive.
    Random {
        /// Gets it.
        dst: SlotId,
        /// Least.
        low: Expr,
        /// Greatest.
        high: Expr,
    },
    /// `hash`: `base + hash(data) % max`, cut to the width of `dst`. A `max` of 0 counts as 1.
    Hash {
        /// Gets it.
        dst: SlotId,
        /// How.
        algorithm: HashAlgorithm,
        /// Added to the remainder.
        base: Expr,
        /// What.
        data: Vec<Expr>,
        /// Divisor.
        max: Expr,
    },
    /// `digest`: a message for the controller.
    Digest {
        /// Which kind.
        digest: DigestId,
        /// v1model's receiver number.
        receiver: Expr,
        /// One value for each of [`Digest::fields`](super::Digest::fields).
        values: Vec<Expr>,
    },
    /// `verify_checksum`: sets `checksum_error` if the condition holds and the sums differ.
    VerifyChecksum {
        /// 1 bit.
        condition: Expr,
        /// What is summed.
        data: Vec<Expr>,
        /// What it should be.
        checksum: Expr,
        /// How.
        algorithm: HashAlgorithm,
        /// Whether the rest of the packet that was not parsed is summed, too.
        with_payload: bool,
    },
    /// `update_checksum`: writes the sum if the condition holds.
    UpdateChecksum {
        /// 1 bit.
        condition: Expr,
        /// What is summed.
        data: Vec<Expr>,
        /// Gets the sum.
        dst: SlotId,
        /// How.
        algorithm: HashAlgorithm,
        /// Whether the rest of the packet that was not parsed is summed, too.
        with_payload: bool,
    },
    /// `clone` and its variants: at the end of the control, a copy goes to the session's ports.
    Clone {
        /// From where to where.
        kind: CloneKind,
        /// Which session.
        session: Expr,
        /// Number of the field list that survives; none resets all user metadata.
        field_list: Option<Expr>,
    },
    /// `resubmit_preserving_field_list`: at the end of ingress, the packet is parsed again.
    Resubmit {
        /// Number of the field list.
        field_list: Expr,
    },
    /// `recirculate_preserving_field_list`: at the end of egress, the packet comes in again.
    Recirculate {
        /// Number of the field list.
        field_list: Expr,
    },
    /// `truncate`: the packet that leaves has at most so many octets.
    Truncate(Expr),
    /// `assert`: the condition (1 bit) holds.
    Assert(Expr),
    /// `assume`: the condition (1 bit) holds.
    Assume(Expr),
    /// `log_msg`: a line for the log; each `{}` in the format is the next value.
    LogMsg {
        /// The text.
        format: String,
        /// The values.
        values: Vec<Expr>,
    },
}

/// v1model's `HashAlgorithm`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HashAlgorithm {
    /// CRC-32 of Ethernet.
    Crc32,
    /// CRC-32 whose polynomial is configurable.
    Crc32Custom,
    /// CRC-16/ARC.
    Crc16,
    /// CRC-16 whose polynomial is configurable.
    Crc16Custom,
    /// A pseudo-random number.
    Random,
    /// The low bits of the data.
    Identity,
    /// Ones' complement sum of 16-bit words, complemented.
    Csum16,
    /// Exclusive or of 16-bit words.
    Xor16,
}

/// v1model's `CloneType`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CloneKind {
    /// Ingress to egress: a copy of the packet as it came in.
    IngressToEgress,
    /// Egress to egress: a copy of the packet as it would leave.
    EgressToEgress,
}
