// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Headers and attributes of netlink messages, whatever they say.

use crate::protocol::ProtocolError;
use crate::protocol::numbers::BP_A_PAD;

/// Octets of `struct nlmsghdr`.
const NLMSG_HEADER: usize = 16;
/// Octets of `struct nlattr`.
const ATTRIBUTE_HEADER: usize = 4;
/// Two upper bits of an attribute's type are flags.
const TYPE_MASK: u16 = 0x3fff;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;

/// One message of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Frame<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// What follows the header.
    pub body: &'a [u8],
}

/// The messages of a datagram, in their order. The first fault is the last item.
pub fn frames(datagram: &[u8]) -> impl Iterator<Item = Result<Frame<'_>, ProtocolError>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let frame = frame(&mut rest);
        if frame.is_err() {
            rest = &[];
        }
        Some(frame)
    })
}

fn frame<'a>(rest: &mut &'a [u8]) -> Result<Frame<'a>, ProtocolError> {
    let available = rest.len() as u64;
    let Some(&[l0, l1, l2, l3, t0, t1, ..]) = rest.first_chunk::<NLMSG_HEADER>() else {
        return Err(ProtocolError::Length(available));
    };
    let stated = u32::from_ne_bytes([l0, l1, l2, l3]);
    let length = usize::try_from(stated).map_err(|_| ProtocolError::Length(stated.into()))?;
    let body = rest.get(NLMSG_HEADER..length);
    let body = body.ok_or(ProtocolError::Length(stated.into()))?;
    *rest = rest.get(padded(length)..).unwrap_or_default();
    Ok(Frame {
        kind: u16::from_ne_bytes([t0, t1]),
        body,
    })
}

/// The attributes of a message. The first fault is the last item.
pub fn attributes(body: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), ProtocolError>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let attribute = attribute(&mut rest);
        if attribute.is_err() {
            rest = &[];
        }
        Some(attribute)
    })
}

fn attribute<'a>(rest: &mut &'a [u8]) -> Result<(u16, &'a [u8]), ProtocolError> {
    let Some(&[l0, l1, t0, t1]) = rest.first_chunk::<ATTRIBUTE_HEADER>() else {
        return Err(ProtocolError::Length(rest.len() as u64));
    };
    let length = u16::from_ne_bytes([l0, l1]);
    let value = rest.get(ATTRIBUTE_HEADER..usize::from(length));
    let value = value.ok_or(ProtocolError::Length(length.into()))?;
    *rest = rest.get(padded(length.into())..).unwrap_or_default();
    Ok((u16::from_ne_bytes([t0, t1]) & TYPE_MASK, value))
}

/// Writes one message.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, kind: u16, command: u8, version: u8) -> Self {
        let start = out.len();
        out.extend([0; 4]);
        out.extend(kind.to_ne_bytes());
        out.extend(REQUEST.to_ne_bytes());
        out.extend([0; 8]);
        out.extend([command, version, 0, 0]);
        Self { out, start }
    }

    pub(super) fn octets(&mut self, kind: u16, value: &[u8]) {
        self.with(kind, |out| out.extend_from_slice(value));
    }

    pub(super) fn u32(&mut self, kind: u16, value: u32) {
        self.octets(kind, &value.to_ne_bytes());
    }

    /// A number of 64 bits, where the kernel finds it aligned.
    pub(super) fn u64(&mut self, kind: u16, value: u64) {
        if !(self.out.len() - self.start + ATTRIBUTE_HEADER).is_multiple_of(8) {
            self.octets(BP_A_PAD, &[]);
        }
        self.octets(kind, &value.to_ne_bytes());
    }

    /// An attribute whose value a function appends.
    ///
    /// # Panics
    ///
    /// The value does not fit into an attribute: the longest are chunks, which are limited.
    pub(super) fn with(&mut self, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
        let at = self.out.len();
        self.out.extend([0; 2]);
        self.out.extend(kind.to_ne_bytes());
        fill(self.out);
        let length = u16::try_from(self.out.len() - at).expect("chunks are below the limit");
        self.out[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        self.out
            .resize(padded(self.out.len() - self.start) + self.start, 0);
    }

    pub(super) fn finish(self) {
        let length = u32::try_from(self.out.len() - self.start).expect("attributes are short");
        self.out[self.start..self.start + 4].copy_from_slice(&length.to_ne_bytes());
    }
}

const fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}
