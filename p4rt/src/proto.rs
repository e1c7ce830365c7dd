// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The protocol as `build.rs` generates it from `proto/`, one module for each protobuf package.

/// Packages below `google`.
pub mod google {
    /// The package `google.rpc`.
    #[allow(
        missing_docs,
        clippy::allow_attributes_without_reason,
        clippy::pedantic,
        rustdoc::all,
        reason = "generated code"
    )]
    pub mod rpc {
        tonic::include_proto!("google.rpc");
    }
}

/// Packages below `p4`.
pub mod p4 {
    /// Packages below `p4.config`.
    pub mod config {
        /// The package `p4.config.v1`: P4Info.
        #[allow(
            missing_docs,
            clippy::allow_attributes_without_reason,
            clippy::large_enum_variant,
            clippy::pedantic,
            rustdoc::all,
            reason = "generated code"
        )]
        pub mod v1 {
            tonic::include_proto!("p4.config.v1");
        }
    }

    /// The package `p4.v1`: the service and its messages.
    #[allow(
        deprecated,
        missing_docs,
        clippy::allow_attributes_without_reason,
        clippy::large_enum_variant,
        clippy::pedantic,
        rustdoc::all,
        reason = "generated code"
    )]
    pub mod v1 {
        tonic::include_proto!("p4.v1");
    }
}

/// The descriptors of all messages, as an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
