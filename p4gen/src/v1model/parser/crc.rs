// SPDX-License-Identifier: Apache-2.0 OR MIT
//! States that compute CRCs (RFC 9171 4.2.1): CRC-16/X-25 and CRC-32C.
//!
//! Both are reflected, so the register is kept with its octets in the order in which they meet the
//! data: the next octet of the data meets the highest octet of the register. A CRC-16 is in the
//! upper half. A step is then linear: each bit of data and register together stands for a constant.

use super::graph::{Graph, Open, Routine, balanced};
use super::readers::shift_eight;
use crate::v1model::OUT_BITS;

/// The two kinds of CRC, with their codes in blocks.
#[derive(Clone, Copy)]
enum Kind {
    Crc16 = 1,
    Crc32c = 2,
}

/// Octets of one step of a long row.
const WORD: usize = 8;
/// Most rows have fewer than 64 octets, and a narrow register is faster.
const SHORT_BITS: usize = 512;

impl Kind {
    /// What a row of octets leaves in an empty register, in the order described above.
    fn remainder(self, octets: &[u8]) -> u32 {
        let polynomial: u32 = match self {
            Self::Crc16 => 0x8408,
            Self::Crc32c => 0x82f6_3b78,
        };
        let mut register = 0_u32;
        for &octet in octets {
            register ^= u32::from(octet);
            for _ in 0..8 {
                let low = register & 1;
                register = (register >> 1) ^ (polynomial * low);
            }
        }
        register.swap_bytes()
    }

    /// A step over some octets that are in the highest bits of a place, as one expression.
    fn step(self, place: &str, octets: usize) -> String {
        let terms: Vec<_> = (0..octets)
            .flat_map(|octet| (0..8).rev().map(move |bit| (octet, bit)))
            .map(|(octet, bit)| {
                let mut row = vec![0; octets];
                row[octet] = 1 << bit;
                let at = 8 * (octets - 1 - octet) + bit;
                let constant = self.remainder(&row);
                format!("({place}[{at}:{at}] == 1 ? 32w{constant:#010x} : 0)")
            })
            .collect();
        balanced(&terms, "\n            ^")
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Crc16 => "crc16",
            Self::Crc32c => "crc32c",
        }
    }

    const fn octets(self) -> usize {
        match self {
            Self::Crc16 => 2,
            Self::Crc32c => 4,
        }
    }

    /// The finished CRC in the order of the network.
    const fn finished(self) -> &'static str {
        match self {
            Self::Crc16 => "~meta.crc.value[23:16] ++ ~meta.crc.value[31:24]",
            Self::Crc32c => {
                "~meta.crc.value[7:0] ++ ~meta.crc.value[15:8] ++ ~meta.crc.value[23:16] ++ ~meta.crc.value[31:24]"
            }
        }
    }
}

impl Graph {
    pub(super) fn crc(&mut self) {
        self.crc_sources();
        self.crc_steps("", "octets", OUT_BITS);
        self.crc_steps("_short", "short", SHORT_BITS);
        self.seal();
        self.check_crc();
    }

    /// Steps through a row in a register of this width: words, and then octets.
    fn crc_steps(&mut self, suffix: &str, place: &str, bits: usize) {
        let state = |name: &str, step: &str| format!("{name}_{step}{suffix}");
        let next = state("crc", "next");
        self.select(
            Open::new(&next),
            "meta.crc.type, meta.crc.left",
            &[
                ("(_, 0)", "crc_done"),
                ("(1, 0 &&& 0xfff8)", &state("crc16", "octet")),
                ("(1, _)", &state("crc16", "word")),
                ("(2, 0 &&& 0xfff8)", &state("crc32c", "octet")),
                ("(2, _)", &state("crc32c", "word")),
                ("default", "crc_done"),
            ],
        );
        for kind in [Kind::Crc16, Kind::Crc32c] {
            let name = kind.name();
            let (high, row) = (bits - 1, format!("meta.crc.{place}"));
            let open = Open::new(state(name, "word"))
                .set(
                    "crc.word",
                    format!("{row}[{high}:{}] ^ (meta.crc.value ++ 32w0)", bits - 64),
                )
                .add(format!("{row} = {row} << 64;"))
                .set("crc.left", format!("meta.crc.left - {WORD}"));
            self.goto(open, &state(name, "word_step"));
            let open = Open::new(state(name, "word_step"))
                .set("crc.value", kind.step("meta.crc.word", WORD));
            self.goto(open, &next);
            let open = Open::new(state(name, "octet"))
                .set(
                    "octet",
                    format!("{row}[{high}:{}] ^ meta.crc.value[31:24]", bits - 8),
                )
                .add(format!("{row} = {row} << 8;"))
                .set("crc.left", "meta.crc.left - 1");
            self.goto(open, &state(name, "octet_step"));
            let open = Open::new(state(name, "octet_step")).set(
                "crc.value",
                format!("(meta.crc.value << 8) ^ {}", kind.step("meta.octet", 1)),
            );
            self.goto(open, &next);
        }
    }

    /// Aligns a short row, which is in the lowest bits of a place.
    fn crc_short(&mut self, state: &str, from: &str) {
        self.goto(Self::short_row(Open::new(state), from), "crc_next_short");
    }

    pub(super) fn short_row(open: Open, from: &str) -> Open {
        open.set("crc.short", format!("meta.{from}[{}:0]", SHORT_BITS - 1))
            .add("meta.shift = (bit<8>)((64 - meta.crc.left) << 2);")
            .add("meta.crc.short = meta.crc.short << meta.shift << meta.shift;")
    }

    /// Aligns what was read last, up to 127 octets.
    pub(super) fn long_row(open: Open) -> Open {
        open.set("crc.octets", "meta.cursor.octets ++ 1024w0")
            .add("meta.shift = (bit<8>)((128 - meta.crc.left) << 1);")
            .add("meta.crc.octets = meta.crc.octets << meta.shift << meta.shift << meta.shift << meta.shift;")
    }

    /// Where octets come from: what was read last, what was written last, or anything else.
    fn crc_sources(&mut self) {
        let open = Open::new("crc_cursor")
            .comment(&["What was read since the last time, for the CRC of a block."])
            .set("crc.type", "meta.block.crc");
        self.select(
            open,
            "meta.again.look, meta.block.crc",
            &[
                ("(2, 0)", "hop_take"),
                ("(2, _)", "hop_take_crc"),
                ("(_, 0)", "crc_done"),
                ("default", "crc_cursor_octets"),
            ],
        );
        let open = Open::new("crc_cursor_octets")
            .set("crc.left", "meta.cursor.length - meta.crc.start")
            .set("crc.start", "meta.cursor.length");
        self.branch(
            open,
            "meta.crc.left[15:6]",
            "0",
            "crc_cursor_short",
            "crc_cursor_long",
        );
        self.crc_short("crc_cursor_short", "cursor.octets");
        self.goto(Self::long_row(Open::new("crc_cursor_long")), "crc_next");
        let open = Open::new("crc_out")
            .comment(&["What was written since the block began."])
            .set("crc.left", "meta.written.length - meta.crc.start");
        self.branch(
            open,
            "meta.crc.left[15:6]",
            "0",
            "crc_out_short",
            "crc_out_long",
        );
        self.crc_short("crc_out_short", "written.octets");
        let open = Open::new("crc_out_long").set("crc.octets", "meta.written.octets");
        self.goto(open, "crc_align");
        let open = Open::new("crc_align")
            .comment(&["The octets are in the lowest bits, and have to be in the highest."])
            .add("meta.shift = (bit<8>)(256 - meta.crc.left);")
            .add(shift_eight("meta.crc.octets", "<<"));
        self.goto(open, "crc_next");
    }

    /// The CRC behind a block that was written: computed as if it were zero (erratum 8043).
    fn seal(&mut self) {
        let open = Open::new("seal")
            .comment(&["The CRC of a block that was written (RFC 9171 4.2.1, erratum 8043)."]);
        self.select(
            open,
            "meta.crc.type",
            &[
                ("0", "sealed"),
                ("1", "seal_crc16"),
                ("default", "seal_crc32c"),
            ],
        );
        for kind in [Kind::Crc16, Kind::Crc32c] {
            let (name, octets) = (kind.name(), kind.octets());
            let zeros = format!("8w{:#x} ++ {}w0", 0x40 + octets, 8 * octets);
            let open = Open::new(format!("seal_{name}"));
            let open = match kind {
                Kind::Crc16 => open.add("meta.crc.value = meta.crc.value & 0xffff0000;"),
                Kind::Crc32c => open,
            };
            let open = open.append(&zeros, octets + 1);
            let open = self
                .call(open, Routine::Crc, "crc_out", &format!("seal_{name}"))
                .add(format!(
                    "meta.written.octets[{}:0] = {};",
                    8 * octets - 1,
                    kind.finished()
                ));
            self.goto(open, "sealed");
        }
    }

    /// Reads the CRC of a block of version 7, and compares.
    fn check_crc(&mut self) {
        let open = Open::new("check_crc")
            .comment(&["The CRC of a block that was read, and then what the block is."]);
        self.select(
            open,
            "meta.again.look, meta.block.crc",
            &[
                ("(2, 0)", "hop_check"),
                ("(_, 0)", "checked"),
                ("(_, 1)", "check_crc16"),
                ("default", "check_crc32c"),
            ],
        );
        for kind in [Kind::Crc16, Kind::Crc32c] {
            let (name, octets) = (kind.name(), kind.octets());
            let bits = 8 * octets;
            let place = if octets == 2 {
                "meta.word"
            } else {
                "meta.half"
            };
            let open = Open::new(format!("check_{name}"))
                .octet_7()
                .verify(
                    &format!("meta.octet == {:#x}", 0x40 + octets),
                    bundle::Reason::UnexpectedItem,
                )
                .words(place, octets)
                .add(format!("meta.cursor.octets[{}:0] = 0;", bits - 1));
            let open = self
                .call(open, Routine::Crc, "crc_cursor", &format!("check_{name}"))
                .verify(
                    &format!("{place} == {}", kind.finished()),
                    bundle::Reason::CrcMismatch,
                );
            let hop = format!("hop_{name}");
            self.branch(open, "meta.again.look", "2", &hop, "checked");
            let open =
                Open::new(hop).add(format!("meta.written.octets[{}:0] = {place};", bits - 1));
            self.goto(open, "checked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    /// The steps are those of the CRCs: one octet after the other gives what a word gives.
    #[test]
    fn remainders_are_linear() {
        for kind in [Kind::Crc16, Kind::Crc32c] {
            let of = |octets: &[u8]| kind.remainder(octets);
            assert_eq!(of(b"ab") ^ of(b"cd"), of(&[b'a' ^ b'c', b'b' ^ b'd']));
            assert_eq!(of(&[0, 0, 7]), of(&[7]));
        }
    }

    /// The check values of the catalogue, with registers that begin with ones.
    #[test]
    fn check_values() {
        let mut octets = *b"123456789";
        octets[0] ^= 0xff;
        octets[1] ^= 0xff;
        let short = !Kind::Crc16.remainder(&octets).swap_bytes() & 0xffff;
        assert_eq!(short, 0x906e);
        octets[2] ^= 0xff;
        octets[3] ^= 0xff;
        assert_eq!(!Kind::Crc32c.remainder(&octets).swap_bytes(), 0xe306_9283);
    }
}
