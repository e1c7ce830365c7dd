// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rings of frames that the kernel fills: what arrives at an interface, without a call for each
//! frame. See `packet_mmap.rst` of the kernel's documentation, version 2.
//!
//! A slot belongs to the kernel or to this side, as its status says, and goes back in order. A
//! frame that is longer than a slot waits in the queue of the socket, and is read from there when
//! its slot is reached.
#![allow(
    unsafe_code,
    reason = "slots are memory that is shared with the kernel"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "libc's constants and this ring's sizes fit the fields of the kernel"
)]

use std::{
    io::{self, Read as _},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd},
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicU32, Ordering},
};

use socket2::{SockFilter, Socket};

use super::{
    MAX_FRAME,
    packet::{bound, listen, option},
};

/// Octets of a slot: a header, room for a tag, and a frame of an ordinary link.
const SLOT: usize = 2048;

/// Slots of all rings of an interface: what arrives in a millisecond or more.
const SLOTS: usize = 1024;

/// The fewest slots of a ring.
const FEWEST: usize = 256;

/// Slots share blocks, which the kernel finds in one piece each.
const BLOCK: usize = 32 * SLOT;

/// Octets of a VLAN tag.
const TAG: usize = 4;

/// Octets of the two addresses that a VLAN tag stands behind.
const ADDRESSES: usize = 12;

/// The instruction of socket filters that ends them, with the length to accept.
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Room that long frames need while they wait, in octets.
const LONG_QUEUE: usize = 4 << 20;

/// The frames that arrive at one interface, or a part of them.
#[derive(Debug)]
pub(crate) struct Ring {
    socket: Socket,
    /// Number of the interface.
    index: u32,
    /// Whether this is the only ring of the interface.
    alone: bool,
    memory: NonNull<u8>,
    /// Number of slots.
    slots: usize,
    /// The oldest slot that has not gone back to the kernel.
    head: usize,
    /// Slots behind it that have been looked at.
    looked: usize,
    /// The frames in them.
    found: Vec<Frame>,
    /// A frame that was longer than a slot, behind room for a tag.
    long: Vec<u8>,
}

/// Where a frame is.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// In the memory of the ring.
    Slot { start: usize, len: usize },
    /// In the buffer for a long one.
    Long { start: usize, len: usize },
}

// SAFETY: the memory belongs to this value alone, apart from the kernel, which does not care for
// threads.
unsafe impl Send for Ring {}

impl Ring {
    /// Opens one of several rings on an interface. Needs `CAP_NET_RAW`.
    pub(crate) fn open(interface: &str, shares: usize) -> io::Result<Self> {
        let slots = (SLOTS / shares.next_power_of_two()).max(FEWEST);
        let (socket, index) = bound(interface)?;
        let version = libc::tpacket_versions::TPACKET_V2 as i32;
        option(&socket, libc::PACKET_VERSION, &version)?;
        option(&socket, libc::PACKET_RESERVE, &(TAG as u32))?;
        option(&socket, libc::PACKET_COPY_THRESH, &1_i32)?;
        // Without the right to more than the limit, the limit is what there is.
        _ = socket.set_recv_buffer_size(LONG_QUEUE);
        let request = libc::tpacket_req {
            tp_block_size: BLOCK as u32,
            tp_block_nr: (slots * SLOT / BLOCK) as u32,
            tp_frame_size: SLOT as u32,
            tp_frame_nr: slots as u32,
        };
        option(&socket, libc::PACKET_RX_RING, &request)?;
        let fd = socket.as_raw_fd();
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let (anywhere, len) = (ptr::null_mut(), slots * SLOT);
        // SAFETY: a new mapping, of the length that the ring was given, replaces nothing.
        let memory = unsafe { libc::mmap(anywhere, len, rights, libc::MAP_SHARED, fd, 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            socket,
            index,
            alone: shares == 1,
            memory,
            slots,
            head: 0,
            looked: 0,
            found: Vec::with_capacity(slots),
            long: vec![0; TAG + MAX_FRAME],
        })
    }

    /// Begins to receive. Several rings of an interface share its frames, those of a flow being for
    /// one of them: by a hash of the addresses, the protocol and the ports. The first one makes a
    /// group; the number that is returned is for the others.
    pub(crate) fn start(&self, group: Option<u16>) -> io::Result<u16> {
        // Between binding and joining, a frame would be for this ring as well as for others.
        let nothing = [SockFilter::new(RETURN, 0, 0, 0)];
        self.socket.attach_filter(&nothing)?;
        listen(&self.socket, self.index)?;
        let told = match group {
            _ if self.alone => 0,
            None => self.join(libc::PACKET_FANOUT_FLAG_UNIQUEID, 0)?,
            Some(group) => self.join(0, group)?,
        };
        self.socket.detach_filter()?;
        Ok(told)
    }

    /// Joins a group of sockets, and returns its number.
    fn join(&self, flags: u32, group: u16) -> io::Result<u16> {
        // What this host sends must not come back.
        let flags = flags | libc::PACKET_FANOUT_FLAG_IGNORE_OUTGOING;
        let request = (libc::PACKET_FANOUT_HASH | flags) << 16 | u32::from(group);
        option(&self.socket, libc::PACKET_FANOUT, &request)?;
        let mut told = 0_u32;
        let mut len = size_of::<u32>() as libc::socklen_t;
        let (level, name) = (libc::SOL_PACKET, libc::PACKET_FANOUT);
        // SAFETY: the pointers are to a live number and to its length.
        let done = unsafe {
            let told = (&raw mut told).cast();
            libc::getsockopt(self.socket.as_raw_fd(), level, name, told, &raw mut len)
        };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        // The kind is in the upper half.
        Ok(told as u16)
    }

    /// Takes an error that the kernel has noted, for example that the interface is down.
    pub(crate) fn error(&self) -> Option<io::Error> {
        self.socket.take_error().unwrap_or_else(Some)
    }

    /// Looks for frames that have arrived, `most` of them at a time, and returns whether there are
    /// any. One that the kernel had no room for is left out.
    pub(crate) fn look(&mut self, most: usize) -> bool {
        while self.found.len() < most && self.looked < self.slots {
            let slot = (self.head + self.looked) % self.slots;
            let status = self.status(slot).load(Ordering::Acquire);
            if status & libc::TP_STATUS_USER == 0 {
                break;
            }
            let long = status & libc::TP_STATUS_COPY != 0;
            let has_long = |frame: &Frame| matches!(frame, Frame::Long { .. });
            if long && self.found.iter().any(has_long) {
                // There is one buffer: this frame is for the next time.
                break;
            }
            self.looked += 1;
            let header = self.header(slot);
            let frame = if long {
                self.long_frame(tag(status, &header))
            } else {
                self.short_frame(slot, tag(status, &header), &header)
            };
            self.found.extend(frame);
        }
        self.looked > 0
    }

    /// The frames that were found.
    pub(crate) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.found.iter().map(|frame| match *frame {
            Frame::Long { start, len } => &self.long[start..start + len],
            // SAFETY: `short_frame` has checked that the frame is in its slot, and the kernel does
            // not write there before the slot goes back, for which `self` must be unique.
            Frame::Slot { start, len } => unsafe {
                slice::from_raw_parts(self.memory.as_ptr().add(start), len)
            },
        })
    }

    /// Gives the slots that were looked at back to the kernel.
    pub(crate) fn release(&mut self) {
        self.found.clear();
        for _ in 0..std::mem::take(&mut self.looked) {
            let status = self.status(self.head);
            status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
            self.head = (self.head + 1) % self.slots;
        }
    }

    /// A frame in its slot. Its tag, which the kernel has taken out, goes back in.
    fn short_frame(
        &mut self,
        slot: usize,
        tag: Option<[u8; TAG]>,
        header: &libc::tpacket2_hdr,
    ) -> Option<Frame> {
        let at = usize::from(header.tp_mac);
        let len = usize::try_from(header.tp_snaplen).ok()?;
        let whole = header.tp_snaplen == header.tp_len;
        if !whole || at < libc::TPACKET2_HDRLEN || len > SLOT.saturating_sub(at) {
            return None;
        }
        let start = slot * SLOT + at;
        let Some(tag) = tag else {
            return Some(Frame::Slot { start, len });
        };
        // SAFETY: with the room that was asked for, the frame and what is before it are in the
        // slot, which nobody else uses before it goes back.
        let frame =
            unsafe { slice::from_raw_parts_mut(self.memory.as_ptr().add(start - TAG), TAG + len) };
        put(tag, frame).then_some(Frame::Slot {
            start: start - TAG,
            len: TAG + len,
        })
    }

    /// A frame that waits in the queue of the socket.
    fn long_frame(&mut self, tag: Option<[u8; TAG]>) -> Option<Frame> {
        let len = (&self.socket).read(&mut self.long[TAG..]).ok()?;
        let Some(tag) = tag else {
            return Some(Frame::Long { start: TAG, len });
        };
        put(tag, &mut self.long[..TAG + len]).then_some(Frame::Long {
            start: 0,
            len: TAG + len,
        })
    }

    fn header(&self, slot: usize) -> libc::tpacket2_hdr {
        // SAFETY: the slot begins with this structure of integers, which the kernel has finished.
        unsafe { ptr::read(self.memory.as_ptr().add(slot * SLOT).cast()) }
    }

    fn status(&self, slot: usize) -> &AtomicU32 {
        // SAFETY: the slot begins with an aligned word that both sides change in one step, and
        // the mapping lives as long as `self`.
        unsafe { AtomicU32::from_ptr(self.memory.as_ptr().add(slot * SLOT).cast()) }
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length, and nothing points into it any more.
        _ = unsafe { libc::munmap(self.memory.as_ptr().cast(), self.slots * SLOT) };
    }
}

/// The tag that the kernel has taken out of a frame.
fn tag(status: u32, header: &libc::tpacket2_hdr) -> Option<[u8; TAG]> {
    if status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let protocol = if status & libc::TP_STATUS_VLAN_TPID_VALID == 0 {
        libc::ETH_P_8021Q as u16
    } else {
        header.tp_vlan_tpid
    };
    let ([a, b], [c, d]) = (protocol.to_be_bytes(), header.tp_vlan_tci.to_be_bytes());
    Some([a, b, c, d])
}

/// Puts a tag behind the addresses of a frame that has room for it in front.
fn put(tag: [u8; TAG], frame: &mut [u8]) -> bool {
    if frame.len() < TAG + ADDRESSES {
        return false;
    }
    frame.copy_within(TAG..TAG + ADDRESSES, 0);
    frame[ADDRESSES..ADDRESSES + TAG].copy_from_slice(&tag);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_stand_behind_the_addresses() {
        let mut frame: Vec<u8> = (0..20).collect();
        assert!(put([0x81, 0, 0, 7], &mut frame));
        let expected = [
            4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x81, 0, 0, 7, 16, 17, 18, 19,
        ];
        assert_eq!(frame, expected);
        assert!(!put([0; 4], &mut [0; 15]), "no room for two addresses");
    }
}
