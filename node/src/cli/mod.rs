// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The subcommands.

pub(crate) mod check;
pub(crate) mod run;
