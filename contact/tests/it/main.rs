// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Plans, the text of plans, and routes, from the outside.

mod formats;
mod generate;
mod ionrc;
mod oracle;
mod plan;
mod properties;
mod routing;
