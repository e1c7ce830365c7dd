// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions that programs call instead of the C library's: one for each, with its name and type.
//!
//! Each asks whether the descriptor is of family 28, and passes the call on if it is not.

use std::ffi::{c_int, c_uint, c_ulong, c_void};
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::sync::Arc;

use bpsock_calls::{Call, FAMILY, Outcome, Socket, Span};
use libc::{iovec, mmsghdr, msghdr, size_t, sockaddr, socklen_t, ssize_t, timespec};

use crate::program::{Program, errno, set_errno};
use crate::{real, table};

/// The address of something, as a number.
fn at<T>(pointer: *const T) -> usize {
    pointer.addr()
}

fn span<T>(pointer: *const T, octets: usize) -> Span {
    Span::new(pointer.addr(), octets)
}

/// An address of a socket and its length.
fn name(pointer: *const sockaddr, length: socklen_t) -> Span {
    // A length that is no length is too long for an address.
    span(pointer, usize::try_from(length).unwrap_or(usize::MAX))
}

/// What a call on a socket of the family returns; `None` if the system is to do it.
fn done(socket: &Socket, fd: c_int, call: &Call) -> Option<isize> {
    match socket.perform(&Program(fd), call) {
        Outcome::Done(Ok(result)) => Some(isize::try_from(result).unwrap_or(isize::MAX)),
        Outcome::Done(Err(error)) => {
            set_errno(error);
            Some(-1)
        }
        Outcome::System => None,
    }
}

macro_rules! hooks {
    ($(fn $name:ident($fd:ident $(, $argument:ident: $type:ty)*) -> $result:ty => $call:expr;)*) => { $(
        /// As the C library says.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($fd: c_int $(, $argument: $type)*) -> $result {
            if let Some(socket) = table::find($fd)
                && let Some(result) = done(&socket, $fd, &$call)
            {
                // Results of type `int` are numbers of messages and the like.
                return <$result>::try_from(result).unwrap_or(<$result>::MAX);
            }
            // SAFETY: the arguments are those of the caller.
            unsafe { real::$name($fd $(, $argument)*) }
        }
    )* };
}

hooks! {
    fn bind(fd, address: *const sockaddr, length: socklen_t) -> c_int =>
        Call::Bind(name(address, length));
    fn connect(fd, address: *const sockaddr, length: socklen_t) -> c_int =>
        Call::Connect(name(address, length));
    fn listen(fd, _backlog: c_int) -> c_int => Call::Unsupported;
    fn accept(fd, _address: *mut sockaddr, _length: *mut socklen_t) -> c_int => Call::Unsupported;
    fn accept4(fd, _address: *mut sockaddr, _length: *mut socklen_t, _flags: c_int) -> c_int =>
        Call::Unsupported;
    fn getsockname(fd, address: *mut sockaddr, length: *mut socklen_t) -> c_int =>
        Call::Name(at(address), at(length));
    fn getpeername(fd, address: *mut sockaddr, length: *mut socklen_t) -> c_int =>
        Call::Peer(at(address), at(length));
    fn shutdown(fd, how: c_int) -> c_int => Call::Shutdown(how);
    fn setsockopt(fd, level: c_int, option: c_int, value: *const c_void, length: socklen_t) -> c_int => {
        let value = name(value.cast(), length);
        Call::SetOption { level, name: option, value }
    };
    fn getsockopt(fd, level: c_int, option: c_int, value: *mut c_void, length: *mut socklen_t) -> c_int =>
        Call::Option { level, name: option, value: at(value), length: at(length) };
    fn send(fd, data: *const c_void, length: size_t, flags: c_int) -> ssize_t =>
        Call::Send { data: span(data, length), flags, name: Span::default() };
    fn sendto(fd, data: *const c_void, length: size_t, flags: c_int, address: *const sockaddr, name_length: socklen_t) -> ssize_t =>
        Call::Send { data: span(data, length), flags, name: name(address, name_length) };
    fn sendmsg(fd, message: *const msghdr, flags: c_int) -> ssize_t =>
        Call::SendMessage(at(message), flags);
    fn sendmmsg(fd, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int =>
        Call::SendMessages(at(messages), count as usize, flags);
    fn recv(fd, data: *mut c_void, length: size_t, flags: c_int) -> ssize_t =>
        Call::Receive { data: span(data, length), flags, name: 0, name_length: 0 };
    fn recvfrom(fd, data: *mut c_void, length: size_t, flags: c_int, address: *mut sockaddr, name_length: *mut socklen_t) -> ssize_t =>
        Call::Receive { data: span(data, length), flags, name: at(address), name_length: at(name_length) };
    fn recvmsg(fd, message: *mut msghdr, flags: c_int) -> ssize_t =>
        Call::ReceiveMessage(at(message), flags);
    fn recvmmsg(fd, messages: *mut mmsghdr, count: c_uint, flags: c_int, _timeout: *mut timespec) -> c_int =>
        Call::ReceiveMessages(at(messages), count as usize, flags);
    fn read(fd, data: *mut c_void, length: size_t) -> ssize_t =>
        Call::Receive { data: span(data, length), flags: 0, name: 0, name_length: 0 };
    fn write(fd, data: *const c_void, length: size_t) -> ssize_t =>
        Call::Send { data: span(data, length), flags: 0, name: Span::default() };
    fn readv(fd, vector: *const iovec, count: c_int) -> ssize_t =>
        Call::ReceiveParts(at(vector), parts(count));
    fn writev(fd, vector: *const iovec, count: c_int) -> ssize_t =>
        Call::SendParts(at(vector), parts(count));
    fn ioctl(fd, request: c_ulong, argument: c_ulong) -> c_int =>
        Call::Control(request, usize::try_from(argument).unwrap_or(usize::MAX));
}

/// How many parts: a negative number is too many.
fn parts(count: c_int) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Fails with an errno.
fn fail(error: c_int) -> c_int {
    set_errno(error);
    -1
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
            drop(table::set(fd.as_raw_fd(), Some(Arc::new(socket))));
            fd.into_raw_fd()
        }
        Err(error) => fail(error),
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
        return fail(libc::EOPNOTSUPP);
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
    let error = errno();
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
