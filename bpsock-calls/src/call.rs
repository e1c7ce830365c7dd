// SPDX-License-Identifier: Apache-2.0 OR MIT
//! System calls and their arguments. Pointers are numbers: they lead into the memory of the caller.

use std::ffi::c_int;

use crate::caller::{Errno, Span};

/// A system call on a socket, as the manual page of each has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Call {
    /// `bind`
    Bind(Span),
    /// `connect`
    Connect(Span),
    /// `listen`, `accept` and others that datagrams do not have
    Unsupported,
    /// `getsockname`: where the address goes, and where its length stands.
    Name(usize, usize),
    /// `getpeername`
    Peer(usize, usize),
    /// `shutdown`
    Shutdown(c_int),
    /// `setsockopt`
    SetOption {
        /// Level of the option.
        level: c_int,
        /// The option.
        name: c_int,
        /// Its new value.
        value: Span,
    },
    /// `getsockopt`
    Option {
        /// Level of the option.
        level: c_int,
        /// The option.
        name: c_int,
        /// Where the value goes.
        value: usize,
        /// Where its length stands.
        length: usize,
    },
    /// `send`, `sendto`, `write`
    Send {
        /// What to send.
        data: Span,
        /// `MSG_...`
        flags: c_int,
        /// The destination; none at 0.
        name: Span,
    },
    /// `sendmsg`: where the head is.
    SendMessage(usize, c_int),
    /// `sendmmsg`: where the heads are, and how many.
    SendMessages(usize, usize, c_int),
    /// `writev`: where the parts are, and how many.
    SendParts(usize, usize),
    /// `recv`, `recvfrom`, `read`
    Receive {
        /// Where the data go.
        data: Span,
        /// `MSG_...`
        flags: c_int,
        /// Where the address of the sender goes, or 0.
        name: usize,
        /// Where its length stands.
        name_length: usize,
    },
    /// `recvmsg`: where the head is.
    ReceiveMessage(usize, c_int),
    /// `recvmmsg`: where the heads are, and how many.
    ReceiveMessages(usize, usize, c_int),
    /// `readv`: where the parts are, and how many.
    ReceiveParts(usize, usize),
    /// `ioctl`: request and argument.
    Control(u64, usize),
}

/// What a call comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The result, or the errno.
    Done(Result<usize, Errno>),
    /// The call means the same on the descriptor that stands for the socket: the system does it.
    System,
}
