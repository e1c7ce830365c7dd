// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the benchmark programs of this crate share.

pub mod page;
