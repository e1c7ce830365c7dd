// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions that programs call instead of the C library's: one for each, with its name and type.
//!
//! Each asks whether the descriptor is of family 28, and passes the call on if it is not.

use std::ffi::{c_int, c_uint, c_ulong, c_void};
use std::os::fd::RawFd;
use std::sync::Arc;

use bpsock::AF_BP;
use bpsock::abi::SOL_BP;
use libc::{iovec, mmsghdr, msghdr, size_t, sockaddr, socklen_t, ssize_t, timespec};

use crate::memory::{self, Span, copy_in, copy_out};
use crate::messages::{Incoming, Outgoing, Received};
use crate::socket::{Errno, Socket, address, errno_of, is_of_family, set_errno};
use crate::{real, table};

/// The longest address that the system takes.
const STORAGE: usize = size_of::<libc::sockaddr_storage>();
/// The most parts of a message.
const PARTS: usize = 1024;
const FAMILY: c_int = AF_BP as c_int;

fn int(outcome: Result<(), Errno>) -> c_int {
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            set_errno(error);
            -1
        }
    }
}

fn size(outcome: Result<usize, Errno>) -> ssize_t {
    outcome.map_or_else(
        |error| {
            set_errno(error);
            -1
        },
        |octets| ssize_t::try_from(octets).unwrap_or(ssize_t::MAX),
    )
}

/// An address of the program, of this length.
fn name_in(at: *const sockaddr, length: socklen_t) -> Result<Vec<u8>, Errno> {
    let length = usize::try_from(length).map_err(|_| libc::EINVAL)?;
    if length > STORAGE {
        return Err(libc::EINVAL);
    }
    copy_in(Span::new(at, length))
}

/// Gives an address to the program: as much of it as there is room for, and its length.
fn name_out(at: *mut sockaddr, length: *mut socklen_t, name: &[u8]) -> Result<(), Errno> {
    let room = memory::read(length.cast::<c_int>())?;
    let room = usize::try_from(room).map_err(|_| libc::EINVAL)?;
    copy_out(Span::new(at, room), name)?;
    let octets = socklen_t::try_from(name.len()).map_err(|_| libc::EINVAL)?;
    memory::write(length, &octets)
}

macro_rules! hooks {
    ($(fn $name:ident($fd:ident $(, $argument:ident: $type:ty)*) -> $result:ty { $socket:pat => $body:expr })*) => { $(
        /// As the C library says.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($fd: c_int $(, $argument: $type)*) -> $result {
            match table::find($fd) {
                Some($socket) => $body,
                // SAFETY: the arguments are those of the caller.
                None => unsafe { real::$name($fd $(, $argument)*) },
            }
        }
    )* };
}

hooks! {
    fn bind(fd, at: *const sockaddr, length: socklen_t) -> c_int {
        socket => int(bind_to(&socket, fd, at, length))
    }
    fn connect(fd, at: *const sockaddr, length: socklen_t) -> c_int {
        socket => int(connect_to(&socket, fd, at, length))
    }
    fn listen(fd, _backlog: c_int) -> c_int {
        _ => int(Err(libc::EOPNOTSUPP))
    }
    fn accept(fd, _at: *mut sockaddr, _length: *mut socklen_t) -> c_int {
        _ => int(Err(libc::EOPNOTSUPP))
    }
    fn accept4(fd, _at: *mut sockaddr, _length: *mut socklen_t, _flags: c_int) -> c_int {
        _ => int(Err(libc::EOPNOTSUPP))
    }
    fn getsockname(fd, at: *mut sockaddr, length: *mut socklen_t) -> c_int {
        socket => int(socket.name().and_then(|name| name_out(at, length, &name)))
    }
    fn getpeername(fd, at: *mut sockaddr, length: *mut socklen_t) -> c_int {
        socket => {
            let peer = socket.state().peer.clone().ok_or(libc::ENOTCONN);
            int(peer.and_then(|peer| name_out(at, length, &peer.encode())))
        }
    }
    fn shutdown(fd, how: c_int) -> c_int {
        socket => int(shut(&socket, fd, how))
    }
    fn setsockopt(fd, level: c_int, name: c_int, value: *const c_void, length: socklen_t) -> c_int {
        socket => int(set_option(&socket, fd, (level, name), value, length))
    }
    fn getsockopt(fd, level: c_int, name: c_int, value: *mut c_void, length: *mut socklen_t) -> c_int {
        socket => int(option(&socket, fd, (level, name), value, length))
    }
    fn send(fd, data: *const c_void, length: size_t, flags: c_int) -> ssize_t {
        socket => size(send_one(&socket, fd, Span::new(data, length), flags, None))
    }
    fn sendto(fd, data: *const c_void, length: size_t, flags: c_int, at: *const sockaddr, name_length: socklen_t) -> ssize_t {
        socket => {
            let name = if at.is_null() { Ok(Vec::new()) } else { name_in(at, name_length) };
            let span = Span::new(data, length);
            size(name.and_then(|name| send_one(&socket, fd, span, flags, Some(name))))
        }
    }
    fn sendmsg(fd, message: *const msghdr, flags: c_int) -> ssize_t {
        socket => size(memory::read(message).and_then(|head| send_head(&socket, fd, &head, flags)))
    }
    fn sendmmsg(fd, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int {
        socket => each(messages, count, |head, _| send_head(&socket, fd, head, flags))
    }
    fn recv(fd, data: *mut c_void, length: size_t, flags: c_int) -> ssize_t {
        socket => size(receive_one(&socket, fd, Span::new(data, length), flags).map(|it| it.octets))
    }
    fn recvfrom(fd, data: *mut c_void, length: size_t, flags: c_int, at: *mut sockaddr, name_length: *mut socklen_t) -> ssize_t {
        socket => size(receive_from(&socket, fd, Span::new(data, length), flags, (at, name_length)))
    }
    fn recvmsg(fd, message: *mut msghdr, flags: c_int) -> ssize_t {
        socket => size(receive_head(&socket, fd, message, flags))
    }
    fn recvmmsg(fd, messages: *mut mmsghdr, count: c_uint, flags: c_int, _timeout: *mut timespec) -> c_int {
        socket => each(messages, count, |_, at| {
            let waits = flags & libc::MSG_WAITFORONE == 0 || at == 0;
            let more = if waits { 0 } else { libc::MSG_DONTWAIT };
            // SAFETY: the caller says that there are so many, and the system copies from them.
            let head = unsafe { &raw mut (*messages.add(at)).msg_hdr };
            receive_head(&socket, fd, head, flags & !libc::MSG_WAITFORONE | more)
        })
    }
    fn read(fd, data: *mut c_void, length: size_t) -> ssize_t {
        socket => size(receive_one(&socket, fd, Span::new(data, length), 0).map(|it| it.octets))
    }
    fn write(fd, data: *const c_void, length: size_t) -> ssize_t {
        socket => size(send_one(&socket, fd, Span::new(data, length), 0, None))
    }
    fn readv(fd, vector: *const iovec, count: c_int) -> ssize_t {
        socket => {
            let parts = usize::try_from(count).map_err(|_| libc::EINVAL);
            let parts = parts.and_then(|count| parts_in(vector, count));
            size(parts.and_then(|parts| {
                socket.receive(fd, &Incoming { parts, control: 0, flags: 0 }).map(|it| it.octets)
            }))
        }
    }
    fn writev(fd, vector: *const iovec, count: c_int) -> ssize_t {
        socket => {
            let parts = usize::try_from(count).map_err(|_| libc::EINVAL);
            let parts = parts.and_then(|count| parts_in(vector, count));
            size(parts.and_then(|parts| {
                let control = Vec::new();
                socket.send(fd, &Outgoing { parts, name: None, control, flags: 0 })
            }))
        }
    }
    fn ioctl(fd, request: c_ulong, argument: c_ulong) -> c_int {
        socket => control(&socket, fd, request, argument)
    }
}

/// As the C library says.
#[unsafe(no_mangle)]
unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    if domain != FAMILY {
        // SAFETY: the arguments are those of the caller.
        return unsafe { real::socket(domain, kind, protocol) };
    }
    match Socket::new(kind, protocol) {
        Ok((fd, socket)) => {
            drop(table::set(fd, Some(Arc::new(socket))));
            fd
        }
        Err(error) => int(Err(error)),
    }
}

/// As the C library says.
#[unsafe(no_mangle)]
unsafe extern "C" fn socketpair(
    domain: c_int,
    kind: c_int,
    protocol: c_int,
    pair: *mut c_int,
) -> c_int {
    if domain == FAMILY {
        return int(Err(libc::EOPNOTSUPP));
    }
    // SAFETY: the arguments are those of the caller.
    unsafe { real::socketpair(domain, kind, protocol, pair) }
}

/// As the C library says.
#[unsafe(no_mangle)]
unsafe extern "C" fn close(fd: c_int) -> c_int {
    // First it is forgotten: as soon as it is closed, another thread may get its number.
    let old = table::set_closed(fd);
    // SAFETY: the arguments are those of the caller.
    let closed = unsafe { real::close(fd) };
    let error = crate::socket::errno();
    drop(old);
    set_errno(error);
    closed
}

/// The new descriptor is what the old one is.
fn copied(from: c_int, to: c_int) -> c_int {
    if to >= 0 && from != to {
        drop(table::set(to, table::find(from)));
    }
    to
}

/// As the C library says.
#[unsafe(no_mangle)]
unsafe extern "C" fn dup(fd: c_int) -> c_int {
    // SAFETY: the arguments are those of the caller.
    copied(fd, unsafe { real::dup(fd) })
}

/// As the C library says.
#[unsafe(no_mangle)]
unsafe extern "C" fn dup2(fd: c_int, to: c_int) -> c_int {
    // SAFETY: the arguments are those of the caller.
    copied(fd, unsafe { real::dup2(fd, to) })
}

/// As the C library says.
#[unsafe(no_mangle)]
unsafe extern "C" fn dup3(fd: c_int, to: c_int, flags: c_int) -> c_int {
    // SAFETY: the arguments are those of the caller.
    copied(fd, unsafe { real::dup3(fd, to, flags) })
}

/// As the C library says.
#[unsafe(no_mangle)]
unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: c_ulong) -> c_int {
    // SAFETY: the arguments are those of the caller.
    let result = unsafe { real::fcntl(fd, command, argument) };
    match command {
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => copied(fd, result),
        _ => result,
    }
}

/// As the C library says: another name for `fcntl`.
#[unsafe(no_mangle)]
unsafe extern "C" fn fcntl64(fd: c_int, command: c_int, argument: c_ulong) -> c_int {
    // SAFETY: the arguments are those of the caller.
    unsafe { fcntl(fd, command, argument) }
}

/// What programs call that were compiled with checks of buffers.
#[unsafe(no_mangle)]
unsafe extern "C" fn __recv_chk(
    fd: c_int,
    data: *mut c_void,
    length: size_t,
    room: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the arguments are those of the caller.
    unsafe { recv(fd, data, length.min(room), flags) }
}

/// What programs call that were compiled with checks of buffers.
#[unsafe(no_mangle)]
unsafe extern "C" fn __recvfrom_chk(
    fd: c_int,
    data: *mut c_void,
    length: size_t,
    room: size_t,
    flags: c_int,
    at: *mut sockaddr,
    name_length: *mut socklen_t,
) -> ssize_t {
    // SAFETY: the arguments are those of the caller.
    unsafe { recvfrom(fd, data, length.min(room), flags, at, name_length) }
}

/// What programs call that were compiled with checks of buffers.
#[unsafe(no_mangle)]
unsafe extern "C" fn __read_chk(
    fd: c_int,
    data: *mut c_void,
    length: size_t,
    room: size_t,
) -> ssize_t {
    // SAFETY: the arguments are those of the caller.
    unsafe { read(fd, data, length.min(room)) }
}

fn bind_to(
    socket: &Socket,
    fd: RawFd,
    at: *const sockaddr,
    length: socklen_t,
) -> Result<(), Errno> {
    let name = name_in(at, length)?;
    match address(&name) {
        Ok(address) => socket.bind(fd, &address),
        Err(libc::EAFNOSUPPORT) if !is_of_family(&name) => Err(libc::EINVAL),
        Err(error) => Err(error),
    }
}

fn connect_to(
    socket: &Socket,
    fd: RawFd,
    at: *const sockaddr,
    length: socklen_t,
) -> Result<(), Errno> {
    const UNSPEC: [u8; 2] = [0; 2];
    let name = name_in(at, length)?;
    let family: &[u8; 2] = name.first_chunk().ok_or(libc::EINVAL)?;
    let peer = if *family == UNSPEC {
        None
    } else {
        let peer = address(&name)?;
        socket.autobind(fd)?;
        Some(peer)
    };
    socket.state().peer = peer;
    Ok(())
}

fn shut(socket: &Socket, fd: RawFd, how: c_int) -> Result<(), Errno> {
    let (read, write) = match how {
        libc::SHUT_RD => (true, false),
        libc::SHUT_WR => (false, true),
        libc::SHUT_RDWR => (true, true),
        _ => return Err(libc::EINVAL),
    };
    let mut state = socket.state();
    state.is_shut_read |= read;
    state.is_shut_write |= write;
    let is_connected = state.peer.is_some();
    let both = state.is_shut_read && state.is_shut_write;
    drop(state);
    if read || both {
        // Whoever waits on the descriptor wakes up.
        let how = if both { libc::SHUT_RDWR } else { libc::SHUT_RD };
        // SAFETY: there are no pointers.
        unsafe { real::shutdown(fd, how) };
    }
    // As with UDP, it takes effect all the same.
    if is_connected {
        Ok(())
    } else {
        Err(libc::ENOTCONN)
    }
}

fn set_option(
    socket: &Socket,
    fd: RawFd,
    (level, name): (c_int, c_int),
    value: *const c_void,
    length: socklen_t,
) -> Result<(), Errno> {
    match level {
        SOL_BP => {
            let length = usize::try_from(length).map_err(|_| libc::EINVAL)?;
            if length > bpsock::SOCKADDR_BP_MAX_LEN {
                return Err(libc::EINVAL);
            }
            let value = copy_in(Span::new(value, length))?;
            socket.set_option(name, &value)
        }
        libc::SOL_SOCKET => {
            // SAFETY: the arguments are those of the caller.
            if unsafe { real::setsockopt(fd, level, name, value, length) } < 0 {
                return Err(crate::socket::errno());
            }
            if name == libc::SO_RCVBUF {
                socket.set_receive_buffer(fd);
            }
            Ok(())
        }
        _ => Err(libc::ENOPROTOOPT),
    }
}

fn option(
    socket: &Socket,
    fd: RawFd,
    (level, name): (c_int, c_int),
    value: *mut c_void,
    length: *mut socklen_t,
) -> Result<(), Errno> {
    let known = match (level, name) {
        (SOL_BP, _) => {
            memory::read(length)?;
            socket.option(name)?
        }
        (libc::SOL_SOCKET, libc::SO_DOMAIN) => FAMILY.to_ne_bytes().into(),
        (libc::SOL_SOCKET, libc::SO_TYPE) => libc::SOCK_DGRAM.to_ne_bytes().into(),
        (libc::SOL_SOCKET, libc::SO_PROTOCOL) => socket.protocol.to_ne_bytes().into(),
        (libc::SOL_SOCKET, libc::SO_ERROR) => {
            let error = socket.bound()?.and_then(|bound| bound.take_error());
            error
                .map_or(0, |error| errno_of(&error))
                .to_ne_bytes()
                .into()
        }
        (libc::SOL_SOCKET, _) => {
            // SAFETY: the arguments are those of the caller.
            let got = unsafe { real::getsockopt(fd, level, name, value, length) };
            return if got < 0 {
                Err(crate::socket::errno())
            } else {
                Ok(())
            };
        }
        _ => return Err(libc::ENOPROTOOPT),
    };
    let room = memory::read(length.cast::<c_int>())?;
    let room = usize::try_from(room).map_err(|_| libc::EINVAL)?;
    let octets = known.len().min(room);
    copy_out(Span::new(value, octets), &known)?;
    let octets = socklen_t::try_from(octets).map_err(|_| libc::EINVAL)?;
    memory::write(length, &octets)
}

fn control(socket: &Socket, fd: RawFd, request: c_ulong, argument: c_ulong) -> c_int {
    let octets = match request {
        libc::FIONREAD => match socket.bound() {
            Ok(bound) => bound.and_then(|bound| bound.next_len()).unwrap_or(0),
            Err(error) => return int(Err(error)),
        },
        // Whoever sends waits for the answer.
        libc::TIOCOUTQ => 0,
        // SAFETY: the arguments are those of the caller.
        _ => return unsafe { real::ioctl(fd, request, argument) },
    };
    let octets = c_int::try_from(octets).unwrap_or(c_int::MAX);
    int(memory::write(argument as *mut c_int, &octets))
}

fn send_one(
    socket: &Socket,
    fd: RawFd,
    data: Span,
    flags: c_int,
    name: Option<Vec<u8>>,
) -> Result<usize, Errno> {
    let outgoing = Outgoing {
        parts: vec![data],
        name,
        control: Vec::new(),
        flags,
    };
    socket.send(fd, &outgoing)
}

fn parts_in(vector: *const iovec, count: usize) -> Result<Vec<Span>, Errno> {
    if count > PARTS {
        return Err(libc::EMSGSIZE);
    }
    (0..count)
        .map(|at| {
            let part = memory::read(vector.wrapping_add(at))?;
            Ok(Span::new(part.iov_base, part.iov_len))
        })
        .collect()
}

fn send_head(socket: &Socket, fd: RawFd, head: &msghdr, flags: c_int) -> Result<usize, Errno> {
    let name = if head.msg_name.is_null() {
        None
    } else {
        Some(name_in(
            head.msg_name.cast_const().cast(),
            head.msg_namelen,
        )?)
    };
    let control = if head.msg_control.is_null() {
        Vec::new()
    } else {
        copy_in(Span::new(head.msg_control, head.msg_controllen))?
    };
    let outgoing = Outgoing {
        parts: parts_in(head.msg_iov, head.msg_iovlen)?,
        name,
        control,
        flags,
    };
    socket.send(fd, &outgoing)
}

fn receive_one(socket: &Socket, fd: RawFd, data: Span, flags: c_int) -> Result<Received, Errno> {
    let incoming = Incoming {
        parts: vec![data],
        control: 0,
        flags,
    };
    socket.receive(fd, &incoming)
}

fn receive_from(
    socket: &Socket,
    fd: RawFd,
    data: Span,
    flags: c_int,
    (at, length): (*mut sockaddr, *mut socklen_t),
) -> Result<usize, Errno> {
    let result = receive_one(socket, fd, data, flags)?;
    if !at.is_null() {
        name_out(at, length, &result.name)?;
    }
    Ok(result.octets)
}

fn receive_head(
    socket: &Socket,
    fd: RawFd,
    message: *mut msghdr,
    flags: c_int,
) -> Result<usize, Errno> {
    let mut head = memory::read(message)?;
    let has_control = !head.msg_control.is_null();
    let incoming = Incoming {
        parts: parts_in(head.msg_iov, head.msg_iovlen)?,
        control: if has_control { head.msg_controllen } else { 0 },
        flags,
    };
    let result = socket.receive(fd, &incoming)?;
    if !head.msg_name.is_null() {
        let room = usize::try_from(head.msg_namelen).unwrap_or_default();
        copy_out(Span::new(head.msg_name, room), &result.name)?;
        head.msg_namelen = socklen_t::try_from(result.name.len()).map_err(|_| libc::EINVAL)?;
    }
    if has_control {
        let room = Span::new(head.msg_control, head.msg_controllen);
        copy_out(room, &result.control)?;
    }
    head.msg_controllen = result.control.len();
    head.msg_flags = result.flags;
    memory::write(message, &head)?;
    Ok(result.octets)
}

/// Does something with each of several messages. The first one may fail, and ends it later.
fn each(
    messages: *mut mmsghdr,
    count: c_uint,
    mut one: impl FnMut(&msghdr, usize) -> Result<usize, Errno>,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(PARTS).min(PARTS);
    let mut done: c_int = 0;
    for at in 0..count {
        let place = messages.wrapping_add(at);
        let outcome = memory::read(place).and_then(|head| one(&head.msg_hdr, at));
        let octets = match outcome {
            Ok(octets) => c_uint::try_from(octets).unwrap_or(c_uint::MAX),
            Err(error) if done == 0 => return int(Err(error)),
            Err(_) => break,
        };
        // It stands behind the head, without a hole.
        let length = place.cast::<msghdr>().wrapping_add(1).cast::<c_uint>();
        if memory::write(length, &octets).is_err() {
            break;
        }
        done += 1;
    }
    done
}
