// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Vectors, real captures and properties of both codecs and of the translator.

mod captures;
mod dissect;
mod pcap;
mod policies;
mod properties;
mod refusals;
mod relay;
mod reports;
mod rules;
mod support;
mod vectors;
