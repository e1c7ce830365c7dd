// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each call, from its arguments to its result.

use std::ffi::c_int;

use bpsock::abi::SOL_BP;
use rustix::net::{Shutdown, shutdown};

use crate::call::{Call, Outcome};
use crate::caller::{
    Caller, Errno, HEAD_LENGTH, HEADS, Head, Span, copy_in, copy_out, read_int, read_part,
    write_int,
};
use crate::messages::{Incoming, Outgoing, Received};
use crate::socket::{FAMILY, Socket, address, errno_of, is_of_family, set_buffer};

/// The longest address that the system takes.
const STORAGE: usize = size_of::<libc::sockaddr_storage>();
/// The most parts of a message.
const PARTS: usize = 1024;

fn nothing(result: Result<(), Errno>) -> Outcome {
    Outcome::Done(result.map(|()| 0))
}

impl Socket {
    /// Does what a call says.
    pub fn perform(&self, caller: &impl Caller, call: &Call) -> Outcome {
        match *call {
            Call::Bind(name) => nothing(self.bind_to(caller, name)),
            Call::Connect(name) => nothing(self.connect_to(caller, name)),
            Call::Unsupported => Outcome::Done(Err(libc::EOPNOTSUPP)),
            Call::Name(at, length) => {
                let name = self.name();
                nothing(name.and_then(|name| name_out(caller, at, length, &name)))
            }
            Call::Peer(at, length) => {
                let peer = self.state().peer.clone().ok_or(libc::ENOTCONN);
                nothing(peer.and_then(|peer| name_out(caller, at, length, &peer.encode())))
            }
            Call::Shutdown(how) => nothing(self.shut(caller, how)),
            Call::SetOption { level, name, value } => {
                self.set_option_of(caller, (level, name), value)
            }
            Call::Option {
                level,
                name,
                value,
                length,
            } => self.option_of(caller, (level, name), value, length),
            Call::Control(request, argument) => self.control(caller, request, argument),
            _ => Outcome::Done(self.transfer(caller, call)),
        }
    }

    /// Calls that send and receive.
    fn transfer(&self, caller: &impl Caller, call: &Call) -> Result<usize, Errno> {
        match *call {
            Call::Send { data, flags, name } => {
                let name = match name.at {
                    0 => Vec::new(),
                    _ => name_in(caller, name)?,
                };
                self.send_parts(caller, vec![data], flags, Some(name))
            }
            Call::SendMessage(at, flags) => self.send_head(caller, at, flags),
            Call::SendMessages(at, count, flags) => each(caller, at, count, |head, _| {
                self.send_head(caller, head, flags)
            }),
            Call::SendParts(vector, count) => {
                let parts = parts_in(caller, Span::new(vector, count))?;
                self.send_parts(caller, parts, 0, None)
            }
            Call::Receive {
                data,
                flags,
                name,
                name_length,
            } => {
                let received = self.receive_parts(caller, vec![data], flags)?;
                if name != 0 {
                    name_out(caller, name, name_length, &received.name)?;
                }
                Ok(received.octets)
            }
            Call::ReceiveMessage(at, flags) => self.receive_head(caller, at, flags),
            Call::ReceiveMessages(at, count, flags) => each(caller, at, count, |head, at| {
                let waits = flags & libc::MSG_WAITFORONE == 0 || at == 0;
                let more = if waits { 0 } else { libc::MSG_DONTWAIT };
                self.receive_head(caller, head, flags & !libc::MSG_WAITFORONE | more)
            }),
            Call::ReceiveParts(vector, count) => {
                let parts = parts_in(caller, Span::new(vector, count))?;
                Ok(self.receive_parts(caller, parts, 0)?.octets)
            }
            _ => Err(libc::EOPNOTSUPP),
        }
    }

    fn bind_to(&self, caller: &impl Caller, name: Span) -> Result<(), Errno> {
        let name = name_in(caller, name)?;
        match address(&name) {
            Ok(address) => self.bind(caller.descriptor(), &address),
            Err(libc::EAFNOSUPPORT) if !is_of_family(&name) => Err(libc::EINVAL),
            Err(error) => Err(error),
        }
    }

    fn connect_to(&self, caller: &impl Caller, name: Span) -> Result<(), Errno> {
        const UNSPEC: [u8; 2] = [0; 2];
        let name = name_in(caller, name)?;
        let family: &[u8; 2] = name.first_chunk().ok_or(libc::EINVAL)?;
        let peer = if *family == UNSPEC {
            None
        } else {
            let peer = address(&name)?;
            self.autobind(caller.descriptor())?;
            Some(peer)
        };
        self.state().peer = peer;
        Ok(())
    }

    fn shut(&self, caller: &impl Caller, how: c_int) -> Result<(), Errno> {
        let (read, write) = match how {
            libc::SHUT_RD => (true, false),
            libc::SHUT_WR => (false, true),
            libc::SHUT_RDWR => (true, true),
            _ => return Err(libc::EINVAL),
        };
        let mut state = self.state();
        state.is_shut_read |= read;
        state.is_shut_write |= write;
        let is_connected = state.peer.is_some();
        let both = state.is_shut_read && state.is_shut_write;
        drop(state);
        if read || both {
            // Whoever waits on the descriptor wakes up.
            let how = if both { Shutdown::Both } else { Shutdown::Read };
            // It is connected as long as it is open.
            let _ = shutdown(caller.descriptor(), how);
        }
        // As with UDP, it takes effect all the same.
        if is_connected {
            Ok(())
        } else {
            Err(libc::ENOTCONN)
        }
    }

    fn set_option_of(
        &self,
        caller: &impl Caller,
        (level, name): (c_int, c_int),
        value: Span,
    ) -> Outcome {
        match (level, name) {
            (SOL_BP, _) => nothing(self.set_own_option(caller, name, value)),
            (libc::SOL_SOCKET, libc::SO_RCVBUF) => {
                let octets = match value.octets {
                    ..4 => Err(libc::EINVAL),
                    _ => read_int(caller, value.at),
                };
                nothing(octets.and_then(|octets| {
                    set_buffer(caller.descriptor(), octets)?;
                    self.set_receive_buffer(caller.descriptor());
                    Ok(())
                }))
            }
            (libc::SOL_SOCKET, _) => Outcome::System,
            _ => Outcome::Done(Err(libc::ENOPROTOOPT)),
        }
    }

    fn set_own_option(&self, caller: &impl Caller, name: c_int, value: Span) -> Result<(), Errno> {
        if value.octets > bpsock::SOCKADDR_BP_MAX_LEN {
            return Err(libc::EINVAL);
        }
        let value = copy_in(caller, value)?;
        self.set_option(name, &value)
    }

    fn option_of(
        &self,
        caller: &impl Caller,
        (level, name): (c_int, c_int),
        value: usize,
        length: usize,
    ) -> Outcome {
        let known = match (level, name) {
            (SOL_BP, _) => read_int(caller, length).and_then(|_| self.option(name)),
            (libc::SOL_SOCKET, libc::SO_DOMAIN) => Ok(FAMILY.to_ne_bytes().into()),
            (libc::SOL_SOCKET, libc::SO_TYPE) => Ok(libc::SOCK_DGRAM.to_ne_bytes().into()),
            (libc::SOL_SOCKET, libc::SO_PROTOCOL) => Ok(self.protocol.to_ne_bytes().into()),
            (libc::SOL_SOCKET, libc::SO_ERROR) => self.bound().map(|bound| {
                let error = bound.and_then(|bound| bound.take_error());
                let number = error.map_or(0, |error| errno_of(&error));
                number.to_ne_bytes().into()
            }),
            (libc::SOL_SOCKET, _) => return Outcome::System,
            _ => Err(libc::ENOPROTOOPT),
        };
        nothing(known.and_then(|known| {
            let room = usize::try_from(read_int(caller, length)?).map_err(|_| libc::EINVAL)?;
            let octets = known.len().min(room);
            copy_out(caller, Span::new(value, octets), &known)?;
            let octets = u32::try_from(octets).map_err(|_| libc::EINVAL)?;
            write_int(caller, length, octets)
        }))
    }

    fn control(&self, caller: &impl Caller, request: u64, argument: usize) -> Outcome {
        let octets = match request {
            FIONREAD => match self.bound() {
                Ok(bound) => bound.and_then(|bound| bound.next_len()).unwrap_or(0),
                Err(error) => return Outcome::Done(Err(error)),
            },
            // Whoever sends waits for the answer.
            TIOCOUTQ => 0,
            _ => return Outcome::System,
        };
        let octets = c_int::try_from(octets).unwrap_or(c_int::MAX);
        nothing(write_int(caller, argument, octets.cast_unsigned()))
    }

    fn send_parts(
        &self,
        caller: &impl Caller,
        parts: Vec<Span>,
        flags: c_int,
        name: Option<Vec<u8>>,
    ) -> Result<usize, Errno> {
        let outgoing = Outgoing {
            parts,
            name,
            control: Vec::new(),
            flags,
        };
        self.send(caller, &outgoing)
    }

    fn send_head(&self, caller: &impl Caller, at: usize, flags: c_int) -> Result<usize, Errno> {
        let head = Head::read(caller, at)?;
        let name = match head.name.at {
            0 => None,
            _ => Some(name_in(caller, head.name)?),
        };
        let control = match head.control.at {
            0 => Vec::new(),
            _ => copy_in(caller, head.control)?,
        };
        let outgoing = Outgoing {
            parts: parts_in(caller, head.parts)?,
            name,
            control,
            flags,
        };
        self.send(caller, &outgoing)
    }

    fn receive_parts(
        &self,
        caller: &impl Caller,
        parts: Vec<Span>,
        flags: c_int,
    ) -> Result<Received, Errno> {
        let incoming = Incoming {
            parts,
            control: 0,
            flags,
        };
        self.receive(caller, &incoming)
    }

    fn receive_head(&self, caller: &impl Caller, at: usize, flags: c_int) -> Result<usize, Errno> {
        let head = Head::read(caller, at)?;
        let has_control = head.control.at != 0;
        let incoming = Incoming {
            parts: parts_in(caller, head.parts)?,
            control: if has_control { head.control.octets } else { 0 },
            flags,
        };
        let result = self.receive(caller, &incoming)?;
        let mut name = None;
        if head.name.at != 0 {
            copy_out(caller, head.name, &result.name)?;
            name = Some(u32::try_from(result.name.len()).map_err(|_| libc::EINVAL)?);
        }
        if has_control {
            copy_out(caller, head.control, &result.control)?;
        }
        head.write(caller, (name, result.control.len()), result.flags)?;
        Ok(result.octets)
    }
}

/// As the system's `ioctl` counts them, whatever type the C library gives its argument.
const FIONREAD: u64 = 0x541b;
const TIOCOUTQ: u64 = 0x5411;

/// An address of the program.
fn name_in(caller: &impl Caller, name: Span) -> Result<Vec<u8>, Errno> {
    if name.octets > STORAGE {
        return Err(libc::EINVAL);
    }
    copy_in(caller, name)
}

/// Gives an address to the program: as much of it as there is room for, and its length.
fn name_out(caller: &impl Caller, at: usize, length: usize, name: &[u8]) -> Result<(), Errno> {
    let room = usize::try_from(read_int(caller, length)?).map_err(|_| libc::EINVAL)?;
    copy_out(caller, Span::new(at, room), name)?;
    let octets = u32::try_from(name.len()).map_err(|_| libc::EINVAL)?;
    write_int(caller, length, octets)
}

/// The parts of a message: where they are listed, and how many.
fn parts_in(caller: &impl Caller, list: Span) -> Result<Vec<Span>, Errno> {
    if list.octets > PARTS {
        return Err(libc::EMSGSIZE);
    }
    (0..list.octets)
        .map(|at| read_part(caller, list.at, at))
        .collect()
}

/// Does something with each of several messages. The first one may fail, and ends it later.
fn each(
    caller: &impl Caller,
    messages: usize,
    count: usize,
    mut one: impl FnMut(usize, usize) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let mut done = 0;
    for at in 0..count.min(PARTS) {
        let head = messages.wrapping_add(at * HEADS);
        let octets = match one(head, at) {
            Ok(octets) => u32::try_from(octets).unwrap_or(u32::MAX),
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        };
        if write_int(caller, head.wrapping_add(HEAD_LENGTH), octets).is_err() {
            break;
        }
        done += 1;
    }
    Ok(done)
}
