// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Members and groups of action profiles, written and read.

use p4rt::proto::p4::v1::{
    self as proto,
    action_profile_group::{Member, member::WatchKind},
    entity::Entity as Kind,
    update::Type,
};
use tonic::Status;

use super::{
    objects::{Objects, TableObject},
    read::Reader,
    table_entry::{action_to_proto, call, invalid, old_watch, weights},
    write::{Writer, missing, too_much},
};
use crate::engine::{
    profiles::{Group, GroupMember, Profile, Through},
    tables::ControlError,
};

/// Groups of one action profile, of which the program says no number.
const MAX_GROUPS: usize = 65_536;

/// The index of a profile in the program, and the greatest sum of weights of a group.
fn find(objects: &Objects, id: u32) -> Result<(usize, u32), Status> {
    let found = objects.profiles.get(&id).copied();
    found.ok_or_else(|| missing("action profile", id))
}

impl Writer<'_> {
    /// A table that uses a profile: all of them have the same actions.
    fn user_of(&self, index: usize) -> Result<&TableObject, Status> {
        let mut tables = self.active.objects.tables.values();
        let found = tables.find(|table| table.profile == Some(index));
        found.ok_or_else(|| invalid("no table uses this action profile"))
    }

    pub(super) fn member(
        &self,
        kind: Type,
        given: &proto::ActionProfileMember,
    ) -> Result<(), Status> {
        let objects = &self.active.objects;
        let (index, _) = find(objects, given.action_profile_id)?;
        let id = given.member_id;
        let mut state = self.active.pipeline.state_mut();
        let profile = &state.profiles[index];
        check(kind, profile.members.contains_key(&id), id)?;
        if kind == Type::Insert && state.has_one_shots(index) {
            return Err(invalid(
                "entries of this action profile are programmed in one shot: it has no members",
            ));
        }
        if kind == Type::Delete {
            let mut groups = profile.groups.values().flat_map(|group| &group.members);
            if groups.any(|one| one.member == id) {
                return Err(ControlError::InUse { user: "a group" }.into());
            }
            if state.refers(index, &Through::Member(id)) {
                return Err(ControlError::InUse { user: "an entry" }.into());
            }
            state.change_profile(index, |profile| _ = profile.members.remove(&id));
            return Ok(());
        }
        if kind == Type::Insert && profile.members.len() as u64 >= profile.size {
            return Err(ControlError::Full { size: profile.size }.into());
        }
        let action = given.action.as_ref();
        let action = action.ok_or_else(|| invalid("action is missing"))?;
        let call = call(objects, self.user_of(index)?, action)?;
        state.change_profile(index, |profile| _ = profile.members.insert(id, call));
        Ok(())
    }

    pub(super) fn group(
        &self,
        kind: Type,
        given: &proto::ActionProfileGroup,
    ) -> Result<(), Status> {
        let (index, most) = find(&self.active.objects, given.action_profile_id)?;
        let id = given.group_id;
        let mut state = self.active.pipeline.state_mut();
        let profile = &state.profiles[index];
        if !profile.selects {
            return Err(invalid("action profile has no selector, and so no groups"));
        }
        check(kind, profile.groups.contains_key(&id), id)?;
        if kind == Type::Delete {
            if state.refers(index, &Through::Group(id)) {
                return Err(ControlError::InUse { user: "an entry" }.into());
            }
            state.change_profile(index, |profile| _ = profile.groups.remove(&id));
            return Ok(());
        }
        let group = read_group(profile, given, most)?;
        let ports = group.members.iter().map(|member| &member.watch_port);
        ports
            .into_iter()
            .try_for_each(|port| self.watch_port(port))?;
        if kind == Type::Insert && profile.groups.len() >= MAX_GROUPS {
            return Err(too_much("list of groups", MAX_GROUPS));
        }
        if let Some(old) = profile.groups.get(&id)
            && old.max_size != group.max_size
        {
            return Err(invalid("the greatest size of a group cannot be changed"));
        }
        state.change_profile(index, |profile| _ = profile.groups.insert(id, group));
        Ok(())
    }
}

/// Checks the number of a member or group, and whether it is there as it should be.
fn check(kind: Type, exists: bool, id: u32) -> Result<(), Status> {
    match (kind, exists) {
        _ if id == 0 => Err(invalid("number 0 stands for all in a read")),
        (Type::Insert, true) => Err(ControlError::Exists.into()),
        (Type::Modify | Type::Delete, false) => Err(ControlError::NotFound.into()),
        _ => Ok(()),
    }
}

fn read_group(
    profile: &Profile,
    given: &proto::ActionProfileGroup,
    most: u32,
) -> Result<Group, Status> {
    let max_size = u32::try_from(given.max_size);
    let max_size = max_size.map_err(|_| invalid("greatest size is negative"))?;
    if most != 0 && max_size > most {
        return Err(invalid(format!(
            "greatest size is above {most}, that of the profile"
        )));
    }
    let most = if max_size == 0 { most } else { max_size };
    weights(given.members.iter().map(|member| member.weight), most)?;
    let mut members: Vec<GroupMember> = Vec::new();
    for member in &given.members {
        let id = member.member_id;
        if !profile.members.contains_key(&id) {
            return Err(Status::not_found(format!("no member {id}")));
        }
        if members.iter().any(|other| other.member == id) {
            return Err(invalid(format!("member {id} is given twice")));
        }
        members.push(GroupMember {
            member: id,
            weight: u32::try_from(member.weight).unwrap_or(0),
            watch_port: match &member.watch_kind {
                Some(WatchKind::WatchPort(port)) => port.clone(),
                #[expect(deprecated, reason = "older controllers write the port as a number")]
                Some(WatchKind::Watch(port)) => old_watch(*port),
                None => Vec::new(),
            },
        });
    }
    Ok(Group { members, max_size })
}

impl Reader<'_> {
    /// The profiles that a number stands for.
    fn profiles(&self, id: u32) -> Result<Vec<(u32, usize)>, Status> {
        let objects = &self.active.objects;
        if id != 0 {
            find(objects, id)?;
        }
        let all = objects
            .profiles
            .iter()
            .map(|(id, (index, _))| (*id, *index));
        Ok(all.filter(|(other, _)| id == 0 || id == *other).collect())
    }

    pub(super) fn members(&self, wanted: &proto::ActionProfileMember) -> Result<Vec<Kind>, Status> {
        let state = self.active.pipeline.state();
        let mut found = Vec::new();
        for (profile_id, index) in self.profiles(wanted.action_profile_id)? {
            for (id, call) in &state.profiles[index].members {
                if wanted.member_id == 0 || wanted.member_id == *id {
                    found.push(Kind::ActionProfileMember(proto::ActionProfileMember {
                        action_profile_id: profile_id,
                        member_id: *id,
                        action: Some(action_to_proto(&self.active.objects, call)),
                    }));
                }
            }
        }
        Ok(found)
    }

    pub(super) fn groups(&self, wanted: &proto::ActionProfileGroup) -> Result<Vec<Kind>, Status> {
        let state = self.active.pipeline.state();
        let mut found = Vec::new();
        for (profile_id, index) in self.profiles(wanted.action_profile_id)? {
            for (id, group) in &state.profiles[index].groups {
                if wanted.group_id == 0 || wanted.group_id == *id {
                    found.push(Kind::ActionProfileGroup(proto::ActionProfileGroup {
                        action_profile_id: profile_id,
                        group_id: *id,
                        members: group.members.iter().map(member_to_proto).collect(),
                        max_size: i32::try_from(group.max_size).unwrap_or(i32::MAX),
                    }));
                }
            }
        }
        Ok(found)
    }
}

fn member_to_proto(member: &GroupMember) -> Member {
    let port = &member.watch_port;
    Member {
        member_id: member.member,
        weight: i32::try_from(member.weight).unwrap_or(i32::MAX),
        watch_kind: (!port.is_empty()).then(|| WatchKind::WatchPort(port.clone())),
    }
}
