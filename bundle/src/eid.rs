// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Endpoint IDs as both versions mean them, whatever their spelling on the wire.

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;
use core::str;

use crate::error::Fault;

/// An endpoint ID in its normal form: equal values name equal endpoints.
///
/// Version 6 spells it as an offset pair or a number pair ([`v6::EidRef`](crate::v6::EidRef)),
/// version 7 as a CBOR item ([`v7::Eid`](crate::v7::Eid)).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Eid<'a> {
    /// `dtn:none`, and every spelling of it such as `ipn:0.0`.
    Null,
    /// `ipn:NODE.SERVICE`.
    ///
    /// The node number is the fully qualified one of
    /// [RFC 9758 §3.2](https://www.rfc-editor.org/rfc/rfc9758#section-3.2): the allocator is in
    /// its upper 32 bits. It is never zero in an endpoint ID that was parsed.
    Ipn {
        /// The node number.
        node: u64,
        /// The service number.
        service: u64,
    },
    /// `dtn://NODE/DEMUX`: the part after the colon, which begins with two slashes.
    Dtn(Cow<'a, str>),
}

impl<'a> Eid<'a> {
    /// An `ipn` endpoint ID. Node zero is the null endpoint, whatever the service.
    #[must_use]
    pub const fn ipn(node: u64, service: u64) -> Self {
        if node == 0 {
            Self::Null
        } else {
            Self::Ipn { node, service }
        }
    }

    /// Parses a URI: `ipn:NODE.SERVICE`, `dtn:none` or `dtn://NODE/DEMUX`.
    ///
    /// # Errors
    ///
    /// The scheme is another one, or the rest breaks its rules.
    pub fn parse(uri: &'a str) -> Result<Self, Fault> {
        let (scheme, ssp) = uri.split_once(':').ok_or(Fault::EidMalformed)?;
        Self::from_parts(scheme.as_bytes(), ssp.as_bytes())
    }

    /// Parses the two strings of version 6: scheme name and scheme-specific part.
    ///
    /// # Errors
    ///
    /// The scheme is another one, or the rest breaks its rules.
    pub fn from_parts(scheme: &[u8], ssp: &'a [u8]) -> Result<Self, Fault> {
        match scheme {
            b"dtn" => Self::from_dtn_ssp(ssp),
            b"ipn" => {
                let text = str::from_utf8(ssp).map_err(|_| Fault::EidMalformed)?;
                let (node, service) = text.split_once('.').ok_or(Fault::EidMalformed)?;
                Ok(Self::ipn(decimal(node)?, decimal(service)?))
            }
            _ => Err(Fault::EidScheme),
        }
    }

    /// Parses what follows `dtn:`.
    pub(crate) fn from_dtn_ssp(ssp: &'a [u8]) -> Result<Self, Fault> {
        if ssp == b"none" {
            return Ok(Self::Null);
        }
        let text = str::from_utf8(ssp).map_err(|_| Fault::EidMalformed)?;
        if !text.starts_with("//") || !text.is_ascii() || text.contains('\0') {
            return Err(Fault::EidMalformed);
        }
        Ok(Self::Dtn(Cow::Borrowed(text)))
    }

    /// The name of the scheme.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        match self {
            Self::Null | Self::Dtn(_) => "dtn",
            Self::Ipn { .. } => "ipn",
        }
    }

    /// The scheme-specific part, as text.
    #[must_use]
    pub fn ssp(&self) -> Cow<'_, str> {
        match self {
            Self::Null => Cow::Borrowed("none"),
            Self::Ipn { node, service } => Cow::Owned(format!("{node}.{service}")),
            Self::Dtn(ssp) => Cow::Borrowed(ssp),
        }
    }

    /// Appends the scheme-specific part, as text.
    pub(crate) fn encode_ssp(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"none"),
            Self::Ipn { node, service } => {
                let mut digits = itoa::Buffer::new();
                out.extend_from_slice(digits.format(*node).as_bytes());
                out.push(b'.');
                out.extend_from_slice(digits.format(*service).as_bytes());
            }
            Self::Dtn(ssp) => out.extend_from_slice(ssp.as_bytes()),
        }
    }

    /// Whether it is the null endpoint, which has no members.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether at most one node is a member: a `dtn` demux that begins with `~` names a group.
    #[must_use]
    pub fn is_singleton(&self) -> bool {
        let Self::Dtn(ssp) = self else { return true };
        let after_slashes = ssp.get(2..).unwrap_or_default();
        !after_slashes
            .split_once('/')
            .is_some_and(|(_, demux)| demux.starts_with('~'))
    }

    /// The same endpoint ID, with its own text.
    #[must_use]
    pub fn into_owned(self) -> Eid<'static> {
        match self {
            Self::Null => Eid::Null,
            Self::Ipn { node, service } => Eid::Ipn { node, service },
            Self::Dtn(ssp) => Eid::Dtn(Cow::Owned(ssp.into_owned())),
        }
    }
}

impl fmt::Display for Eid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme(), self.ssp())
    }
}

/// Parses a decimal number as `ipn` writes it: digits only, and no zero in front.
fn decimal(text: &str) -> Result<u64, Fault> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return Err(Fault::EidMalformed);
    }
    text.parse().map_err(|_| Fault::EidMalformed)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::Eid;
    use crate::error::Fault;

    #[test]
    fn text_both_ways() {
        for text in [
            "ipn:1.0",
            "ipn:18446744073709551615.7",
            "dtn:none",
            "dtn://n/",
            "dtn://n",
        ] {
            assert_eq!(
                Eid::parse(text).expect("the text is valid").to_string(),
                text
            );
        }
        assert_eq!(Eid::parse("ipn:0.7"), Ok(Eid::Null));
    }

    #[test]
    fn bad_text_is_refused() {
        let bad = [
            "",
            "ipn",
            "ipn:1",
            "ipn:.1",
            "ipn:1.",
            "ipn:+1.1",
            "ipn:01.1",
            "ipn:1.1.1",
            "ipn:1.00",
            "ipn:18446744073709551616.1",
            "dtn:",
            "dtn:x",
            "dtn:/x",
            "dtn://\u{e9}/",
            "dtn://\0",
        ];
        for text in bad {
            assert_eq!(Eid::parse(text), Err(Fault::EidMalformed), "{text:?}");
        }
        assert_eq!(Eid::parse("imc:1.1"), Err(Fault::EidScheme));
    }

    #[test]
    fn tilde_names_a_group() {
        let singleton = |text| Eid::parse(text).expect("the text is valid").is_singleton();
        assert!(!singleton("dtn://n/~all"));
        assert!(singleton("dtn://~n/all"));
        assert!(singleton("dtn://n/a~"));
        assert!(singleton("dtn:none"));
        assert!(singleton("ipn:1.1"));
    }
}
