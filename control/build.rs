// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compiles the protocol description in `proto/` without any compiler outside of cargo.

use std::error::Error;

const FILES: [&str; 1] = ["sddtn/control/v1/control.proto"];
const ROOT: &str = "proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    let descriptors = protox::compile(FILES, [ROOT])?;
    // Maps are ordered, so that equal messages give equal bytes.
    tonic_prost_build::configure()
        .btree_map(".")
        .compile_fds(descriptors)?;
    Ok(())
}
