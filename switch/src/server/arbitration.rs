// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who may write: the arbitration of
//! [P4Runtime §5](https://p4.org/p4-spec/p4runtime/v1.5.0/P4Runtime-Spec.html#sec-client-arbitration-and-controller-replication),
//! without connections.
//!
//! For each role, the primary is the stream that offers the highest election id ever seen. When
//! it leaves there is no primary until a stream offers at least that id.

use std::collections::BTreeMap;

use tonic::Code;

/// Number of a stream; given once.
pub(crate) type StreamId = u64;

/// Streams that one device serves at a time, as many as BMv2's server.
pub(crate) const MAX_STREAMS: usize = 16;

/// What a stream is told about its role.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Notice {
    pub(crate) stream: StreamId,
    pub(crate) role: String,
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
}

impl Refusal {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::UnknownDevice(_) => Code::NotFound,
            Self::DuplicateId(_) | Self::ZeroId => Code::InvalidArgument,
            Self::Changed => Code::FailedPrecondition,
            Self::TooMany => Code::ResourceExhausted,
        }
    }
}

#[derive(Clone, Debug)]
struct Stream {
    role: String,
    election: Option<u128>,
}

/// The streams of one device.
#[derive(Debug)]
pub(crate) struct Arbitration {
    device: u64,
    streams: BTreeMap<StreamId, Stream>,
    highest: BTreeMap<String, u128>,
}

impl Arbitration {
    pub(crate) fn new(device: u64) -> Self {
        Self {
            device,
            streams: BTreeMap::new(),
            highest: BTreeMap::new(),
        }
    }

    /// A stream introduces itself, or offers another election id.
    pub(crate) fn update(
        &mut self,
        id: StreamId,
        device: u64,
        role: &str,
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
        let before = self.primary(role);
        self.streams.insert(
            id,
            Stream {
                role: role.to_owned(),
                election,
            },
        );
        if let Some(election) = election {
            let highest = self.highest.entry(role.to_owned()).or_insert(election);
            *highest = election.max(*highest);
        }
        let changed = self.primary(role) != before;
        Ok(self.notices(role, |stream| changed || stream == id))
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
        let highest = self.highest.get(role)?;
        let offers = |stream: &Stream| stream.role == role && stream.election == Some(*highest);
        self.streams
            .iter()
            .find(|(_, stream)| offers(stream))
            .map(|(id, _)| *id)
    }

    /// The primaries of all roles: who gets digests and packets.
    pub(crate) fn primaries(&self) -> Vec<StreamId> {
        self.highest
            .keys()
            .filter_map(|role| self.primary(role))
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
            highest: self.highest.get(role).copied(),
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
        let notices = device.update(1, 1, "", Some(5)).expect("accepted");
        assert_eq!(standings(&notices), [(1, Standing::Primary)]);
        let notices = device.update(2, 1, "", Some(10)).expect("accepted");
        assert_eq!(
            standings(&notices),
            [(1, Standing::Backup), (2, Standing::Primary)]
        );
        // The primary leaves: the backup does not move up.
        let notices = device.leave(2);
        assert_eq!(standings(&notices), [(1, Standing::Vacant)]);
        assert_eq!(notices[0].highest, Some(10));
        assert!(!device.may_write("", Some(5)));
        let notices = device.update(3, 1, "", Some(9)).expect("accepted");
        assert_eq!(standings(&notices), [(3, Standing::Vacant)]);
        let notices = device.update(1, 1, "", Some(10)).expect("accepted");
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
        device.update(1, 1, "", Some(7)).expect("accepted");
        let notices = device.update(1, 1, "", Some(3)).expect("accepted");
        assert_eq!(standings(&notices), [(1, Standing::Vacant)]);
    }

    #[test]
    fn roles_are_separate_and_ids_unique_within_one() {
        let mut device = Arbitration::new(1);
        device.update(1, 1, "a", Some(5)).expect("accepted");
        device.update(2, 1, "b", Some(5)).expect("accepted");
        assert_eq!(device.primaries(), [1, 2]);
        assert_eq!(
            device.update(3, 1, "a", Some(5)),
            Err(Refusal::DuplicateId(5))
        );
        assert_eq!(device.update(1, 1, "b", Some(6)), Err(Refusal::Changed));
        assert_eq!(device.update(1, 2, "a", Some(6)), Err(Refusal::Changed));
        assert_eq!(
            device.update(4, 2, "a", Some(6)),
            Err(Refusal::UnknownDevice(2))
        );
    }

    #[test]
    fn unset_ids_never_win_and_need_not_be_unique() {
        let mut device = Arbitration::new(1);
        for id in 0..MAX_STREAMS as u64 {
            let notices = device.update(id, 1, "", None).expect("accepted");
            assert_eq!(standings(&notices), [(id, Standing::Vacant)]);
        }
        assert_eq!(device.update(99, 1, "", Some(1)), Err(Refusal::TooMany));
    }
}
