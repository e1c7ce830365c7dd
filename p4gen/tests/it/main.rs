// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The generator: its programs, and its command line.

mod command_line;
mod programs;
