use std::{collections::BTreeMap, time::Duration};

use howdah_proto::{MemberId, SessionId, event::Role};

use super::{
    Registration, RoleDetails,
    outage::{Silence, silence},
};
use crate::scheduler::Millis;

/// A member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id, given by the driver.
    pub id: MemberId,
    /// Its registration.
    pub session: SessionId,
    /// Its name, for people.
    pub name: String,
    /// Where it listens.
    pub address: String,
    /// What it is.
    pub role: RoleDetails,
    /// Bytes in its block store or shards, as it last said.
    pub used_bytes: u64,
    /// Whether it takes nothing new.
    pub draining: bool,
    /// Whether it is on the driver's own machine.
    pub is_here: bool,
    pub(super) last_seen: Millis,
    /// Since when it has been heard without a gap of a timeout.
    pub(super) heard_since: Millis,
}

impl Member {
    /// How long it hasn't been heard.
    pub(super) fn silence(&self, now: Millis) -> Duration {
        Duration::from_millis(now.0.saturating_sub(self.last_seen.0))
    }

    /// The host in its `http://host:port`.
    pub fn host(&self) -> &str {
        let authority = self.address.trim_start_matches("http://");
        authority.rsplit_once(':').map_or(authority, |(host, _)| host)
    }
}

/// A member that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Who.
    pub member: Member,
    /// How that was noticed.
    pub reason: String,
}

/// The members of the cluster.
#[derive(Debug)]
pub struct Members {
    timeout: Duration,
    next_id: u64,
    members: BTreeMap<MemberId, Member>,
    is_cut_off: bool,
}

impl Members {
    /// Makes a cluster without members, in which one that is silent for `timeout` is lost.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, next_id: 1, members: BTreeMap::new(), is_cut_off: false }
    }

    /// Takes a member in. One that had the same address is lost: its process has been replaced.
    pub fn on_register(
        &mut self,
        registration: Registration,
        session: SessionId,
        now: Millis,
    ) -> (MemberId, Option<Lost>) {
        let replaced = self
            .members
            .values()
            .find(|member| member.address == registration.address)
            .map(|member| member.id);
        let lost =
            replaced.and_then(|id| self.remove(id, "another process registered at its address".to_owned()));
        let id = MemberId(self.next_id);
        self.next_id += 1;
        let Registration { name, address, role, is_here } = registration;
        self.members.insert(
            id,
            Member {
                id,
                session,
                name,
                address,
                role,
                used_bytes: 0,
                draining: false,
                is_here,
                last_seen: now,
                heard_since: now,
            },
        );
        (id, lost)
    }

    /// Notes a heartbeat. Says whether the member is known, and whether it has just begun to drain.
    pub fn on_beat(
        &mut self,
        id: MemberId,
        session: SessionId,
        used_bytes: u64,
        draining: bool,
        now: Millis,
    ) -> Beat {
        match self.members.get_mut(&id).filter(|member| member.session == session) {
            None => Beat::Unknown,
            Some(member) => {
                let begins = draining && !member.draining;
                member.used_bytes = used_bytes;
                member.draining = draining;
                if member.silence(now) > self.timeout {
                    member.heard_since = now;
                }
                member.last_seen = now;
                if begins { Beat::BeginsToDrain } else { Beat::Noted }
            }
        }
    }

    /// A member takes nothing new from now on.
    pub fn on_drain(&mut self, id: MemberId, session: SessionId) {
        if let Some(member) = self.members.get_mut(&id).filter(|member| member.session == session) {
            member.draining = true;
        }
    }

    /// Removes a member whose connection is gone; none if that registration is not current.
    pub fn on_disconnected(&mut self, id: MemberId, session: SessionId, reason: String) -> Option<Lost> {
        self.members.get(&id).filter(|member| member.session == session)?;
        self.remove(id, reason)
    }

    /// Removes the members that have been silent for too long.
    pub fn on_tick(&mut self, now: Millis) -> Vec<Lost> {
        let Silence { lost, is_cut_off } = silence(&self.members, self.timeout, now);
        self.is_cut_off = is_cut_off;
        let remove = |(id, limit): (MemberId, Duration)| {
            self.remove(id, format!("no heartbeat for {} s", limit.as_secs_f64()))
        };
        lost.into_iter().filter_map(remove).collect()
    }

    /// Whether it may be the driver that is cut off, and not the members that are gone: of those that are silent, none has
    /// been heard less than the others.
    pub fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// The member with this id.
    pub fn get(&self, id: MemberId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// All members, in the order in which they joined.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The members of a role, in the order in which they joined.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = &Member> {
        self.members.values().filter(move |member| member.role.role() == role)
    }

    fn remove(&mut self, id: MemberId, reason: String) -> Option<Lost> {
        self.members.remove(&id).map(|member| Lost { member, reason })
    }
}

/// What a heartbeat means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// The member lives.
    Noted,
    /// The member lives, and takes nothing new from now on.
    BeginsToDrain,
    /// No such registration: the member must register again.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(address: &str) -> Registration {
        Registration {
            name: address.to_owned(),
            address: address.to_owned(),
            role: RoleDetails::Executor { slots: 1, memory_bytes: 0 },
            is_here: false,
        }
    }

    fn members() -> Members {
        Members::new(Duration::from_secs(10))
    }

    #[test]
    fn a_silent_member_is_lost_after_the_timeout_and_a_beating_one_is_not() {
        let mut members = members();
        let (silent, _) = members.on_register(registration("a"), SessionId(1), Millis(0));
        let (beating, _) = members.on_register(registration("b"), SessionId(2), Millis(0));
        assert_eq!(members.on_beat(beating, SessionId(2), 5, false, Millis(9_000)), Beat::Noted);
        assert!(members.on_tick(Millis(10_000)).is_empty());
        let lost = members.on_tick(Millis(10_001));
        assert_eq!(lost.iter().map(|lost| lost.member.id).collect::<Vec<_>>(), [silent]);
        assert!(lost[0].reason.contains("10 s"));
        assert_eq!(members.get(beating).map(|member| member.used_bytes), Some(5));
    }

    #[test]
    fn a_process_that_comes_back_at_the_same_address_replaces_the_old_one() {
        let mut members = members();
        let (old, _) = members.on_register(registration("a"), SessionId(1), Millis(0));
        let (new, lost) = members.on_register(registration("a"), SessionId(2), Millis(1));
        assert_eq!(lost.map(|lost| lost.member.id), Some(old));
        assert_ne!(old, new);
        assert_eq!(members.on_beat(old, SessionId(1), 0, false, Millis(2)), Beat::Unknown);
        assert_eq!(members.on_disconnected(old, SessionId(1), String::new()), None);
        assert_eq!(members.iter().count(), 1);
    }

    #[test]
    fn draining_is_noticed_once() {
        let mut members = members();
        let (id, _) = members.on_register(registration("a"), SessionId(1), Millis(0));
        assert_eq!(members.on_beat(id, SessionId(1), 0, true, Millis(1)), Beat::BeginsToDrain);
        assert_eq!(members.on_beat(id, SessionId(1), 0, true, Millis(2)), Beat::Noted);
        assert_eq!(members.on_beat(id, SessionId(9), 0, true, Millis(3)), Beat::Unknown);
    }
}
