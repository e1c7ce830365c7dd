// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon as a process, with sockets of crate `bpsock`, over loopback.

mod aap2;
mod dtn7;
mod errors;
mod exchange;
mod form;
mod hardy;
mod ion;
mod lasting;
mod protocol;
mod support;
mod tools;
