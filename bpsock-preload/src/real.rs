// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions that this library stands in front of.

use std::ffi::{c_int, c_uint, c_ulong, c_void};
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};

use libc::{mmsghdr, msghdr, size_t, sockaddr, socklen_t, ssize_t, timespec};

/// A function of the next library with this name, found once.
macro_rules! real {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => { $(
        /// The C library's.
        ///
        /// # Safety
        ///
        /// As the C library says.
        pub(crate) unsafe fn $name($($argument: $type),*) -> $result {
            static FOUND: AtomicUsize = AtomicUsize::new(0);
            const NAME: &str = concat!(stringify!($name), "\0");
            let mut address = FOUND.load(Ordering::Relaxed);
            if address == 0 {
                // SAFETY: the name is a string of C.
                address = unsafe { libc::dlsym(libc::RTLD_NEXT, NAME.as_ptr().cast()) } as usize;
                FOUND.store(address, Ordering::Relaxed);
            }
            if address == 0 {
                crate::program::set_errno(libc::ENOSYS);
                return -1;
            }
            // SAFETY: the function of this name has this type.
            unsafe {
                let function: unsafe extern "C" fn($($type),*) -> $result =
                    mem::transmute(address);
                function($($argument),*)
            }
        }
    )* };
}

real! {
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int;
    fn bind(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int;
    fn connect(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int;
    fn listen(fd: c_int, backlog: c_int) -> c_int;
    fn accept(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int;
    fn accept4(fd: c_int, address: *mut sockaddr, length: *mut socklen_t, flags: c_int) -> c_int;
    fn getsockname(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int;
    fn getpeername(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int;
    fn shutdown(fd: c_int, how: c_int) -> c_int;
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, length: socklen_t) -> c_int;
    fn getsockopt(fd: c_int, level: c_int, name: c_int, value: *mut c_void, length: *mut socklen_t) -> c_int;
    fn send(fd: c_int, data: *const c_void, length: size_t, flags: c_int) -> ssize_t;
    fn sendto(fd: c_int, data: *const c_void, length: size_t, flags: c_int, address: *const sockaddr, address_length: socklen_t) -> ssize_t;
    fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t;
    fn sendmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int;
    fn recv(fd: c_int, data: *mut c_void, length: size_t, flags: c_int) -> ssize_t;
    fn recvfrom(fd: c_int, data: *mut c_void, length: size_t, flags: c_int, address: *mut sockaddr, address_length: *mut socklen_t) -> ssize_t;
    fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t;
    fn recvmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int, timeout: *mut timespec) -> c_int;
    fn read(fd: c_int, data: *mut c_void, length: size_t) -> ssize_t;
    fn write(fd: c_int, data: *const c_void, length: size_t) -> ssize_t;
    fn readv(fd: c_int, vector: *const libc::iovec, count: c_int) -> ssize_t;
    fn writev(fd: c_int, vector: *const libc::iovec, count: c_int) -> ssize_t;
    fn close(fd: c_int) -> c_int;
    fn dup(fd: c_int) -> c_int;
    fn dup2(fd: c_int, to: c_int) -> c_int;
    fn dup3(fd: c_int, to: c_int, flags: c_int) -> c_int;
    fn fcntl(fd: c_int, command: c_int, argument: c_ulong) -> c_int;
    fn ioctl(fd: c_int, request: c_ulong, argument: c_ulong) -> c_int;
}
