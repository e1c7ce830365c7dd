// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The messages of `proto/hardy.proto`, as the build makes them.
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

tonic::include_proto!("service");
