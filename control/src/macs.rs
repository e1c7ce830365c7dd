// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which MAC address was seen behind which port.

use std::{collections::BTreeMap, fmt};

use p4rt::{
    Bits,
    value::{self, Format},
};

/// A MAC address of one interface.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Mac(u64);

/// A port of a switch.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Port(pub u32);

/// Addresses and ports, at most as many as it was made for.
#[derive(Clone, Debug)]
pub struct MacTable {
    places: BTreeMap<Mac, Place>,
    capacity: usize,
    // Counts what was learned, so that the oldest can be told.
    age: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    port: Port,
    learned: u64,
}

/// What came of a sighting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sighting {
    /// The address was where it is now.
    Known,
    /// The address is new.
    New {
        /// The address that made room for it.
        evicted: Option<Mac>,
    },
    /// The address was behind another port.
    Moved {
        /// The port that it left.
        from: Port,
    },
}

impl Mac {
    /// Takes an address; `None` for what no interface can send from: groups and zero.
    #[must_use]
    pub fn unicast(number: u128) -> Option<Self> {
        let number = u64::try_from(number)
            .ok()
            .filter(|number| *number >> 48 == 0)?;
        let group = number >> 40 & 1 == 1;
        (number != 0 && !group).then_some(Self(number))
    }

    /// The address as a number of 48 bits.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&value::print(&Bits::from(self.0), Format::Mac))
    }
}

impl MacTable {
    /// Makes an empty table for up to `capacity` addresses.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            places: BTreeMap::new(),
            capacity,
            age: 0,
        }
    }

    /// Notes that an address was seen behind a port. A full table forgets the address that was
    /// learned or moved longest ago; it comes back when it is seen again.
    pub fn see(&mut self, mac: Mac, port: Port) -> Sighting {
        if self.capacity == 0 {
            return Sighting::Known;
        }
        self.age += 1;
        let place = Place {
            port,
            learned: self.age,
        };
        match self.places.get(&mac).copied() {
            Some(known) if known.port == port => return Sighting::Known,
            Some(known) => {
                self.places.insert(mac, place);
                return Sighting::Moved { from: known.port };
            }
            None => {}
        }
        let oldest = self.places.iter().min_by_key(|(_, place)| place.learned);
        let oldest = oldest
            .map(|(mac, _)| *mac)
            .filter(|_| self.places.len() >= self.capacity);
        if let Some(oldest) = oldest {
            self.places.remove(&oldest);
        }
        self.places.insert(mac, place);
        Sighting::New { evicted: oldest }
    }

    /// The addresses with their ports, by address.
    pub fn places(&self) -> impl Iterator<Item = (Mac, Port)> {
        self.places.iter().map(|(mac, place)| (*mac, place.port))
    }

    /// Port of an address.
    #[must_use]
    pub fn port_of(&self, mac: Mac) -> Option<Port> {
        self.places.get(&mac).map(|place| place.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(last: u64) -> Mac {
        Mac::unicast(u128::from(0x0200_0000_0000 | last)).expect("a unicast address")
    }

    #[test]
    fn only_addresses_of_interfaces_are_learned() {
        assert_eq!(Mac::unicast(0), None);
        assert_eq!(Mac::unicast(0xffff_ffff_ffff), None, "broadcast");
        assert_eq!(Mac::unicast(0x3333_0000_0001), None, "IPv6 multicast");
        assert_eq!(Mac::unicast(1 << 48), None, "longer than an address");
        assert_eq!(mac(7).to_string(), "02:00:00:00:00:07");
    }

    #[test]
    fn an_address_is_behind_one_port() {
        let mut table = MacTable::new(8);
        assert_eq!(table.see(mac(1), Port(1)), Sighting::New { evicted: None });
        assert_eq!(table.see(mac(1), Port(1)), Sighting::Known);
        assert_eq!(
            table.see(mac(1), Port(2)),
            Sighting::Moved { from: Port(1) }
        );
        assert_eq!(table.places().collect::<Vec<_>>(), [(mac(1), Port(2))]);
    }

    #[test]
    fn a_full_table_forgets_the_oldest() {
        let mut table = MacTable::new(2);
        table.see(mac(1), Port(1));
        table.see(mac(2), Port(1));
        table.see(mac(1), Port(2));
        assert_eq!(
            table.see(mac(3), Port(1)),
            Sighting::New {
                evicted: Some(mac(2))
            }
        );
        assert_eq!(
            table.port_of(mac(1)),
            Some(Port(2)),
            "a move makes an address younger"
        );
        assert_eq!(table.places().count(), 2);
    }
}
