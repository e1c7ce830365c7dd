// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Contact plans, contact-graph routing and contact prediction
