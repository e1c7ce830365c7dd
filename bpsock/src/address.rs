// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `struct sockaddr_bp`, the address of the family, in 16 octets and as an endpoint ID.
//!
//! | offset | octets | field |
//! | --- | --- | --- |
//! | 0 | 2 | family |
//! | 2 | 2 | padding |
//! | 4 | 4 | scheme |
//! | 8 | 4 | node number |
//! | 12 | 4 | service number |
//!
//! Numbers are in the byte order of the host: the address never leaves it.

use bundle::Eid;

/// The address family, first argument of `socket`.
pub const AF_BP: u16 = 28;

/// The scheme of `ipn` endpoint IDs.
pub const BP_SCHEME_IPN: u32 = 1;

/// The scheme of `dtn` endpoint IDs. Its names do not fit into this address.
pub const BP_SCHEME_DTN: u32 = 2;

/// The length of the address, which is that of the plain `struct sockaddr`.
pub const SOCKADDR_BP_LEN: usize = size_of::<SockaddrBp>();

/// The address as C has it: field by field, in the byte order of the host.
///
/// Only addresses of this family and of the scheme `ipn` exist.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(C)]
pub struct SockaddrBp {
    family: u16,
    padding: u16,
    scheme: u32,
    node: u32,
    service: u32,
}

impl SockaddrBp {
    /// The address of `ipn:NODE.SERVICE`.
    #[must_use]
    pub const fn ipn(node: u32, service: u32) -> Self {
        Self {
            family: AF_BP,
            padding: 0,
            scheme: BP_SCHEME_IPN,
            node,
            service,
        }
    }

    /// The address of an endpoint ID. The null endpoint is `ipn:0.0` here.
    ///
    /// # Errors
    ///
    /// It is no `ipn` endpoint ID, or a number has more than 32 bits. A node number with an
    /// allocator has: see [RFC 9758 §3.2](https://www.rfc-editor.org/rfc/rfc9758#section-3.2).
    pub fn from_eid(eid: &Eid<'_>) -> Result<Self, AddressError> {
        let fit = |number| u32::try_from(number).map_err(|_| AddressError::Number(number));
        match *eid {
            Eid::Null => Ok(Self::ipn(0, 0)),
            Eid::Ipn { node, service } => Ok(Self::ipn(fit(node)?, fit(service)?)),
            Eid::Dtn(_) => Err(AddressError::Scheme(BP_SCHEME_DTN)),
        }
    }

    /// The endpoint ID. Every service of node 0 is the null endpoint.
    #[must_use]
    pub fn eid(&self) -> Eid<'static> {
        Eid::ipn(self.node.into(), self.service.into())
    }

    /// The node number, which `bind` and `sendto` may have rules about.
    #[must_use]
    pub const fn node(&self) -> u32 {
        self.node
    }

    /// The service number.
    #[must_use]
    pub const fn service(&self) -> u32 {
        self.service
    }

    /// Reads the address that an application passes to a system call.
    ///
    /// Octets behind the 16th are not looked at, and neither is the padding: applications pass
    /// larger buffers to `sendto`, and do not clear what they do not know.
    ///
    /// # Errors
    ///
    /// There are too few octets, or the address is of another family or scheme.
    pub fn decode(octets: &[u8]) -> Result<Self, AddressError> {
        let Some(([f0, f1, _, _, numbers @ ..], _)) = octets.split_first_chunk::<SOCKADDR_BP_LEN>()
        else {
            return Err(AddressError::Short(octets.len()));
        };
        let family = u16::from_ne_bytes([*f0, *f1]);
        if family != AF_BP {
            return Err(AddressError::Family(family));
        }
        let &[s0, s1, s2, s3, n0, n1, n2, n3, v0, v1, v2, v3] = numbers;
        let scheme = u32::from_ne_bytes([s0, s1, s2, s3]);
        if scheme != BP_SCHEME_IPN {
            return Err(AddressError::Scheme(scheme));
        }
        let node = u32::from_ne_bytes([n0, n1, n2, n3]);
        Ok(Self::ipn(node, u32::from_ne_bytes([v0, v1, v2, v3])))
    }

    /// The octets to hand to an application. The padding is zero.
    #[must_use]
    pub fn encode(&self) -> [u8; SOCKADDR_BP_LEN] {
        let mut octets = [0; SOCKADDR_BP_LEN];
        octets[0..2].copy_from_slice(&self.family.to_ne_bytes());
        octets[4..8].copy_from_slice(&self.scheme.to_ne_bytes());
        octets[8..12].copy_from_slice(&self.node.to_ne_bytes());
        octets[12..16].copy_from_slice(&self.service.to_ne_bytes());
        octets
    }
}

/// Why octets are no address, or an endpoint ID has none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// There are fewer octets than the address has.
    #[error("address has {0} octets, and needs 16")]
    Short(usize),
    /// The address is of another family.
    #[error("address family is {0}, expected 28")]
    Family(u16),
    /// The scheme has no place in this address.
    #[error("address scheme is {0}, expected 1 for ipn")]
    Scheme(u32),
    /// A node or service number is too large for this address.
    #[error("number {0} does not fit into 32 bits")]
    Number(u64),
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::SockaddrBp;

    /// The layout that C compilers give the structure, on machines of 32 and of 64 bits.
    #[test]
    fn layout_is_that_of_existing_applications() {
        assert_eq!(size_of::<SockaddrBp>(), 16);
        assert_eq!(align_of::<SockaddrBp>(), 4);
        assert_eq!(offset_of!(SockaddrBp, family), 0);
        assert_eq!(offset_of!(SockaddrBp, padding), 2);
        assert_eq!(offset_of!(SockaddrBp, scheme), 4);
        assert_eq!(offset_of!(SockaddrBp, node), 8);
        assert_eq!(offset_of!(SockaddrBp, service), 12);
    }
}
