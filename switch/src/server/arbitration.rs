// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who may write: the arbitration of
//! [P4Runtime §5](https://p4.org/p4-spec/p4runtime/v1.5.0/P4Runtime-Spec.html#sec-client-arbitration-and-controller-replication),
//! without connections.
//!
//! For each role, the primary is the stream that offers the highest election id ever seen. When
//! it leaves there is no primary until a stream offers at least that id.

use std::collections::BTreeMap;

use tonic::Code;

use super::roles::{RoleConfig, Scope};

/// Number of a stream; given once.
pub(crate) type StreamId = u64;

/// Streams that one device serves at a time, as many as BMv2's server.
pub(crate) const MAX_STREAMS: usize = 16;

/// Roles that a device remembers: their highest election ids are never forgotten.
const MAX_ROLES: usize = 64;

/// What a stream is told about its role.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notice {
    pub(crate) stream: StreamId,
    pub(crate) role: String,
    /// The configuration that the primary gave the role.
    pub(crate) config: Option<RoleConfig>,
    /// The highest election id that was ever seen; none if no stream has offered one.
    pub(crate) highest: Option<u128>,
    pub(crate) standing: Standing,
}

/// How a stream stands in its role.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// It is the primary.
    Primary,
    /// Another stream is the primary.
    Backup,
    /// There is no primary.
    Vacant,
}

/// Why a stream is ended.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no device {0} here")]
    UnknownDevice(u64),
    #[error("election id {0} is taken by another stream of this role")]
    DuplicateId(u128),
    #[error("a stream cannot change its device or role")]
    Changed,
    #[error("too many streams: this device serves {MAX_STREAMS}")]
    TooMany,
    #[error("election id 0 is not valid; leave it unset to be a backup")]
    ZeroId,
    #[error("too many roles: this device remembers {MAX_ROLES}")]
    TooManyRoles,
    #[error("role {role:?} already has object {id:#010x}, and not to share")]
    Taken { role: String, id: u32 },
}

impl Refusal {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::UnknownDevice(_) => Code::NotFound,
            Self::DuplicateId(_) | Self::ZeroId | Self::Taken { .. } => Code::InvalidArgument,
            Self::Changed => Code::FailedPrecondition,
            Self::TooMany | Self::TooManyRoles => Code::ResourceExhausted,
        }
    }
}

#[derive(Clone, Debug)]
struct Stream {
    role: String,
    election: Option<u128>,
}

/// What is remembered of a role.
#[derive(Clone, Debug)]
struct Role {
    highest: u128,
    config: Option<RoleConfig>,
}

/// The streams of one device.
#[derive(Debug)]
pub(crate) struct Arbitration {
    device: u64,
    streams: BTreeMap<StreamId, Stream>,
    roles: BTreeMap<String, Role>,
}

impl Arbitration {
    pub(crate) fn new(device: u64) -> Self {
        Self {
            device,
            streams: BTreeMap::new(),
            roles: BTreeMap::new(),
        }
    }

    /// A stream introduces itself, or offers another election id.
    pub(crate) fn update(
        &mut self,
        id: StreamId,
        device: u64,
        (role, config): (&str, Option<&RoleConfig>),
        election: Option<u128>,
    ) -> Result<Vec<Notice>, Refusal> {
        let known = self.streams.get(&id).cloned();
        if known
            .as_ref()
            .is_some_and(|known| known.role != role || device != self.device)
        {
            return Err(Refusal::Changed);
        }
        if device != self.device {
            return Err(Refusal::UnknownDevice(device));
        }
        if election == Some(0) {
            return Err(Refusal::ZeroId);
        }
        if known.is_none() && self.streams.len() >= MAX_STREAMS {
            return Err(Refusal::TooMany);
        }
        if let Some(election) = election {
            let taken = |(other, stream): (&StreamId, &Stream)| {
                *other != id && stream.role == role && stream.election == Some(election)
            };
            if self.streams.iter().any(taken) {
                return Err(Refusal::DuplicateId(election));
            }
        }
        self.check_role(role, config)?;
        let before = self.primary(role);
        self.streams.insert(
            id,
            Stream {
                role: role.to_owned(),
                election,
            },
        );
        let mut reconfigured = false;
        if let Some(election) = election {
            let known = self.roles.entry(role.to_owned()).or_insert(Role {
                highest: election,
                config: None,
            });
            // The primary says what its role may do.
            if election >= known.highest {
                known.highest = election;
                reconfigured = known.config.as_ref() != config;
                known.config = config.cloned();
            }
        }
        let changed = reconfigured || self.primary(role) != before;
        Ok(self.notices(role, |stream| changed || stream == id))
    }

    /// Whether a role may come, and what it wants does not belong to another one.
    fn check_role(&self, role: &str, config: Option<&RoleConfig>) -> Result<(), Refusal> {
        if !self.roles.contains_key(role) && self.roles.len() >= MAX_ROLES {
            return Err(Refusal::TooManyRoles);
        }
        let Some(config) = config else {
            return Ok(());
        };
        let others = self.roles.iter().filter(|(name, _)| *name != role);
        for (name, other) in others {
            let conflict = other
                .config
                .as_ref()
                .and_then(|other| config.conflict(other));
            if let Some(id) = conflict {
                let role = name.clone();
                return Err(Refusal::Taken { role, id });
            }
        }
        Ok(())
    }

    /// Whether a request may name this role: the one without a name, or one that a stream had.
    pub(crate) fn knows(&self, role: &str) -> bool {
        role.is_empty()
            || self.roles.contains_key(role)
            || self.streams.values().any(|stream| stream.role == role)
    }

    /// What a role may write, read and hear.
    pub(crate) fn scope(&self, role: &str) -> Scope {
        let others = self.roles.iter().filter(|(name, _)| *name != role);
        let foreign = others.filter_map(|(_, other)| other.config.as_ref());
        Scope {
            own: self.roles.get(role).and_then(|role| role.config.clone()),
            foreign: foreign.flat_map(RoleConfig::exclusive).collect(),
        }
    }

    /// A stream has ended.
    pub(crate) fn leave(&mut self, id: StreamId) -> Vec<Notice> {
        let Some(stream) = self.streams.get(&id).cloned() else {
            return Vec::new();
        };
        let was_primary = self.primary(&stream.role) == Some(id);
        self.streams.remove(&id);
        self.notices(&stream.role, |_| was_primary)
    }

    /// The primary of a role.
    pub(crate) fn primary(&self, role: &str) -> Option<StreamId> {
        let highest = self.roles.get(role)?.highest;
        let offers = |stream: &Stream| stream.role == role && stream.election == Some(highest);
        self.streams
            .iter()
            .find(|(_, stream)| offers(stream))
            .map(|(id, _)| *id)
    }

    /// The primaries of all roles, with what each may hear.
    pub(crate) fn primaries(&self) -> Vec<(StreamId, Option<&RoleConfig>)> {
        self.roles
            .iter()
            .filter_map(|(name, role)| Some((self.primary(name)?, role.config.as_ref())))
            .collect()
    }

    /// Whether a request with this election id comes from the primary.
    pub(crate) fn may_write(&self, role: &str, election: Option<u128>) -> bool {
        let primary = self.primary(role).and_then(|id| self.streams.get(&id));
        election.is_some() && primary.is_some_and(|stream| stream.election == election)
    }

    /// Whether a stream is the primary of its role.
    pub(crate) fn is_primary(&self, id: StreamId) -> bool {
        self.streams
            .get(&id)
            .is_some_and(|stream| self.primary(&stream.role) == Some(id))
    }

    fn notices(&self, role: &str, to: impl Fn(StreamId) -> bool) -> Vec<Notice> {
        let primary = self.primary(role);
        let streams = self
            .streams
            .iter()
            .filter(|(id, stream)| stream.role == role && to(**id));
        let notice = |(id, _): (&StreamId, &Stream)| Notice {
            stream: *id,
            role: role.to_owned(),
            config: self.roles.get(role).and_then(|role| role.config.clone()),
            highest: self.roles.get(role).map(|role| role.highest),
            standing: match primary {
                None => Standing::Vacant,
                Some(primary) if primary == *id => Standing::Primary,
                Some(_) => Standing::Backup,
            },
        };
        streams.map(notice).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standings(notices: &[Notice]) -> Vec<(StreamId, Standing)> {
        notices
            .iter()
            .map(|notice| (notice.stream, notice.standing))
            .collect()
    }

    #[test]
    fn highest_id_ever_seen_is_primary() {
        let mut device = Arbitration::new(1);
        let notices = device.update(1, 1, ("", None), Some(5)).expect("accepted");
        assert_eq!(standings(&notices), [(1, Standing::Primary)]);
        let notices = device.update(2, 1, ("", None), Some(10)).expect("accepted");
        assert_eq!(
            standings(&notices),
            [(1, Standing::Backup), (2, Standing::Primary)]
        );
        // The primary leaves: the backup does not move up.
        let notices = device.leave(2);
        assert_eq!(standings(&notices), [(1, Standing::Vacant)]);
        assert_eq!(notices[0].highest, Some(10));
        assert!(!device.may_write("", Some(5)));
        let notices = device.update(3, 1, ("", None), Some(9)).expect("accepted");
        assert_eq!(standings(&notices), [(3, Standing::Vacant)]);
        let notices = device.update(1, 1, ("", None), Some(10)).expect("accepted");
        assert_eq!(
            standings(&notices),
            [(1, Standing::Primary), (3, Standing::Backup)]
        );
        assert!(device.may_write("", Some(10)));
        assert!(!device.may_write("", None));
        assert!(!device.may_write("other", Some(10)));
    }

    #[test]
    fn a_primary_may_step_down() {
        let mut device = Arbitration::new(1);
        device.update(1, 1, ("", None), Some(7)).expect("accepted");
        let notices = device.update(1, 1, ("", None), Some(3)).expect("accepted");
        assert_eq!(standings(&notices), [(1, Standing::Vacant)]);
    }

    #[test]
    fn roles_are_separate_and_ids_unique_within_one() {
        let mut device = Arbitration::new(1);
        device.update(1, 1, ("a", None), Some(5)).expect("accepted");
        device.update(2, 1, ("b", None), Some(5)).expect("accepted");
        assert_eq!(device.primaries(), [(1, None), (2, None)]);
        assert_eq!(
            device.update(3, 1, ("a", None), Some(5)),
            Err(Refusal::DuplicateId(5))
        );
        assert_eq!(
            device.update(1, 1, ("b", None), Some(6)),
            Err(Refusal::Changed)
        );
        assert_eq!(
            device.update(1, 2, ("a", None), Some(6)),
            Err(Refusal::Changed)
        );
        assert_eq!(
            device.update(4, 2, ("a", None), Some(6)),
            Err(Refusal::UnknownDevice(2))
        );
    }

    #[test]
    fn unset_ids_never_win_and_need_not_be_unique() {
        let mut device = Arbitration::new(1);
        for id in 0..MAX_STREAMS as u64 {
            let notices = device.update(id, 1, ("", None), None).expect("accepted");
            assert_eq!(standings(&notices), [(id, Standing::Vacant)]);
        }
        assert_eq!(
            device.update(99, 1, ("", None), Some(1)),
            Err(Refusal::TooMany)
        );
    }

    #[test]
    fn objects_of_a_role_belong_to_nobody_else() {
        let mut device = Arbitration::new(1);
        let config = |exclusive: &[u32], shared: &[u32]| RoleConfig::new(exclusive, shared);
        let (first, second) = (config(&[1], &[2]), config(&[3], &[2]));
        device
            .update(1, 1, ("a", Some(&first)), Some(1))
            .expect("accepted");
        device
            .update(2, 1, ("b", Some(&second)), Some(1))
            .expect("accepted");
        let greedy = config(&[2], &[]);
        let refused = device.update(3, 1, ("c", Some(&greedy)), Some(1));
        let taken = Refusal::Taken {
            role: "a".to_owned(),
            id: 2,
        };
        assert_eq!(refused, Err(taken));
        let allowed = |role: &str| {
            let scope = device.scope(role);
            [1, 2, 3, 4].map(|id| scope.writes(Some(id)))
        };
        assert_eq!(allowed("a"), [true, true, false, false]);
        assert_eq!(allowed("b"), [false, true, true, false]);
        assert_eq!(allowed(""), [false, true, false, true]);
        assert!(!device.scope("a").writes(None), "objects without a number");
        assert!(device.scope("").writes(None));
        // A primary that comes with another configuration changes that of its role, and all hear.
        device.update(4, 1, ("a", None), None).expect("accepted");
        let wider = config(&[1, 4], &[]);
        let notices = device
            .update(1, 1, ("a", Some(&wider)), Some(2))
            .expect("accepted");
        assert_eq!(notices.len(), 2);
        assert_eq!(notices[1].config.as_ref(), Some(&wider));
    }

    #[test]
    fn roles_are_limited() {
        let mut device = Arbitration::new(1);
        for role in 0..MAX_ROLES {
            let role = role.to_string();
            device
                .update(1, 1, (&role, None), Some(1))
                .expect("accepted");
            device.leave(1);
        }
        let refused = device.update(1, 1, ("more", None), Some(1));
        assert_eq!(refused, Err(Refusal::TooManyRoles));
        device.update(1, 1, ("0", None), Some(2)).expect("is known");
    }
}
