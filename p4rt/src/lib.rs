// SPDX-License-Identifier: Apache-2.0 OR MIT
//! P4Runtime: the protocol, a typed client and its session logic
