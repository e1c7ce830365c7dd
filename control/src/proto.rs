// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The protocol between controller and nodes, compiled from `proto/`.

#![allow(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    rustdoc::all,
    reason = "generated code; its comments are in the description"
)]

tonic::include_proto!("sddtn.control.v1");
