// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The filter that the program runs under: which of its system calls come to the supervisor.
//!
//! It sees numbers only, so it cannot tell descriptors of the family from others but by their number.

use std::ffi::c_long;
use std::mem::offset_of;

use bpsock_calls::FAMILY;
use libc::{seccomp_data, sock_filter};

/// Calls whose first argument is a family.
const MAKING: [c_long; 2] = [libc::SYS_socket, libc::SYS_socketpair];
/// Calls whose first argument is a descriptor, with any of them.
const ON_DESCRIPTORS: [c_long; 21] = [
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_shutdown,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_ioctl,
];
/// Calls that copy descriptors: with high numbers only, so that the copy has one, too.
#[cfg(target_arch = "x86_64")]
const COPYING: &[c_long] = &[libc::SYS_dup, libc::SYS_dup2, libc::SYS_dup3];
#[cfg(not(target_arch = "x86_64"))]
const COPYING: &[c_long] = &[libc::SYS_dup, libc::SYS_dup3];

/// The audit number of the processor: calls of its other modes are others.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Where the program goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Target {
    Next,
    Family,
    Descriptor,
    Command,
    Notify,
    Allow,
}

/// An instruction before the offsets of its jumps are known.
#[derive(Clone, Copy, Debug)]
enum Step {
    Load(usize),
    Jump(u32, u32, Target, Target),
    Return(u32),
    /// The jump's end.
    Label(Target),
}

fn load(field: usize) -> Step {
    Step::Load(field)
}

fn equal(value: u32, yes: Target, no: Target) -> Step {
    Step::Jump(libc::BPF_JEQ, value, yes, no)
}

fn number(call: c_long) -> u32 {
    u32::try_from(call).expect("numbers of system calls are small")
}

/// The low half of an argument: families and descriptors are of type `int`.
fn argument(at: usize) -> usize {
    let half = if cfg!(target_endian = "big") { 4 } else { 0 };
    offset_of!(seccomp_data, args) + at * 8 + half
}

/// The filter: calls with descriptors from `first` on come to the supervisor.
pub(crate) fn filter(first: u32) -> Vec<sock_filter> {
    let mut steps = vec![
        load(offset_of!(seccomp_data, arch)),
        equal(ARCHITECTURE, Target::Next, Target::Allow),
        load(offset_of!(seccomp_data, nr)),
    ];
    steps.extend(MAKING.map(|call| equal(number(call), Target::Family, Target::Next)));
    let on = ON_DESCRIPTORS.map(|call| equal(number(call), Target::Descriptor, Target::Next));
    steps.extend(on);
    if first > 0 {
        let copying = COPYING.iter();
        steps.extend(copying.map(|call| equal(number(*call), Target::Descriptor, Target::Next)));
        steps.push(equal(
            number(libc::SYS_fcntl),
            Target::Command,
            Target::Next,
        ));
    }
    let copy = libc::F_DUPFD.cast_unsigned();
    let copy_cloexec = libc::F_DUPFD_CLOEXEC.cast_unsigned();
    steps.extend([
        Step::Label(Target::Allow),
        Step::Return(libc::SECCOMP_RET_ALLOW),
        Step::Label(Target::Family),
        load(argument(0)),
        equal(FAMILY.cast_unsigned(), Target::Notify, Target::Allow),
        Step::Label(Target::Command),
        load(argument(1)),
        equal(copy, Target::Descriptor, Target::Next),
        equal(copy_cloexec, Target::Descriptor, Target::Allow),
        Step::Label(Target::Descriptor),
        load(argument(0)),
        Step::Jump(libc::BPF_JGE, first, Target::Notify, Target::Allow),
        Step::Label(Target::Notify),
        Step::Return(libc::SECCOMP_RET_USER_NOTIF),
    ]);
    assemble(&steps)
}

/// Instructions with offsets. All jumps go forwards, but for those to `Allow`, which has a copy at the
/// end.
fn assemble(steps: &[Step]) -> Vec<sock_filter> {
    let count = steps
        .iter()
        .filter(|step| !matches!(step, Step::Label(_)))
        .count();
    let mut labels = vec![(Target::Allow, count)];
    let mut at = 0;
    for step in steps {
        match step {
            Step::Label(Target::Allow) => {}
            Step::Label(target) => labels.push((*target, at)),
            _ => at += 1,
        }
    }
    let mut program = Vec::new();
    for step in steps {
        let here = program.len() + 1;
        let offset = |target: Target| {
            let found = labels.iter().find(|(label, _)| *label == target);
            let end = found.map_or(here, |(_, end)| *end);
            u8::try_from(end - here).expect("the filter is short")
        };
        match *step {
            Step::Load(field) => {
                let field = u32::try_from(field).expect("the structure is small");
                program.push(instruction(
                    libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
                    field,
                ));
            }
            Step::Jump(test, value, yes, no) => program.push(sock_filter {
                jt: offset(yes),
                jf: offset(no),
                ..instruction(libc::BPF_JMP | test | libc::BPF_K, value)
            }),
            Step::Return(action) => program.push(instruction(libc::BPF_RET | libc::BPF_K, action)),
            Step::Label(_) => {}
        }
    }
    program.push(instruction(
        libc::BPF_RET | libc::BPF_K,
        libc::SECCOMP_RET_ALLOW,
    ));
    program
}

fn instruction(code: u32, value: u32) -> sock_filter {
    sock_filter {
        code: u16::try_from(code).expect("codes have 16 bits"),
        jt: 0,
        jf: 0,
        k: value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter does with a call, as the system would run it.
    fn run(filter: &[sock_filter], arch: u32, call: c_long, arguments: [u32; 2]) -> u32 {
        let mut at = 0;
        let mut loaded = 0;
        loop {
            let step = filter[at];
            at += 1;
            match u32::from(step.code) {
                code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                    loaded = match step.k as usize {
                        0 => number(call),
                        4 => arch,
                        16 => arguments[0],
                        24 => arguments[1],
                        other => panic!("field {other}"),
                    };
                }
                code if code == libc::BPF_RET => return step.k,
                code => {
                    let holds = if code == libc::BPF_JMP | libc::BPF_JEQ {
                        loaded == step.k
                    } else {
                        loaded >= step.k
                    };
                    at += usize::from(if holds { step.jt } else { step.jf });
                }
            }
        }
    }

    #[test]
    fn calls_of_the_family_are_caught_and_no_others() {
        let filter = filter(512);
        let check = |arch, call, arguments, is_caught| {
            let expected = if is_caught {
                libc::SECCOMP_RET_USER_NOTIF
            } else {
                libc::SECCOMP_RET_ALLOW
            };
            let done = run(&filter, arch, call, arguments);
            assert_eq!(done, expected, "{call} {arguments:?}");
        };
        check(ARCHITECTURE, libc::SYS_socket, [28, 2], true);
        check(ARCHITECTURE, libc::SYS_socketpair, [28, 2], true);
        check(ARCHITECTURE, libc::SYS_socket, [2, 2], false);
        // The same number is another call for programs of another processor.
        check(0x4000_0003, libc::SYS_socket, [28, 2], false);
        for call in ON_DESCRIPTORS.iter().chain(COPYING) {
            check(ARCHITECTURE, *call, [511, 0], false);
            check(ARCHITECTURE, *call, [512, 0], true);
        }
        check(ARCHITECTURE, libc::SYS_fcntl, [512, 0], true);
        check(ARCHITECTURE, libc::SYS_fcntl, [511, 0], false);
        check(ARCHITECTURE, libc::SYS_fcntl, [512, 1030], true);
        check(ARCHITECTURE, libc::SYS_fcntl, [512, 3], false);
        check(ARCHITECTURE, libc::SYS_close, [512, 0], false);
        check(ARCHITECTURE, libc::SYS_openat, [28, 0], false);
    }
}
