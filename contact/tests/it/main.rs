// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Plans, and the text of plans, from the outside.

mod ionrc;
mod plan;
mod properties;
