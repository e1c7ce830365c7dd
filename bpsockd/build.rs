// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compiles the protocol description in `proto/` without any compiler outside of cargo.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["hardy.proto"], ["proto"])?;
    tonic_prost_build::compile_fds(descriptors)?;
    Ok(())
}
