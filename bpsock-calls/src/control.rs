// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Control messages: `struct cmsghdr` and data, padded to the length of a word.

use std::ffi::c_int;

use bpsock::abi::SOL_BP;

use crate::caller::Errno;

const HEAD: usize = size_of::<libc::cmsghdr>();
const WORD: usize = size_of::<usize>();

/// The control messages of level `SOL_BP`: number and value.
pub(crate) fn parse(octets: &[u8]) -> Result<Vec<(c_int, &[u8])>, Errno> {
    let mut found = Vec::new();
    let mut rest = octets;
    while rest.len() >= HEAD {
        let word = |at: usize| rest.get(at..).and_then(<[u8]>::first_chunk);
        let int = |at: usize| rest.get(at..).and_then(<[u8]>::first_chunk);
        let length = usize::from_ne_bytes(*word(0).ok_or(libc::EINVAL)?);
        let level = c_int::from_ne_bytes(*int(WORD).ok_or(libc::EINVAL)?);
        let name = c_int::from_ne_bytes(*int(WORD + 4).ok_or(libc::EINVAL)?);
        let value = rest.get(HEAD..length).ok_or(libc::EINVAL)?;
        if level == SOL_BP {
            found.push((name, value));
        }
        rest = rest
            .get(length.next_multiple_of(WORD)..)
            .unwrap_or_default();
    }
    Ok(found)
}

/// Adds a control message if there is room for it. `false` if there is not.
pub(crate) fn push(out: &mut Vec<u8>, room: usize, name: c_int, value: &[u8]) -> bool {
    let start = out.len().next_multiple_of(WORD);
    if start + HEAD + value.len() > room {
        return false;
    }
    out.resize(start, 0);
    out.extend((HEAD + value.len()).to_ne_bytes());
    out.extend(SOL_BP.to_ne_bytes());
    out.extend(name.to_ne_bytes());
    out.extend(value);
    true
}
