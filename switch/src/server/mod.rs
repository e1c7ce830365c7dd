// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The P4Runtime server.
//!
//! [`arbitration`] and [`digest`] are pure; [`control`] joins them with the device under one
//! short lock; [`service`] maps the calls of the protocol to it; [`hub`] is the task that
//! brings digests, packets and idle notifications to the streams.

mod arbitration;
mod control;
mod digest;
mod frontend;
mod hub;
mod limits;
mod messages;
mod objects;
mod profile;
mod read;
mod roles;
mod service;
mod table_entry;
mod undo;
mod values;
mod write;

pub use self::frontend::ProgramError;
pub(crate) use self::{
    control::Control, digest::Digests, frontend::load, hub::run as run_hub, objects::Active,
    service::Service, write::Writer,
};
