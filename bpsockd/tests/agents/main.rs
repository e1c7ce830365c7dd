// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon with agents that are other programs, the real ones. They have to be on the PATH:
//! `make conformance AGENTS=dtnd`, `AGENTS=hardy` or `AGENTS=ion`.

mod dtnd;
mod hardy;
mod ion;
mod program;
#[expect(dead_code, reason = "the other tests use the rest")]
#[path = "../it/support.rs"]
mod support;
