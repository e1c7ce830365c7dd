// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Plans, the text of plans, and routes, from the outside.

mod formats;
mod forwarding;
mod generate;
mod ionrc;
mod oracle;
mod plan;
mod predict;
mod properties;
mod routing;
