// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program of a switch, and how to tell whether it is already there.

use prost::Message as _;

use crate::proto::p4::{
    config::v1::P4Info,
    v1::{ForwardingPipelineConfig, forwarding_pipeline_config},
};

/// A program: what the controller reads of it and what the switch runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pipeline {
    /// The names and numbers.
    pub p4info: P4Info,
    /// The program in the form of the target.
    pub device_config: Vec<u8>,
}

/// A number that stands for a program. Equal programs have equal numbers; others almost never.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cookie(pub u64);

/// What had to be done for a switch to run a program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PipelineChange {
    /// Nothing: it runs the program, and its entries are still there.
    Unchanged,
    /// The switch had no program, as after a start.
    FirstPushed,
    /// The switch ran another program; its entries are gone.
    Replaced(Cookie),
}

impl Pipeline {
    /// The number of this program.
    #[must_use]
    pub fn cookie(&self) -> Cookie {
        let p4info = self.p4info.encode_to_vec();
        // The length keeps a byte from moving between both parts unnoticed.
        let length = (p4info.len() as u64).to_be_bytes();
        let octets = length.iter().chain(&p4info).chain(&self.device_config);
        let hash = octets.fold(FNV_OFFSET, |hash, octet| {
            (hash ^ u64::from(*octet)).wrapping_mul(FNV_PRIME)
        });
        // A server that leaves the cookie out and one that says zero look the same on the wire.
        Cookie(hash.max(1))
    }

    /// The message that pushes this program.
    #[must_use]
    pub fn to_proto(&self) -> ForwardingPipelineConfig {
        ForwardingPipelineConfig {
            p4info: Some(self.p4info.clone()),
            p4_device_config: self.device_config.clone(),
            cookie: Some(forwarding_pipeline_config::Cookie {
                cookie: self.cookie().0,
            }),
        }
    }
}

/// 64-bit FNV-1a: it recognises a program, and does not defend against one made to collide.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::p4::config::v1::PkgInfo;

    #[test]
    fn each_part_changes_the_cookie() {
        let empty = Pipeline::default();
        let config = Pipeline {
            device_config: vec![0],
            ..Pipeline::default()
        };
        let pkg_info = Some(PkgInfo {
            name: "demo".to_owned(),
            ..PkgInfo::default()
        });
        let p4info = P4Info {
            pkg_info,
            ..P4Info::default()
        };
        let named = Pipeline {
            p4info,
            ..Pipeline::default()
        };
        assert_ne!(empty.cookie(), config.cookie());
        assert_ne!(empty.cookie(), named.cookie());
        assert_eq!(named.cookie(), named.clone().cookie());
        assert_eq!(
            empty.cookie(),
            Cookie(0xa8c7_f832_281a_39c5),
            "FNV-1a of eight zero octets"
        );
    }
}
