// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of plans for nodes, without any connection.

mod plans;
