// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Looks for inputs that break [`fuzz::checks::packets`].
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::checks::packets(octets));
