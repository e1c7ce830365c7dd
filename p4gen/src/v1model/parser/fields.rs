// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the items of the layout tables to states that read or write them.

use bundle::Reason;

use super::graph::{Graph, Open, Routine};
use crate::layout::{Item, Version};

/// The part of a name that says which version it is about.
pub(super) const fn prefix(version: Version) -> &'static str {
    match version {
        Version::V6 => "v6",
        Version::V7 => "v7",
    }
}

/// Where the two numbers of an endpoint ID of version 6 are kept until the dictionary is known.
fn reference(field: &str) -> String {
    format!("reference.{}", field.trim_start_matches("primary."))
}

impl Graph {
    /// Ends a state by reading the head of a CBOR item of a major type.
    pub(super) fn head(&mut self, open: Open, major: u8, after: &str) -> Open {
        let open = open.set("number.major", major.to_string());
        self.call(open, Routine::Number, "read_head", after)
    }

    fn sdnv(&mut self, open: Open, after: &str) -> Open {
        self.call(open, Routine::Number, "read_sdnv_1", after)
    }

    /// Reads a number into its field.
    pub(super) fn number(&mut self, open: Open, version: Version, field: &str) -> Open {
        let after = format!("{}_{}", prefix(version), field.replace('.', "_"));
        let open = match version {
            Version::V6 => self.sdnv(open, &after),
            Version::V7 => self.head(open, 0, &after),
        };
        open.set(field, "meta.number.value")
    }

    /// Reads an endpoint ID of version 7 into its field.
    pub(super) fn eid(&mut self, open: Open, field: &str) -> Open {
        let after = format!("v7_{}", field.replace('.', "_"));
        self.call(open, Routine::Eid, "read_eid", &after)
            .verify("meta.eid.service[63:32] == 0", Reason::ValueRange)
            .copy_eid(field, "eid")
    }

    /// Reads an item into its field.
    pub(super) fn read(&mut self, open: Open, item: Item, version: Version) -> Open {
        match (item, version) {
            (Item::Number(field), _) => self.number(open, version, field),
            (Item::Eid(field), Version::V6) => {
                let reference = reference(field);
                let open = self.number(open, version, &format!("{reference}.scheme"));
                self.number(open, version, &format!("{reference}.ssp"))
            }
            (Item::Eid(field), Version::V7) => self.eid(open, field),
            (Item::Text(field), _) => self.previous_hop(open, field),
            (Item::Octet(field), _) => open.octet_6().set(field, "(bit<64>)meta.octet"),
            (Item::Expect(value, reason), _) => open
                .octet_7()
                .verify(&format!("meta.octet == {value:#04x}"), reason),
        }
    }

    pub(super) fn read_all(&mut self, mut open: Open, items: &[Item], version: Version) -> Open {
        for &item in items {
            open = self.read(open, item, version);
        }
        open
    }

    /// Writes an item from its field. States that return are named after the place, too.
    pub(super) fn write(&mut self, open: Open, item: Item, version: Version, place: &str) -> Open {
        let value = |field: &str| format!("meta.{field}");
        let after =
            |field: &str| format!("{place}_{}_{}", prefix(version), field.replace('.', "_"));
        match item {
            Item::Number(field) => self.put(open, version, &value(field), &after(field)),
            Item::Eid(field) => self.put_eid_of(open, field, &after(field)),
            Item::Text(field) => {
                let open = open.copy_eid("eid", field);
                self.put_text(open, &after(field))
            }
            Item::Octet(field) => open.append(&format!("meta.{field}[7:0]"), 1),
            Item::Expect(octet, _) => open.append(&format!("8w{octet:#04x}"), 1),
        }
    }

    /// Writes the endpoint ID in `meta.eid` as two strings, each with a zero at its end.
    pub(super) fn put_text(&mut self, open: Open, after: &str) -> Open {
        let open = open.append("(meta.eid.node == 0 ? 32w0x64746e00 : 32w0x69706e00)", 4);
        self.call(open, Routine::PutSsp, "put_ssp", after)
            .append("8w0", 1)
    }
}
