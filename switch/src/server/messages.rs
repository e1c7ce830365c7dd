// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages of a stream: packets and digests in the form of the protocol.

use p4::ir::Const;
use p4rt::proto::p4::{
    config::v1::{P4DataTypeSpec, P4TypeInfo, p4_data_type_spec::TypeSpec},
    v1::{self as proto, P4Data, P4StructLike, p4_data},
};
use tonic::Status;

use super::{
    digest::List,
    objects::{Active, PacketField},
    table_entry::invalid,
    values::{parse, print, split},
};
use crate::engine::bits::{self, PADDING};

/// Splits a packet for the controller into its header and its payload.
/// `None` if the packet is shorter than the header.
pub(crate) fn packet_in(fields: &[PacketField], packet: &[u8]) -> Option<proto::PacketIn> {
    let width: u32 = fields.iter().map(|field| field.width).sum();
    let payload = packet.get(width.div_ceil(8) as usize..)?.to_vec();
    let mut padded = packet.to_vec();
    padded.extend_from_slice(&[0; PADDING]);
    let mut offset = 0;
    let metadata = fields.iter().map(|field| {
        let mut limbs = vec![0; bits::limbs(field.width).max(1)];
        bits::read(&padded, offset, field.width, &mut limbs);
        offset += field.width as usize;
        let value = print(&Const::from_limbs(field.width, limbs));
        proto::PacketMetadata {
            metadata_id: field.id,
            value,
        }
    });
    let metadata = metadata.collect();
    Some(proto::PacketIn { payload, metadata })
}

/// Puts the header in front of a packet from a controller.
pub(crate) fn packet_out(
    fields: &[PacketField],
    packet: &proto::PacketOut,
) -> Result<Vec<u8>, Status> {
    let width: u32 = fields.iter().map(|field| field.width).sum();
    let len = width.div_ceil(8) as usize;
    let mut bytes = vec![0; len + PADDING];
    if packet.metadata.len() != fields.len() {
        let (given, wanted) = (packet.metadata.len(), fields.len());
        return Err(invalid(format!(
            "packet has {given} metadata fields, not {wanted}"
        )));
    }
    let mut offset = 0;
    for field in fields {
        let given = packet
            .metadata
            .iter()
            .find(|given| given.metadata_id == field.id);
        let given =
            given.ok_or_else(|| invalid(format!("metadata field {} is missing", field.id)))?;
        let value = parse(&given.value, field.width)?;
        bits::write(&mut bytes, offset, field.width, &value.limbs);
        offset += field.width as usize;
    }
    bytes.truncate(len);
    bytes.extend_from_slice(&packet.payload);
    Ok(bytes)
}

/// Writes a digest list. `timestamp` is in nanoseconds.
pub(crate) fn digest_list(active: &Active, list: &List, timestamp: i64) -> proto::DigestList {
    let digest = &active.pipeline.program().digests[list.digest];
    let info = active.p4info.digests.iter();
    let mut info = info.filter(|info| {
        info.preamble
            .as_ref()
            .is_some_and(|p| p.id == digest.p4info_id)
    });
    let spec = info.next().and_then(|info| info.type_spec.as_ref());
    let types = active.p4info.type_info.as_ref();
    let data = list.samples.iter().map(|sample| {
        let values = split(sample, digest.fields.iter().map(|field| field.width));
        let mut values = values.iter();
        match spec {
            Some(spec) => data(spec, types, &mut values),
            None => structure(values.by_ref().map(bitstring).collect()),
        }
    });
    proto::DigestList {
        digest_id: digest.p4info_id,
        list_id: list.id,
        data: data.collect(),
        timestamp,
    }
}

/// Takes as many values as the type has leaves.
fn data<'v>(
    spec: &P4DataTypeSpec,
    types: Option<&P4TypeInfo>,
    values: &mut impl Iterator<Item = &'v Const>,
) -> P4Data {
    match spec.type_spec.as_ref() {
        Some(TypeSpec::Struct(name)) => {
            let members = types.and_then(|types| types.structs.get(&name.name));
            let members = members.map_or(&[][..], |found| &found.members);
            let specs = members
                .iter()
                .filter_map(|member| member.type_spec.as_ref());
            structure(specs.map(|spec| data(spec, types, values)).collect())
        }
        Some(TypeSpec::Tuple(tuple)) => {
            let members = tuple
                .members
                .iter()
                .map(|spec| data(spec, types, values))
                .collect();
            let members = P4StructLike { members };
            P4Data {
                data: Some(p4_data::Data::Tuple(members)),
            }
        }
        Some(TypeSpec::Bool(_)) => {
            let value = values.next().is_some_and(|value| !value.is_zero());
            P4Data {
                data: Some(p4_data::Data::Bool(value)),
            }
        }
        Some(TypeSpec::SerializableEnum(_)) => {
            let value = values.next().map(print).unwrap_or_default();
            P4Data {
                data: Some(p4_data::Data::EnumValue(value)),
            }
        }
        _ => values.next().map_or(P4Data { data: None }, bitstring),
    }
}

fn structure(members: Vec<P4Data>) -> P4Data {
    P4Data {
        data: Some(p4_data::Data::Struct(P4StructLike { members })),
    }
}

fn bitstring(value: &Const) -> P4Data {
    P4Data {
        data: Some(p4_data::Data::Bitstring(print(value))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controller_headers_round_trip() {
        let fields = [
            PacketField { id: 1, width: 9 },
            PacketField { id: 2, width: 7 },
        ];
        let metadata = |id, value: &[u8]| proto::PacketMetadata {
            metadata_id: id,
            value: value.to_vec(),
        };
        let metadata = vec![metadata(2, &[0x41]), metadata(1, &[0x01, 0x55])];
        let out = proto::PacketOut {
            payload: vec![7, 8],
            metadata,
        };
        let bytes = packet_out(&fields, &out).expect("valid");
        assert_eq!(bytes, [0xaa, 0xc1, 7, 8]);
        let back = packet_in(&fields, &bytes).expect("long enough");
        assert_eq!(back.payload, [7, 8]);
        assert_eq!(back.metadata[0].value, [0x01, 0x55]);
        assert_eq!(back.metadata[1].value, [0x41]);
        assert!(packet_in(&fields, &[0]).is_none());
    }
}
