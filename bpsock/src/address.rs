// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Addresses of the family: the structures of `uapi/bp.h`, as text, and as endpoint IDs.
//!
//! Numbers are in the byte order of the host: an address never leaves it.

use std::fmt;
use std::str::FromStr;

use bundle::{Eid, v7};

/// The address family, first argument of `socket`.
pub const AF_BP: u16 = 28;
/// `struct sockaddr_bp`: `ipn` with numbers of 32 bits.
pub const BP_SCHEME_IPN: u32 = 1;
/// `struct sockaddr_bp_dtn`.
pub const BP_SCHEME_DTN: u32 = 2;
/// `struct sockaddr_bp_wide`: `ipn` with larger numbers or three elements.
pub const BP_SCHEME_IPN_WIDE: u32 = 3;
/// The longest name behind `dtn:`, in octets.
pub const BP_DTN_NAME_MAX: usize = 118;

/// Octets of `struct sockaddr_bp`, and of the plain `struct sockaddr`.
pub const SOCKADDR_BP_LEN: usize = 16;
/// Octets of `struct sockaddr_bp_wide`.
pub const SOCKADDR_BP_WIDE_LEN: usize = 32;
/// Octets of the longest address.
pub const SOCKADDR_BP_MAX_LEN: usize = 128;
/// Octets before the name in `struct sockaddr_bp_dtn`.
const DTN_HEAD_LEN: usize = 10;

/// An address, in the form in which the application or the bundle has it.
///
/// Two forms may name one endpoint: [`Address::eid`] is the same for both.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Address {
    /// `ipn:NODE.SERVICE` with 32 bits each, in 16 octets.
    Ipn {
        /// The node number.
        node: u32,
        /// The service number.
        service: u32,
    },
    /// `ipn:NODE.SERVICE` with 64 bits each.
    Ipn64 {
        /// The node number, with the allocator in its upper 32 bits.
        node: u64,
        /// The service number.
        service: u64,
    },
    /// `ipn:ALLOCATOR.NODE.SERVICE`.
    Ipn3 {
        /// Who allocated the node number.
        allocator: u32,
        /// The node number.
        node: u32,
        /// The service number.
        service: u64,
    },
    /// `dtn:NAME`.
    Dtn(DtnName),
    /// A `dtn` endpoint whose name does not fit into an address. Only the system makes it.
    DtnTooLong,
}

/// What stands behind `dtn:`: 1 to 118 octets of printable ASCII.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DtnName(String);

impl DtnName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// It is empty, too long, or has octets that are no printable ASCII.
    pub fn new(name: &str) -> Result<Self, AddressError> {
        let printable = name.bytes().all(|octet| octet.is_ascii_graphic());
        if printable && (1..=BP_DTN_NAME_MAX).contains(&name.len()) {
            Ok(Self(name.to_owned()))
        } else {
            Err(AddressError::Name)
        }
    }

    /// Octets of the name. The cast cannot lose anything: there are at most 118.
    #[expect(clippy::cast_possible_truncation, reason = "names are short")]
    const fn length(&self) -> u16 {
        self.0.len() as u16
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Address {
    /// `ipn:NODE.SERVICE` with small numbers.
    #[must_use]
    pub const fn ipn(node: u32, service: u32) -> Self {
        Self::Ipn { node, service }
    }

    /// The address of an endpoint ID, in the shortest form. The null endpoint is `dtn:none`.
    #[must_use]
    pub fn from_eid(eid: &Eid<'_>) -> Self {
        match eid {
            Eid::Null => Self::none(),
            Eid::Ipn { node, service } => Self::from_numbers(*node, *service),
            Eid::Dtn(name) => DtnName::new(name).map_or(Self::DtnTooLong, Self::Dtn),
        }
    }

    /// The address of an endpoint ID as a bundle of version 7 spells it. The form is kept.
    ///
    /// # Errors
    ///
    /// It is of another scheme than `ipn` and `dtn`.
    pub fn from_v7(eid: &v7::Eid<'_>) -> Result<Self, AddressError> {
        match eid {
            v7::Eid::DtnNone => Ok(Self::none()),
            v7::Eid::Dtn(name) => Ok(DtnName::new(name).map_or(Self::DtnTooLong, Self::Dtn)),
            v7::Eid::Ipn { node, service } => Ok(Self::from_numbers(*node, *service)),
            v7::Eid::IpnWithAllocator {
                allocator,
                node,
                service,
            } => Ok(Self::Ipn3 {
                allocator: *allocator,
                node: *node,
                service: u64::from(*service),
            }),
            v7::Eid::Other { .. } => Err(AddressError::Endpoint),
        }
    }

    fn none() -> Self {
        Self::Dtn(DtnName("none".to_owned()))
    }

    fn from_numbers(node: u64, service: u64) -> Self {
        match (u32::try_from(node), u32::try_from(service)) {
            (Ok(node), Ok(service)) => Self::Ipn { node, service },
            _ => Self::Ipn64 { node, service },
        }
    }

    /// The endpoint that it names, whatever the form.
    ///
    /// # Errors
    ///
    /// A `dtn` name is no endpoint ID, or too long to be here.
    pub fn eid(&self) -> Result<Eid<'_>, AddressError> {
        match self {
            Self::Ipn { node, service } => Ok(Eid::ipn((*node).into(), (*service).into())),
            Self::Ipn64 { node, service } => Ok(Eid::ipn(*node, *service)),
            Self::Ipn3 {
                allocator,
                node,
                service,
            } => Ok(Eid::ipn(
                u64::from(*allocator) << 32 | u64::from(*node),
                *service,
            )),
            Self::Dtn(name) => {
                Eid::from_parts(b"dtn", name.0.as_bytes()).map_err(|_| AddressError::Endpoint)
            }
            Self::DtnTooLong => Err(AddressError::Name),
        }
    }

    /// The endpoint ID for a bundle of version 7, in the form of the address.
    ///
    /// # Errors
    ///
    /// As [`Address::eid`]; or a service number of the three-element form has more than 32 bits.
    pub fn to_v7(&self) -> Result<v7::Eid<'_>, AddressError> {
        match self {
            Self::Ipn3 {
                allocator,
                node,
                service,
            } => Ok(v7::Eid::IpnWithAllocator {
                allocator: *allocator,
                node: *node,
                service: u32::try_from(*service).map_err(|_| AddressError::Endpoint)?,
            }),
            _ => self.eid().map(v7::Eid::from),
        }
    }

    /// Reads the address that somebody passes. Octets behind the structure are not looked at.
    ///
    /// # Errors
    ///
    /// There are too few octets, or the address is of another family or scheme.
    pub fn decode(octets: &[u8]) -> Result<Self, AddressError> {
        let short = AddressError::Short(octets.len());
        let u32_at = |at: usize| {
            let four = octets.get(at..).and_then(<[u8]>::first_chunk);
            four.map(|four| u32::from_ne_bytes(*four)).ok_or(short)
        };
        let u64_at = |at: usize| {
            let eight = octets.get(at..).and_then(<[u8]>::first_chunk);
            eight.map(|eight| u64::from_ne_bytes(*eight)).ok_or(short)
        };
        let family = octets.first_chunk().ok_or(short)?;
        let family = u16::from_ne_bytes(*family);
        if family != AF_BP {
            return Err(AddressError::Family(family));
        }
        match u32_at(4)? {
            BP_SCHEME_IPN => Ok(Self::Ipn {
                node: u32_at(8)?,
                service: u32_at(12)?,
            }),
            BP_SCHEME_IPN_WIDE => {
                let (allocator, node, service) = (u32_at(12)?, u64_at(16)?, u64_at(24)?);
                match (u32_at(8)?, u32::try_from(node)) {
                    (2, _) if allocator == 0 => Ok(Self::Ipn64 { node, service }),
                    (3, Ok(node)) => Ok(Self::Ipn3 {
                        allocator,
                        node,
                        service,
                    }),
                    _ => Err(AddressError::Elements),
                }
            }
            BP_SCHEME_DTN => {
                let length = octets.get(8..).and_then(<[u8]>::first_chunk).ok_or(short)?;
                let length = usize::from(u16::from_ne_bytes(*length));
                if length == 0 {
                    return Ok(Self::DtnTooLong);
                }
                if length > BP_DTN_NAME_MAX {
                    return Err(AddressError::Name);
                }
                let name = octets.get(DTN_HEAD_LEN..DTN_HEAD_LEN + length);
                let name = str::from_utf8(name.ok_or(short)?).map_err(|_| AddressError::Name)?;
                DtnName::new(name).map(Self::Dtn)
            }
            scheme => Err(AddressError::Scheme(scheme)),
        }
    }

    /// The octets of the structure. What is reserved is zero; of a name there is no tail.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SOCKADDR_BP_WIDE_LEN);
        out.extend(AF_BP.to_ne_bytes());
        out.extend([0; 2]);
        let mut wide = |elements: u32, allocator: u32, node: u64, service: u64| {
            for number in [BP_SCHEME_IPN_WIDE, elements, allocator] {
                out.extend(number.to_ne_bytes());
            }
            out.extend(node.to_ne_bytes());
            out.extend(service.to_ne_bytes());
        };
        match self {
            Self::Ipn { node, service } => {
                for number in [BP_SCHEME_IPN, *node, *service] {
                    out.extend(number.to_ne_bytes());
                }
            }
            Self::Ipn64 { node, service } => wide(2, 0, *node, *service),
            Self::Ipn3 {
                allocator,
                node,
                service,
            } => wide(3, *allocator, u64::from(*node), *service),
            Self::Dtn(name) => {
                out.extend(BP_SCHEME_DTN.to_ne_bytes());
                out.extend(name.length().to_ne_bytes());
                out.extend(name.0.as_bytes());
            }
            Self::DtnTooLong => {
                out.extend(BP_SCHEME_DTN.to_ne_bytes());
                out.extend([0; 2]);
            }
        }
        out
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipn { node, service } => write!(f, "ipn:{node}.{service}"),
            Self::Ipn64 { node, service } => write!(f, "ipn:{node}.{service}"),
            Self::Ipn3 {
                allocator,
                node,
                service,
            } => write!(f, "ipn:{allocator}.{node}.{service}"),
            Self::Dtn(name) => write!(f, "dtn:{}", name.0),
            Self::DtnTooLong => f.write_str("dtn:(too long)"),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads `ipn:NODE.SERVICE`, `ipn:ALLOCATOR.NODE.SERVICE` or `dtn:NAME`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once(':').ok_or(AddressError::Text)?;
        match scheme {
            "dtn" => {
                let address = Self::Dtn(DtnName::new(rest)?);
                address.eid()?;
                Ok(address)
            }
            "ipn" => {
                let numbers: Result<Vec<u64>, _> = rest.split('.').map(number).collect();
                match numbers?[..] {
                    [node, service] => Ok(Self::from_numbers(node, service)),
                    [allocator, node, service] => Ok(Self::Ipn3 {
                        allocator: allocator.try_into().map_err(|_| AddressError::Text)?,
                        node: node.try_into().map_err(|_| AddressError::Text)?,
                        service,
                    }),
                    _ => Err(AddressError::Text),
                }
            }
            _ => Err(AddressError::Text),
        }
    }
}

fn number(digits: &str) -> Result<u64, AddressError> {
    let is_plain = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    let is_shortest = digits == "0" || !digits.starts_with('0');
    if !is_plain || !is_shortest {
        return Err(AddressError::Text);
    }
    digits.parse().map_err(|_| AddressError::Text)
}

/// Why something is no address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There are fewer octets than the structure has.
    #[error("address has only {0} octets")]
    Short(usize),
    /// The address is of another family.
    #[error("address family is {0}, expected 28")]
    Family(u16),
    /// The scheme has no structure.
    #[error("address scheme {0} is unknown")]
    Scheme(u32),
    /// The numbers do not fit the number of elements.
    #[error("address has numbers that two or three elements do not have")]
    Elements,
    /// A `dtn` name is empty, too long, or no printable ASCII.
    #[error("dtn name is not 1 to 118 octets of printable ASCII")]
    Name,
    /// The address names no endpoint, or one that has no address.
    #[error("no endpoint ID of a known scheme")]
    Endpoint,
    /// The text is neither `ipn:NODE.SERVICE` nor `dtn:NAME`.
    #[error("expected ipn:NODE.SERVICE, ipn:ALLOCATOR.NODE.SERVICE or dtn://NODE/NAME")]
    Text,
}
