// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Scenarios that run the whole system, and the demo
