// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What roles may do.
//!
//! P4Runtime leaves the configuration of a role to an agreement between server and controllers.
//! Ours is the message `stratum.P4RoleConfig`, which clients already have. A role without a
//! configuration may do everything, but for what another role keeps to itself.

use p4rt::proto::p4::v1::{Entity, PacketIn, Role, TableEntry, entity::Entity as Kind};
use prost::Message as _;

/// Where the name of the message stands in an `Any`: after the last slash.
const TYPE_NAME: &str = "stratum.P4RoleConfig";

#[derive(Clone, PartialEq, prost::Message)]
struct P4RoleConfig {
    #[prost(uint32, repeated, tag = "1")]
    exclusive_p4_ids: Vec<u32>,
    #[prost(uint32, repeated, tag = "2")]
    shared_p4_ids: Vec<u32>,
    #[prost(message, optional, tag = "3")]
    packet_in_filter: Option<PacketFilter>,
    #[prost(bool, tag = "4")]
    receives_packet_ins: bool,
    #[prost(bool, tag = "5")]
    can_push_pipeline: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PacketFilter {
    #[prost(uint32, tag = "1")]
    metadata_id: u32,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// The configuration of a role, as it was given and as it is understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RoleConfig {
    /// With the name of the role, for notices.
    given: Role,
    config: P4RoleConfig,
}

/// Why a configuration of a role is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum RoleError {
    #[error("role configuration is of type {0:?}, not {TYPE_NAME}")]
    Type(String),
    #[error("role configuration is no {TYPE_NAME}")]
    Malformed,
}

impl RoleConfig {
    /// Reads what a stream says about its role.
    pub(crate) fn read(role: &Role) -> Result<Option<Self>, RoleError> {
        let Some(any) = &role.config else {
            return Ok(None);
        };
        if any.type_url.rsplit('/').next() != Some(TYPE_NAME) {
            return Err(RoleError::Type(any.type_url.clone()));
        }
        let config = P4RoleConfig::decode(any.value.as_slice());
        Ok(Some(Self {
            given: role.clone(),
            config: config.map_err(|_| RoleError::Malformed)?,
        }))
    }

    /// The role as the stream gave it.
    pub(crate) fn given(&self) -> &Role {
        &self.given
    }

    /// Objects that no other role may write.
    pub(crate) fn exclusive(&self) -> impl Iterator<Item = u32> {
        self.config.exclusive_p4_ids.iter().copied()
    }

    /// An object that one of two roles wants for itself, and the other one wants too.
    pub(crate) fn conflict(&self, other: &Self) -> Option<u32> {
        let taken = self.exclusive().find(|id| other.has(*id));
        taken.or_else(|| other.exclusive().find(|id| self.has(*id)))
    }

    /// Whether an object belongs to the role.
    pub(crate) fn has(&self, id: u32) -> bool {
        let config = &self.config;
        config.exclusive_p4_ids.contains(&id) || config.shared_p4_ids.contains(&id)
    }

    /// Whether the role may change the program.
    pub(crate) fn pushes(&self) -> bool {
        self.config.can_push_pipeline
    }

    /// Whether a packet is for the role.
    pub(crate) fn hears(&self, packet: &PacketIn) -> bool {
        let passes = |filter: &PacketFilter| {
            let mut fields = packet.metadata.iter();
            fields.any(|one| one.metadata_id == filter.metadata_id && one.value == filter.value)
        };
        self.config.receives_packet_ins && self.config.packet_in_filter.as_ref().is_none_or(passes)
    }
}

#[cfg(test)]
impl RoleConfig {
    pub(crate) fn new(exclusive: &[u32], shared: &[u32]) -> Self {
        Self {
            given: Role::default(),
            config: P4RoleConfig {
                exclusive_p4_ids: exclusive.to_vec(),
                shared_p4_ids: shared.to_vec(),
                ..P4RoleConfig::default()
            },
        }
    }
}

/// What a role may do, in view of the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    pub(super) own: Option<RoleConfig>,
    /// What other roles keep to themselves.
    pub(super) foreign: Vec<u32>,
}

impl Scope {
    /// Whether the role may write an object. Those of the replication engine have no number, and
    /// belong to roles without a configuration.
    pub(crate) fn writes(&self, id: Option<u32>) -> bool {
        match (&self.own, id) {
            (None, Some(id)) => !self.foreign.contains(&id),
            (None, None) => true,
            (Some(own), Some(id)) => own.has(id),
            (Some(_), None) => false,
        }
    }

    /// Whether the role sees an object: one without a configuration sees everything.
    pub(crate) fn reads(&self, id: Option<u32>) -> bool {
        match &self.own {
            None => true,
            Some(own) => id.is_some_and(|id| own.has(id)),
        }
    }

    /// Whether the role may change the program.
    pub(crate) fn pushes(&self) -> bool {
        self.own.as_ref().is_none_or(RoleConfig::pushes)
    }
}

/// The number of the object that an entity belongs to; direct resources belong to their table.
pub(crate) fn object_id(entity: &Entity) -> Option<u32> {
    let table = |entry: &Option<TableEntry>| entry.as_ref().map(|entry| entry.table_id);
    match entity.entity.as_ref()? {
        Kind::TableEntry(entry) => Some(entry.table_id),
        Kind::DirectCounterEntry(entry) => table(&entry.table_entry),
        Kind::DirectMeterEntry(entry) => table(&entry.table_entry),
        Kind::CounterEntry(entry) => Some(entry.counter_id),
        Kind::MeterEntry(entry) => Some(entry.meter_id),
        Kind::RegisterEntry(entry) => Some(entry.register_id),
        Kind::DigestEntry(entry) => Some(entry.digest_id),
        Kind::ValueSetEntry(entry) => Some(entry.value_set_id),
        Kind::ActionProfileMember(member) => Some(member.action_profile_id),
        Kind::ActionProfileGroup(group) => Some(group.action_profile_id),
        Kind::PacketReplicationEngineEntry(_) | Kind::ExternEntry(_) => None,
    }
}
