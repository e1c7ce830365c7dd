// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Options of level `SOL_BP`: of a socket, and of one message.

use std::ffi::c_int;

use bpsock::abi::{
    BP_FLAG_ALL, BP_OPTION_FLAGS, BP_OPTION_HOP_LIMIT, BP_OPTION_LIFETIME, BP_OPTION_PRIORITY,
    BundleId,
};
use bpsock::net::Message;

use crate::caller::Errno;
use crate::socket::{Socket, address, errno_of, max_message};

pub(crate) const BP_LIFETIME: c_int = 1;
pub(crate) const BP_FLAGS: c_int = 2;
pub(crate) const BP_HOP_LIMIT: c_int = 3;
pub(crate) const BP_PRIORITY: c_int = 4;
pub(crate) const BP_REPORT_TO: c_int = 5;
pub(crate) const BP_TAG: c_int = 6;
pub(crate) const BP_RECVINFO: c_int = 7;
pub(crate) const BP_RECVERR: c_int = 8;
pub(crate) const BP_INFO: c_int = 9;
pub(crate) const BP_DESTINATION: c_int = 10;
pub(crate) const BP_PREVIOUS_NODE: c_int = 11;
const BP_LAST_SENT: c_int = 12;
const BP_CANCEL: c_int = 13;
const BP_MAX_MESSAGE: c_int = 14;

/// Bits of `BP_RECVINFO`.
pub(crate) const RECVINFO_INFO: u32 = 1;
pub(crate) const RECVINFO_DESTINATION: u32 = 2;
pub(crate) const RECVINFO_REPORT_TO: u32 = 4;
pub(crate) const RECVINFO_PREVIOUS_NODE: u32 = 8;
const RECVINFO_ALL: u32 = 15;

const NORMAL: u32 = 1;
const EXPEDITED: u32 = 2;

fn number<const OCTETS: usize>(value: &[u8]) -> Result<[u8; OCTETS], Errno> {
    value.try_into().map_err(|_| libc::EINVAL)
}

/// Changes how a message is sent. A value of no octets takes the choice back.
pub(crate) fn choose(message: &mut Message, name: c_int, value: &[u8]) -> Result<(), Errno> {
    let options = &mut message.options;
    let bit = match name {
        BP_LIFETIME => BP_OPTION_LIFETIME,
        BP_FLAGS => BP_OPTION_FLAGS,
        BP_HOP_LIMIT => BP_OPTION_HOP_LIMIT,
        BP_PRIORITY => BP_OPTION_PRIORITY,
        BP_REPORT_TO => {
            message.report_to = if value.is_empty() {
                None
            } else {
                Some(address(value)?)
            };
            return Ok(());
        }
        _ => return Err(libc::EINVAL),
    };
    let is_chosen = !value.is_empty();
    if name == BP_LIFETIME {
        let value = if is_chosen {
            u64::from_ne_bytes(number(value)?)
        } else {
            0
        };
        if is_chosen && value == 0 {
            return Err(libc::EINVAL);
        }
        options.lifetime_ms = value;
    } else {
        let value = if is_chosen {
            u32::from_ne_bytes(number(value)?)
        } else {
            0
        };
        let (is_good, field) = match name {
            BP_FLAGS => (value & !BP_FLAG_ALL == 0, &mut options.flags),
            BP_HOP_LIMIT => ((1..=255).contains(&value), &mut options.hop_limit),
            _ => (value <= EXPEDITED, &mut options.priority),
        };
        if is_chosen && !is_good {
            return Err(libc::EINVAL);
        }
        *field = value;
    }
    if is_chosen {
        options.present |= bit;
    } else {
        options.present &= !bit;
    }
    Ok(())
}

impl Socket {
    pub(crate) fn set_option(&self, name: c_int, value: &[u8]) -> Result<(), Errno> {
        match name {
            BP_LIFETIME..=BP_REPORT_TO => choose(&mut self.state().message, name, value),
            BP_RECVINFO | BP_RECVERR => {
                let bits = u32::from_ne_bytes(number(value)?);
                let all = if name == BP_RECVERR { 1 } else { RECVINFO_ALL };
                if bits & !all != 0 {
                    return Err(libc::EINVAL);
                }
                let mut state = self.state();
                if name == BP_RECVERR {
                    state.recverr = bits != 0;
                } else {
                    state.recvinfo = bits;
                }
                Ok(())
            }
            BP_CANCEL => {
                let bundle = BundleId::decode(value).ok_or(libc::EINVAL)?;
                let bound = self.bound()?.ok_or(libc::ENOENT)?;
                bound.cancel(bundle).map_err(|error| errno_of(&error))
            }
            _ => Err(libc::ENOPROTOOPT),
        }
    }

    pub(crate) fn option(&self, name: c_int) -> Result<Vec<u8>, Errno> {
        let max_message = u32::try_from(max_message()).unwrap_or(u32::MAX);
        let state = self.state();
        let options = &state.message.options;
        let number = match name {
            BP_LIFETIME => return Ok(options.lifetime_ms.to_ne_bytes().into()),
            BP_FLAGS => options.flags,
            BP_HOP_LIMIT => options.hop_limit,
            BP_PRIORITY if options.present & BP_OPTION_PRIORITY == 0 => NORMAL,
            BP_PRIORITY => options.priority,
            BP_REPORT_TO => {
                let report_to = state.message.report_to.as_ref();
                return Ok(report_to.map(bpsock::Address::encode).unwrap_or_default());
            }
            BP_RECVINFO => state.recvinfo,
            BP_RECVERR => state.recverr.into(),
            BP_LAST_SENT => {
                let mut out = Vec::new();
                state.last.ok_or(libc::ENOENT)?.encode(&mut out);
                return Ok(out);
            }
            BP_MAX_MESSAGE => max_message,
            _ => return Err(libc::ENOPROTOOPT),
        };
        Ok(number.to_ne_bytes().into())
    }
}
