// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The subject of a certificate, as far as people need it to know who somebody is.
//!
//! Certificates come here after they were checked; still, nothing of what they say is believed about
//! lengths.

use std::fmt::Write as _;

/// A part of DER: its tag, what is in it, and what follows.
type Item<'a> = (u8, &'a [u8], &'a [u8]);

/// The subject of a certificate, such as `CN=alice,O=Operations`; its serial number if it has none.
/// `None` if it is no certificate. See [RFC 5280 §4.1](https://www.rfc-editor.org/rfc/rfc5280#section-4.1).
pub(crate) fn subject(certificate: &[u8]) -> Option<String> {
    let (_, certificate, _) = tagged(certificate, SEQUENCE)?;
    let (_, mut rest, _) = tagged(certificate, SEQUENCE)?;
    if let Some((_, _, after)) = tagged(rest, VERSION) {
        rest = after;
    }
    let (_, serial, rest) = tagged(rest, INTEGER)?;
    let mut rest = rest;
    // Algorithm, issuer and validity.
    for _ in 0..3 {
        (_, _, rest) = tagged(rest, SEQUENCE)?;
    }
    let (_, names, _) = tagged(rest, SEQUENCE)?;
    let names = read_names(names)?;
    if names.is_empty() {
        return Some(format!("serial {}", hex(serial)));
    }
    Some(names.join(","))
}

/// The parts of a distinguished name, in their order.
fn read_names(mut rest: &[u8]) -> Option<Vec<String>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (_, mut set, after) = tagged(rest, SET)?;
        rest = after;
        while !set.is_empty() {
            let (_, pair, after) = tagged(set, SEQUENCE)?;
            set = after;
            let (_, kind, value) = tagged(pair, OBJECT_IDENTIFIER)?;
            let (_, value, _) = item(value)?;
            let kind = match kind {
                [0x55, 4, 3] => "CN".to_owned(),
                [0x55, 4, 6] => "C".to_owned(),
                [0x55, 4, 7] => "L".to_owned(),
                [0x55, 4, 8] => "ST".to_owned(),
                [0x55, 4, 10] => "O".to_owned(),
                [0x55, 4, 11] => "OU".to_owned(),
                other => hex(other),
            };
            found.push(format!("{kind}={}", String::from_utf8_lossy(value)));
        }
    }
    Some(found)
}

/// The next part, if it has this tag.
fn tagged(input: &[u8], tag: u8) -> Option<Item<'_>> {
    item(input).filter(|(found, ..)| *found == tag)
}

/// The next part: tags of one octet, lengths of at most four.
fn item(input: &[u8]) -> Option<Item<'_>> {
    let (&tag, rest) = input.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= LONG {
        let octets = usize::from(first - LONG);
        if !(1..=4).contains(&octets) || rest.len() < octets {
            return None;
        }
        let (written, after) = rest.split_at(octets);
        length = written
            .iter()
            .fold(0, |length, octet| length << 8 | usize::from(*octet));
        rest = after;
    }
    (rest.len() >= length).then(|| {
        let (content, after) = rest.split_at(length);
        (tag, content, after)
    })
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a string does not fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
/// From here on the first octet of a length says how many others there are.
const LONG: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject as _};

    fn certificate() -> Vec<u8> {
        let pem = include_bytes!("../../testdata/tls/controller.pem");
        let certificate = CertificateDer::from_pem_slice(pem).expect("a certificate");
        certificate.to_vec()
    }

    #[test]
    fn a_certificate_says_whose_it_is() {
        assert_eq!(subject(&certificate()).as_deref(), Some("CN=controller"));
    }

    #[test]
    fn nothing_that_is_cut_off_or_changed_panics() {
        let whole = certificate();
        for end in 0..whole.len() {
            let _ = subject(&whole[..end]);
        }
        for place in 0..whole.len() {
            for octet in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = whole.clone();
                changed[place] = octet;
                let _ = subject(&changed);
            }
        }
    }
}
