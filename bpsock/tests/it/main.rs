// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Addresses from the outside: octets and endpoint IDs.

mod address;
