// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Data of blocks: what it says is written as it was, where the crate writes such data.

use std::borrow::Cow;

use bundle::{sdnv, v6, v7};

use super::check_error;

/// Types of version 6 whose data means something. The last one is any other type.
const KINDS_V6: [u8; 7] = [1, 5, 10, 19, 20, 21, 8];
/// Types of version 7 whose data means something. The last one is any other type.
const KINDS_V7: [u64; 9] = [1, 6, 7, 10, 13, 193, 194, 11, 200];

/// Reads the data of a block: the first octet says of which version and type, the rest is the data.
///
/// # Panics
///
/// A promise is broken.
pub fn contents(input: &[u8]) {
    let Some((first, data)) = input.split_first() else {
        return;
    };
    let place = usize::from(first >> 1);
    if first & 1 == 0 {
        let kind = v6::BlockType(KINDS_V6[place % KINDS_V6.len()]);
        let block = v6::Block::new(kind, v6::BlockFlags::default(), Cow::Borrowed(data));
        check_v6(&block, &v6::Primary::default());
    } else {
        let kind = v7::BlockType(KINDS_V7[place % KINDS_V7.len()]);
        check_v7(&v7::Block::new(
            kind,
            2,
            v7::BlockFlags::default(),
            Cow::Borrowed(data),
        ));
    }
}

/// The first octet of an input of [`contents`] that gives a block of this type of version 6.
pub(crate) fn selector_v6(kind: v6::BlockType) -> Option<u8> {
    let place = KINDS_V6.iter().position(|known| *known == kind.0)?;
    u8::try_from(place << 1).ok()
}

/// The first octet of an input of [`contents`] that gives a block of this type of version 7.
pub(crate) fn selector_v7(kind: v7::BlockType) -> Option<u8> {
    let place = KINDS_V7.iter().position(|known| *known == kind.0)?;
    u8::try_from(place << 1 | 1).ok()
}

/// Checks the data of a block of version 6. Padded numbers are written shorter than they were.
pub(super) fn check_v6(block: &v6::Block<'_>, primary: &v6::Primary<'_>) {
    let data: &[u8] = &block.data;
    let content = match block.content() {
        Ok(content) => content,
        Err(error) => return check_error(&error, data),
    };
    let flags = v6::BlockFlags::default();
    let written = match content {
        v6::Content::Payload(payload) => return assert_eq!(payload, data),
        v6::Content::PreviousHop(hop) => return check_hop(hop, primary),
        v6::Content::Age(age_us) => v6::Block::age(block.kind, flags, age_us),
        v6::Content::Custody { id, custodian } => {
            let mut written = Vec::new();
            sdnv::encode(id, &mut written);
            written.extend_from_slice(custodian);
            v6::Block::new(block.kind, flags, Cow::Owned(written))
        }
        v6::Content::Ecos {
            flags: ecos_flags,
            ordinal,
            label,
        } => v6::Block::ecos(flags, ecos_flags, ordinal, label),
        v6::Content::Permits(permits) => v6::Block::permits(flags, permits),
        v6::Content::Security | v6::Content::Other => return,
    };
    assert!(written.data.len() <= data.len(), "the data grew");
    if written.data.len() == data.len() {
        assert_eq!(written.data, data);
    } else {
        assert_eq!(written.content(), block.content());
    }
}

fn check_hop(hop: v6::PreviousHop<'_>, primary: &v6::Primary<'_>) {
    let Ok(eid) = hop.eid(primary) else { return };
    let written = v6::Block::previous_hop(v6::BlockFlags::default(), &eid);
    let Ok(v6::Content::PreviousHop(again)) = written.content() else {
        panic!("{eid} cannot be read again: {written:?}");
    };
    assert_eq!(again.eid(primary).as_ref(), Ok(&eid));
}

/// Checks the data of a block of version 7.
pub(super) fn check_v7(block: &v7::Block<'_>) {
    let data: &[u8] = &block.data;
    if let Ok(priority) = block.hdtn_priority() {
        assert_eq!(v7::Block::number_data(priority), data);
    }
    let content = match block.content() {
        Ok(content) => content,
        Err(error) => return check_error(&error, data),
    };
    let written = match content {
        v7::Content::Payload(payload) => return assert_eq!(payload, data),
        v7::Content::PreviousNode(eid) => {
            let Ok(normal) = eid.normal() else { return };
            let written = v7::Block::previous_node_data(normal.clone());
            let flags = v7::BlockFlags::default();
            let again = v7::Block::new(block.kind, 2, flags, Cow::Owned(written));
            let Ok(v7::Content::PreviousNode(again)) = again.content() else {
                panic!("{normal} cannot be read again");
            };
            return assert_eq!(again.normal(), Ok(normal));
        }
        v7::Content::Age(number) | v7::Content::Permits(number) => v7::Block::number_data(number),
        v7::Content::HopCount { limit, count } => v7::Block::hop_count_data(limit, count),
        v7::Content::Qos(qos) => v7::Block::qos_data(qos),
        v7::Content::Security | v7::Content::Other => return,
    };
    assert_eq!(written, data);
}
