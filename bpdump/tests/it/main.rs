// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program as its users run it: on real captures, on vectors and on damaged bundles.

mod captures;
mod explain;
mod help;
mod json;
mod show;
mod status;
mod support;
mod translate;
