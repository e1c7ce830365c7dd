// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The slow path from the outside: hand-made frames, real captures, arbitrary octets.

mod bundles;
mod captures;
mod config;
mod core;
mod crash;
mod daemon;
mod datagram;
mod fragment;
mod frames;
mod local;
mod properties;
mod punt;
mod slow_path;
mod store;
mod volume;
