// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the crate as others use it.

mod address;
mod headers;
mod protocol;
