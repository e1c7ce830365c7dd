// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Software switch that runs checked P4 programs behind a P4Runtime server.
//!
//! A program is compiled once to instructions of a register machine and then runs each packet
//! through v1model's blocks, with the semantics of BMv2's `simple_switch`: clones, multicast,
//! resubmission, recirculation, digests, counters, meters, registers.
//!
//! Start at [`Pipeline::process`](pipeline::Pipeline::process) to run packets without any
//! connection, at [`stf::play`] for a packet test, or at [`Switch::start`](run::Switch::start) for a
//! switch with ports and a server.
//!
//! # Guarantees
//!
//! * The core ([`pipeline`], [`traffic`] and the engine below them) opens no socket, reads no
//!   clock and knows no protobuf message: packets, time and seeds are arguments.
//! * No packet makes the switch panic, and none keeps it for ever: parser steps, passes and
//!   copies are bounded.
//! * A packet sees each change of the control plane either wholly or not at all.
//!
//! # Standards
//!
//! [P4_16 1.2.5](https://p4.org/wp-content/uploads/sites/53/2024/10/P4-16-spec-v1.2.5.html) with
//! the v1model architecture, and
//! [P4Runtime 1.5](https://p4.org/p4-spec/p4runtime/v1.5.0/P4Runtime-Spec.html).
//! `README.md` lists what is left out.

mod device;
mod engine;
pub mod filter;
mod incoming;
mod metrics;
pub mod offline;
pub mod pipeline;
pub mod ports;
pub mod run;
mod server;
pub mod stf;
mod tls;
pub mod trace;
pub mod traffic;

pub use self::{
    device::{Device, Statistics},
    engine::{
        CompileError, NativeError,
        event::{DropReason, Event, Observer, Recorder, Silent},
        externs::{Colour, MeterCell, MeterConfig},
        profiles::{Group, GroupMember, Profile, Through, WeightedCall},
        tables::{Call, ControlError, Count, Entry, NewEntry, Table},
    },
    server::ProgramError,
    tls::Tls,
};
