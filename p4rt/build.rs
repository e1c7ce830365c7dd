// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compiles the protocol description in `proto/` without any compiler outside of cargo.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 1] = ["p4/v1/p4runtime.proto"];
const ROOT: &str = "proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    let descriptors = protox::compile(FILES, [ROOT])?;

    // The text format of P4Info needs the descriptors at run time.
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;

    // Maps are ordered, so that equal messages give equal bytes and equal cookies.
    tonic_prost_build::configure()
        .btree_map(".")
        .compile_fds(descriptors)?;
    Ok(())
}
