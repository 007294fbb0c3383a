use std::collections::BTreeMap;

use howdah_proto::{
    MemberId, SessionId,
    event::{Event, Role},
    pb::{self, task_command},
};

use super::{Effect, Engine};
use crate::{
    membership::{Beat, Lost, Member, OUTAGE, Registration},
    scheduler::Millis,
};

impl Engine {
    /// A member joins.
    pub fn on_register(
        &mut self,
        registration: Registration,
        session: SessionId,
        now: Millis,
    ) -> (MemberId, Vec<Effect>) {
        let (id, lost) = self.members.on_register(registration, session, now);
        self.lose(lost.into_iter().collect(), now);
        if self.counts_on(id) {
            self.tell_joined(id);
            self.members_changed(now);
        }
        (id, std::mem::take(&mut self.effects))
    }

    /// A member lives. Says whether its registration is known.
    pub fn on_beat(&mut self, beat: &pb::Beat, now: Millis) -> (bool, Vec<Effect>) {
        let (id, session) = (MemberId(beat.member_id), SessionId(beat.session));
        let noted = self.members.on_beat(id, session, beat.used_bytes, beat.draining, now);
        if noted == Beat::BeginsToDrain {
            let commands = self.scheduler.on_executor_draining(id, now);
            self.carry_out(commands, now);
            self.release(id);
            if self.members.get(id).is_some_and(|member| member.role.role() == Role::Paramserver) {
                self.members_changed(now);
            }
        }
        (noted != Beat::Unknown, std::mem::take(&mut self.effects))
    }

    /// An executor is ready for tasks. Says whether its registration is known.
    pub fn on_attach(&mut self, id: MemberId, session: SessionId, now: Millis) -> (bool, Vec<Effect>) {
        let Some(member) = self.members.get(id).filter(|member| member.session == session) else {
            return (false, Vec::new());
        };
        if member.role.role() != Role::Executor || self.attached.contains_key(&id) {
            return (false, Vec::new());
        }
        let (slots, host) = (member.role.slots(), member.host().to_owned());
        let draining = member.draining;
        self.attached.insert(id, BTreeMap::new());
        self.tell_joined(id);
        if draining {
            // The scheduler never hears of it, and so gives it nothing.
            self.release(id);
            return (true, std::mem::take(&mut self.effects));
        }
        let commands = self.scheduler.on_executor_registered(id, slots, host, now);
        self.carry_out(commands, now);
        self.members_changed(now);
        (true, std::mem::take(&mut self.effects))
    }

    /// A member's connection is gone.
    pub fn on_disconnected(
        &mut self,
        id: MemberId,
        session: SessionId,
        reason: String,
        now: Millis,
    ) -> Vec<Effect> {
        let lost = self.members.on_disconnected(id, session, reason);
        self.lose(lost.into_iter().collect(), now);
        std::mem::take(&mut self.effects)
    }

    /// Loses the members that have been silent for too long.
    pub(super) fn lose_silent(&mut self, now: Millis) {
        let was_cut_off = self.members.is_cut_off();
        let lost = self.members.on_tick(now);
        match (was_cut_off, self.members.is_cut_off()) {
            (false, true) => tracing::warn!(
                "members are silent and no others are heard: the driver may be cut off, so they are lost after {} s only",
                OUTAGE.as_secs()
            ),
            (true, false) if lost.is_empty() => tracing::info!("the members are heard again"),
            _ => {}
        }
        self.lose(lost, now);
    }

    /// Goes on without members that are lost at the same time.
    pub(super) fn lose(&mut self, lost: Vec<Lost>, now: Millis) {
        for Lost { member, reason } in &lost {
            self.tell_lost(member, reason);
        }
        let of_role = |role| lost.iter().filter(move |lost| lost.member.role.role() == role);
        let executors: Vec<(MemberId, &str)> =
            of_role(Role::Executor).map(|lost| (lost.member.id, lost.reason.as_str())).collect();
        for (id, _) in &executors {
            self.rdd_executor_lost(*id);
        }
        let commands = self.scheduler.on_executors_lost(&executors, now);
        self.carry_out(commands, now);
        for (id, _) in &executors {
            self.forget_replicas(*id);
        }
        if of_role(Role::Paramserver).next().is_some() {
            self.members_changed(now);
        }
    }

    /// Whether a member can be given something: an executor only once it has a stream of tasks.
    pub(super) fn counts_on(&self, id: MemberId) -> bool {
        let is_executor = |member: &Member| member.role.role() == Role::Executor;
        self.members.get(id).is_some_and(|member| !is_executor(member) || self.attached.contains_key(&id))
    }

    fn tell_joined(&mut self, id: MemberId) {
        let Some(member) = self.members.get(id) else { return };
        tracing::info!(member = %id, name = member.name, address = member.address, "a member joined");
        let joined = joined(member);
        self.emit_to_all(&joined);
    }

    fn tell_lost(&mut self, member: &Member, reason: &str) {
        let (id, role, name) = (member.id, member.role.role(), member.name.clone());
        if role == Role::Executor && !self.attached.contains_key(&id) {
            tracing::warn!(member = %id, name, %reason, "lost an executor before it could be given tasks");
            return;
        }
        let left = member.draining && self.has_nothing_to_do(id);
        let event = if left {
            tracing::info!(member = %id, name, "the {role} left");
            Event::MemberLeft { member: id, role, name }
        } else {
            tracing::warn!(member = %id, name, %reason, "lost the {role}");
            Event::MemberLost { member: id, role, name, reason: reason.to_owned() }
        };
        self.emit_to_all(&event);
        if role == Role::Executor {
            self.attached.remove(&id);
            self.rdds.contexts.values_mut().for_each(|context| context.forget_executor(id));
            self.effects.push(Effect::Hangup { executor: id });
            for job in self.jobs.values_mut().filter(|_| !left) {
                job.train.on_executor_lost();
            }
        }
    }

    /// Lets an executor go that wants to, once it has nothing left to do.
    pub(super) fn release(&mut self, id: MemberId) {
        let draining = self.members.get(id).is_some_and(|member| member.draining);
        if draining && self.attached.contains_key(&id) && self.has_nothing_to_do(id) {
            let reason = "drained".to_owned();
            self.send(id, task_command::Command::Shutdown(pb::Shutdown { reason }));
        }
    }

    fn has_nothing_to_do(&self, id: MemberId) -> bool {
        self.scheduler.executor(id).is_none_or(|executor| executor.attempts.is_empty())
    }

    fn members_changed(&mut self, now: Millis) {
        let view = self.view();
        self.do_for_all(|train| train.on_members_changed(&view, now), now);
    }
}

/// Tells that a member is there.
pub(super) fn joined(member: &Member) -> Event {
    Event::MemberJoined {
        member: member.id,
        role: member.role.role(),
        name: member.name.clone(),
        address: member.address.clone(),
        slots: member.role.slots(),
    }
}
