// SPDX-License-Identifier: Apache-2.0 OR MIT
//! P4_16 front end: source text to checked programs, diagnostics and P4Info
