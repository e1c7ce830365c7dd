// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compiles the protocol descriptions in `proto/` without any compiler outside of cargo.

use std::error::Error;

const FILES: [&str; 2] = ["dtn/peering/v1/peering.proto", "etcd/rpc.proto"];
const ROOT: &str = "proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    let descriptors = protox::compile(FILES, [ROOT])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
