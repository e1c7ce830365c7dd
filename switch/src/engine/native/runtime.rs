// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What compiled code calls, and what it is given.
//!
//! A function returns [`NEXT`] when the block goes on, [`ENDED`] when it has ended, or an error of
//! the parser, moved up by [`FIRST_ERROR`].

use std::mem::offset_of;

use p4::ir::{HeaderId, TableId};

use super::slides::Slides;
use crate::engine::{
    arith,
    bits::PADDING,
    code::Op,
    event::Silent,
    exec::{Context, Env, STEPS},
};

/// A compiled block or action.
pub(super) type Entry = unsafe extern "C" fn(*mut Native<'_>, *mut u64, *mut Context) -> u64;

/// An action has ended, and its caller goes on.
pub(super) const NEXT: u64 = 0;

/// The block has ended.
pub(super) const ENDED: u64 = 1;

/// The parser has failed with error 0.
pub(super) const FIRST_ERROR: u64 = 2;

/// The error that a block has ended with.
pub(super) fn error_of(outcome: u64) -> Option<u32> {
    let error = outcome.checked_sub(FIRST_ERROR)?;
    Some(u32::try_from(error).unwrap_or(u32::MAX))
}

/// Limbs behind those of the interpreter's frame, for what compiled code needs most: so it finds it
/// by the address of the frame.
pub(super) mod cell {
    /// Position of the parser.
    pub(in crate::engine::native) const POSITION: usize = 0;
    /// Address of the packet.
    pub(in crate::engine::native) const PACKET: usize = 1;
    /// Length of the packet in bits.
    pub(in crate::engine::native) const PACKET_BITS: usize = 2;
    /// Steps that are left.
    pub(in crate::engine::native) const STEPS: usize = 3;
    /// How many there are.
    pub(in crate::engine::native) const COUNT: usize = 4;
}

/// What a new block finds in its cells.
pub(super) fn cells(context: &Context) -> [u64; cell::COUNT] {
    let mut cells = [0; cell::COUNT];
    cells[cell::POSITION] = context.position as u64;
    cells[cell::PACKET] = context.packet.as_ptr() as usize as u64;
    cells[cell::PACKET_BITS] = (context.packet.len().saturating_sub(PADDING) as u64) * 8;
    cells[cell::STEPS] = u64::from(STEPS);
    cells
}

/// What stays the same while a block runs.
#[repr(C)]
pub(super) struct Native<'a> {
    pub(super) context: *mut Context,
    env: *const Env<'a>,
    actions: *const [Option<Entry>],
    slides: *const Slides,
    out: *mut u8,
    /// Octets that fit there.
    room: u64,
}

/// Offsets of what compiled code reads and writes itself.
pub(super) mod at {
    use super::{Context, Native, offset_of};

    pub(in crate::engine::native) const OUT: usize = offset_of!(Native<'_>, out);
    pub(in crate::engine::native) const ROOM: usize = offset_of!(Native<'_>, room);
    pub(in crate::engine::native) const OUT_LEN: usize = offset_of!(Context, out_len);
    pub(in crate::engine::native) const HIT: usize = offset_of!(Context, hit);
    pub(in crate::engine::native) const ACTION: usize = offset_of!(Context, action);
}

impl<'a> Native<'a> {
    pub(super) fn new(
        context: &mut Context,
        env: &'a Env<'a>,
        actions: &[Option<Entry>],
        slides: &Slides,
    ) -> Self {
        Self {
            out: context.out.as_mut_ptr(),
            room: context.out.len() as u64,
            context,
            env,
            actions: std::ptr::from_ref(actions),
            slides: std::ptr::from_ref(slides),
        }
    }
}

#[expect(
    clippy::elidable_lifetime_names,
    reason = "a pointer has no lifetime that could be left out"
)]
/// The interpreter's side of a call from compiled code.
///
/// # Safety
///
/// `native` is the one that the running block was called with.
unsafe fn sides<'n>(native: *mut Native<'n>) -> (&'n mut Context, &'n Env<'n>) {
    // SAFETY: compiled code passes on the pointer that `NativeCode::run` gave it, and what that
    // points to outlives the call. Compiled code itself holds no reference to the context.
    unsafe { (&mut *(*native).context, &*(*native).env) }
}

/// Looks a table up; returns the address of the action to call, or 0.
pub(super) unsafe extern "C" fn apply(native: *mut Native<'_>, table: u64) -> u64 {
    // SAFETY: called by compiled code with its own argument.
    let (context, env) = unsafe { sides(native) };
    let Some(action) = context.apply(*env, TableId(table as u32), &mut Silent) else {
        return 0;
    };
    // SAFETY: the list lives as long as the code that calls this.
    let actions = unsafe { &*(*native).actions };
    let entry = actions.get(action).copied().flatten();
    entry.map_or(0, |entry| entry as usize as u64)
}

/// Calls an extern.
pub(super) unsafe extern "C" fn call(native: *mut Native<'_>, index: u64) -> u64 {
    // SAFETY: called by compiled code with its own argument.
    let (context, env) = unsafe { sides(native) };
    context.call(*env, index as usize, &mut Silent);
    NEXT
}

/// Emits a header.
pub(super) unsafe extern "C" fn emit(native: *mut Native<'_>, header: u64) -> u64 {
    // SAFETY: called by compiled code with its own argument.
    let (context, env) = unsafe { sides(native) };
    context.emit(env.code, HeaderId(header as u32));
    // SAFETY: as above. The output may have moved.
    unsafe {
        (*native).out = context.out.as_mut_ptr();
        (*native).room = context.out.len() as u64;
    }
    NEXT
}

/// Chooses a case; returns its instruction.
pub(super) unsafe extern "C" fn select(native: *mut Native<'_>, index: u64) -> u64 {
    // SAFETY: called by compiled code with its own argument.
    let (context, env) = unsafe { sides(native) };
    u64::from(context.select(*env, index as u32))
}

/// Executes one instruction of the interpreter: one that reads the packet, or one of arithmetic.
pub(super) unsafe extern "C" fn step(native: *mut Native<'_>, pc: u64) -> u64 {
    // SAFETY: called by compiled code with its own argument.
    let (context, env) = unsafe { sides(native) };
    let op = env.code.ops[pc as usize];
    match op {
        Op::Extract(_) | Op::ExtractNext(_) | Op::Lookahead(_) | Op::Advance { .. } => {
            let cell = env.code.image.len() + cell::POSITION;
            context.position = context.frame[cell] as usize;
            let parsed = context.parse(env.code, op, &mut Silent);
            context.frame[cell] = context.position as u64;
            parsed.map_or_else(|error| FIRST_ERROR + u64::from(error), |()| NEXT)
        }
        op => {
            arith::step(env.code, &mut context.frame, op);
            NEXT
        }
    }
}

/// Moves a window up, so that there is room below it.
pub(super) unsafe extern "C" fn raise(native: *mut Native<'_>, index: u64) -> u64 {
    // SAFETY: called by compiled code with its own argument; the windows live as long as the code.
    let ((context, _), slides) = unsafe { (sides(native), &*(*native).slides) };
    slides.raise(&mut context.frame, index as usize);
    NEXT
}

/// Bits of the argument of [`shift`] that say which window it is.
pub(super) const SHIFT_INDEX_BITS: u32 = 16;

/// Shifts the value in a window to the left: by the upper bits of the argument.
pub(super) unsafe extern "C" fn shift(native: *mut Native<'_>, argument: u64) -> u64 {
    // SAFETY: called by compiled code with its own argument; the windows live as long as the code.
    let ((context, _), slides) = unsafe { (sides(native), &*(*native).slides) };
    let index = argument & ((1 << SHIFT_INDEX_BITS) - 1);
    let bits = argument >> SHIFT_INDEX_BITS;
    slides.shift(&mut context.frame, index as usize, bits as usize);
    NEXT
}
