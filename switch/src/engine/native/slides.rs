// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Long values to which a parser appends octets, kept where that is cheap.
//!
//! P4 has no arrays, so a program that collects octets shifts a long value and adds one octet at its
//! end, which costs a copy of the whole value each time. Here the value is a window of the memory
//! behind the frame: to append is to write the octets below the window and to move the window down.
//! What falls out at its upper end is cut off, as the shift would do.
//!
//! Windows exist while the parser runs. A value that is not appended to stays where it is in the
//! frame; the others go back there when the parser ends, if anybody may look at them.

use std::{collections::HashMap, ops::Range};

use super::{
    operands::{is_simple_select, operands, places_of_others, select_places, uses_second},
    runtime::cell,
    wide,
};
use crate::engine::{
    bits::limbs,
    code::{Code, Loc, Op, Pc, Place, Wide, WideKind},
    wide as long,
};

/// Octets below a window when it is new: after so many it is moved up again.
const ROOM: usize = 1024;

/// Octets below that, which may be written with what is appended.
const MARGIN: usize = 64;

/// Longest row of zeros that is appended by machine code.
pub(super) const MOST_ZEROS: u32 = 64;

/// A long value in a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slide {
    pub(super) place: Place,
    /// Distance of the address of the window from the start of the frame, in octets.
    pub(super) cell: u32,
    /// The lowest place of the window, as such a distance.
    pub(super) lowest: u32,
    /// The highest place of the window, where it is new.
    pub(super) highest: u32,
    /// Whether somebody may read the value after the parser.
    pub(super) outlives: bool,
}

impl Slide {
    /// Length of the value in octets.
    pub(super) fn len(&self) -> usize {
        self.place.width as usize / 8
    }
}

/// All values in windows.
#[derive(Clone, Debug, Default)]
pub(super) struct Slides {
    pub(super) list: Vec<Slide>,
    by_limb: HashMap<Loc, (usize, u32)>,
    /// Limbs of the frame with the cells and the windows.
    frame_limbs: usize,
}

impl Slides {
    /// No windows: a frame with the cells of compiled code.
    pub(super) fn none(code: &Code) -> Self {
        Self {
            frame_limbs: code.image.len() + cell::COUNT,
            ..Self::default()
        }
    }

    /// Finds the values that the parser appends to, and that only machine code works on.
    pub(super) fn of_parser(code: &Code, parser: Range<Pc>, functions: &[Range<Pc>]) -> Self {
        let ops = &code.ops[parser.start as usize..parser.end as usize];
        if ops
            .iter()
            .any(|op| matches!(op, Op::Extern(_) | Op::Apply(_)))
        {
            return Self::none(code);
        }
        let mut found: Vec<Place> = Vec::new();
        for op in ops {
            if let Op::Wide(index) = op
                && let wide = &code.wide[*index as usize]
                && wide.kind == WideKind::Concat
                && is_append(wide)
                && is_possible(code, wide.d)
                && !found.contains(&wide.d)
            {
                found.push(wide.d);
            }
        }
        found.retain(|place| !ops.iter().any(|op| needs_frame(code, op, *place)));
        let mut slides = Self::none(code);
        let mut next = (code.image.len() + cell::COUNT) * 8;
        let cells = next;
        next += found.len() * 8;
        for (index, place) in found.into_iter().enumerate() {
            let len = place.width as usize / 8;
            let lowest = next + MARGIN;
            let highest = lowest + ROOM;
            next = highest + len;
            let others = functions.iter().filter(|range| range.start != parser.start);
            slides.list.push(Slide {
                place,
                cell: (cells + index * 8) as u32,
                lowest: lowest as u32,
                highest: highest as u32,
                outlives: functions.len() == 1 || is_read(code, others.cloned(), place),
            });
            for limb in 0..limbs(place.width) as Loc {
                slides.by_limb.insert(place.loc + limb, (index, limb));
            }
        }
        slides.frame_limbs = next.div_ceil(8);
        slides
    }

    /// The window in which a limb of the frame is, and which limb of it.
    pub(super) fn find(&self, loc: Loc) -> Option<(usize, u32)> {
        self.by_limb.get(&loc).copied()
    }

    /// The window that an operation appends to, and how many octets of zeros if it is a shift.
    pub(super) fn appended(&self, code: &Code, wide: &Wide) -> Option<(usize, Appended)> {
        let (index, 0) = self.find(wide.d.loc)? else {
            return None;
        };
        if wide.d != wide.a {
            return None;
        }
        match wide.kind {
            WideKind::Concat if is_append(wide) => Some((index, Appended::Value(wide.b))),
            WideKind::Shl => match wide::amount(code, wide.b) {
                Some(bits) if bits % 8 == 0 && bits / 8 <= MOST_ZEROS => {
                    Some((index, Appended::Zeros(bits / 8)))
                }
                None if wide.b.width <= 64 => Some((index, Appended::Shift(wide.b.loc))),
                _ => None,
            },
            _ => None,
        }
    }

    /// Makes a frame long enough for the cells and the windows.
    pub(super) fn extend(&self, frame: &mut Vec<u64>) {
        if frame.len() < self.frame_limbs {
            frame.resize(self.frame_limbs, 0);
        }
    }

    /// Moves a window to its highest place.
    pub(super) fn raise(&self, frame: &mut [u64], index: usize) {
        let Some(slide) = self.list.get(index) else {
            return;
        };
        let (start, cell) = (frame.as_ptr() as usize, slide.cell as usize / 8);
        let from = (frame[cell] as usize).wrapping_sub(start);
        let highest = slide.highest as usize;
        if from.is_multiple_of(8) {
            frame.copy_within(from / 8..(from + slide.len()) / 8, highest / 8);
        } else {
            let mut value = [0; long::MAX_LIMBS];
            let value = &mut value[..slide.len() / 8];
            for (at, limb) in value.iter_mut().enumerate() {
                *limb = unaligned(frame, from + at * 8);
            }
            frame[highest / 8..][..value.len()].copy_from_slice(value);
        }
        frame[cell] = (start + highest) as u64;
    }

    /// Shifts the value in a window to the left.
    pub(super) fn shift(&self, frame: &mut [u64], index: usize, bits: usize) {
        let Some(slide) = self.list.get(index) else {
            return;
        };
        let start = frame.as_ptr() as usize;
        let cell = slide.cell as usize / 8;
        let from = (frame[cell] as usize).wrapping_sub(start);
        let highest = slide.highest as usize;
        let octets = bits / 8;
        if bits.is_multiple_of(8) && from >= slide.lowest as usize + octets {
            zero_octets(frame, from - octets..from);
            frame[cell] = (start + from - octets) as u64;
            return;
        }
        let mut value = [0; long::MAX_LIMBS];
        let n = slide.len() / 8;
        for (at, limb) in value[..n].iter_mut().enumerate() {
            *limb = unaligned(frame, from + at * 8);
        }
        long::shl(&mut value[..n], bits);
        for (at, limb) in value[..n].iter().enumerate() {
            frame[highest / 8 + at] = *limb;
        }
        frame[cell] = (start + highest) as u64;
    }
}

/// Makes octets of the frame zero.
fn zero_octets(frame: &mut [u64], octets: Range<usize>) {
    let (first, last) = (octets.start / 8, octets.end / 8);
    let below = |octet: usize| (1_u64 << (octet % 8 * 8)) - 1;
    let (keep_low, keep_high) = (below(octets.start), !below(octets.end));
    if first == last {
        frame[first] &= keep_low | keep_high;
        return;
    }
    frame[first] &= keep_low;
    frame[first + 1..last].fill(0);
    frame[last] &= keep_high;
}

/// Eight octets of the frame.
fn unaligned(frame: &[u64], at: usize) -> u64 {
    let (limb, bits) = (at / 8, (at % 8) as u32 * 8);
    let low = frame.get(limb).copied().unwrap_or(0) >> bits;
    match (bits, frame.get(limb + 1)) {
        (1.., Some(high)) => low | high << (64 - bits),
        _ => low,
    }
}

/// What is appended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Appended {
    /// A value of whole octets.
    Value(Place),
    /// So many octets of zeros.
    Zeros(u32),
    /// Zeros, as many bits as a limb of the frame says.
    Shift(Loc),
}

/// Whether an operation appends whole octets to its own destination.
fn is_append(wide: &Wide) -> bool {
    wide.d == wide.a && wide.b.width.is_multiple_of(8) && wide.b.width < wide.d.width
}

/// Whether a place is a whole variable of whole limbs that no header contains.
fn is_possible(code: &Code, place: Place) -> bool {
    let is_variable = code.slots.contains(&place);
    let headers = code.metadata.end..code.persistent;
    let in_header = code.metadata.end < code.persistent && headers.contains(&(place.loc as usize));
    is_variable && !in_header && place.width.is_multiple_of(64)
}

/// Whether an instruction of the parser needs a value in the frame.
fn needs_frame(code: &Code, op: &Op, place: Place) -> bool {
    let locs = |place: Place| place.loc..place.loc + limbs(place.width) as Loc;
    let touches = |other: Place| locs(other).any(|loc| locs(place).contains(&loc));
    match op {
        Op::Wide(index) => {
            let wide = &code.wide[*index as usize];
            let shifts = wide.kind == WideKind::Shl && wide.d == wide.a && wide.b.width <= 64;
            let second = uses_second(wide.kind) && touches(wide.b);
            let concerned = touches(wide.d) || touches(wide.a) || second;
            let done = wide::is_native(code, wide) || (shifts && wide.d == place);
            concerned && (!done || (shifts && second))
        }
        Op::Lookahead(index) => code.lookaheads[*index as usize]
            .iter()
            .any(|at| touches(*at)),
        Op::Select(index) => {
            let select = &code.selects[*index as usize];
            !is_simple_select(select) && select_places(select).into_iter().any(touches)
        }
        Op::Advance { n, .. } if *n > 1 => true,
        _ => false,
    }
}

/// Whether a value is read by other blocks, or by tables and externs.
fn is_read(code: &Code, functions: impl Iterator<Item = Range<Pc>>, place: Place) -> bool {
    let within = place.loc..place.loc + limbs(place.width) as Loc;
    let mut ops = functions.flatten().map(|pc| &code.ops[pc as usize]);
    let by_ops = ops.any(|op| operands(code, op).iter().any(|loc| within.contains(loc)));
    let by_others = places_of_others(code);
    by_ops || by_others.iter().any(|other| within.contains(&other.loc))
}
