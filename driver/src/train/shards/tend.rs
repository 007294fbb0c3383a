use std::time::Duration;

use howdah_proto::{Term, pb};

use super::{
    OpId, Server, ShardIo, ShardStep, Shards, Standbys,
    state::{Op, Standby},
};
use crate::scheduler::Millis;

/// How often a standby must show that it follows. Executors wait for a push far longer than that and the time that a primary
/// waits for its standby.
pub(super) const CHECK: Duration = Duration::from_secs(5);

/// What is to be done next with one shard.
enum Next {
    Nothing,
    Make(Server),
    Promote(Server),
    Attach(Server),
    Check(Server),
    Detach,
    /// There is no server for it.
    Wait,
}

impl Shards {
    /// Begins what is to be done next with each shard.
    pub(super) fn tend(&mut self, now: Millis) -> Vec<ShardStep> {
        let (mut steps, mut made, mut waits) = (Vec::new(), Vec::new(), false);
        for index in 0..self.shards.len() {
            let mut is_due = false;
            let shard = &mut self.shards[index];
            shard.retry_at.take_if(|at| *at <= now);
            shard.attach_at.take_if(|at| *at <= now);
            if shard.op.is_none() && shard.check_at.is_some_and(|at| at <= now) {
                shard.check_at = matches!(shard.standby, Standby::InSync(_)).then(|| now.after(CHECK));
                is_due = true;
            }
            match self.next(index, is_due) {
                Next::Nothing => {}
                Next::Wait => waits = true,
                Next::Make(on) => {
                    let term = self.next_term(index);
                    made.push(self.begin(index, Op::Make { on: on.clone(), term }, &on, term));
                }
                Next::Promote(on) => {
                    let term = self.next_term(index);
                    let (op, place) = self.begin(index, Op::Promote { on: on.clone(), term }, &on, term);
                    steps.push(ShardStep::Ask(ShardIo::Promote { op, place }));
                }
                Next::Attach(on) => {
                    let standby = on.address.clone();
                    let begun = self.begin_at_primary(index, Op::Attach { on });
                    let ask = |(op, place)| ShardStep::Ask(ShardIo::Attach { op, place, standby });
                    steps.extend(begun.map(ask));
                }
                Next::Check(on) => {
                    let standby = on.address.clone();
                    let begun = self.begin_at_primary(index, Op::Check { on });
                    let ask = |(op, place)| ShardStep::Ask(ShardIo::Check { op, place, standby });
                    steps.extend(begun.map(ask));
                }
                Next::Detach => {
                    // From here on it may lack what is acknowledged, and must not take over.
                    self.shards[index].standby = Standby::Leftover;
                    let begun = self.begin_at_primary(index, Op::Detach);
                    steps.extend(begun.map(|(op, place)| ShardStep::Ask(ShardIo::Detach { op, place })));
                }
            }
        }
        if !made.is_empty() {
            steps.push(ShardStep::Make(made));
        }
        match (waits, self.waiting) {
            (true, None) => {
                self.waiting = Some(now);
                let lost = self.shards.iter().filter(|shard| shard.primary.is_none()).count();
                steps.push(ShardStep::Wait(format!("no parameter server for {lost} shards")));
            }
            (false, Some(_)) => {
                self.waiting = None;
                steps.push(ShardStep::GoOn);
            }
            _ => {}
        }
        let stay = self.servers.iter().filter(|server| !server.draining).count();
        if self.standbys == Standbys::Always && stay < 2 && !self.said_unprotected && self.all_ready() {
            self.said_unprotected = true;
            steps.push(ShardStep::Unprotected);
        }
        steps
    }

    /// `is_due` says that a standby must show that it follows.
    fn next(&self, index: usize, is_due: bool) -> Next {
        let shard = &self.shards[index];
        if shard.op.is_some() || shard.retry_at.is_some() {
            return Next::Nothing;
        }
        let Some((primary, _)) = &shard.primary else {
            return match &shard.standby {
                Standby::InSync(standby) => Next::Promote(standby.clone()),
                _ => self.for_primary().map_or(Next::Wait, Next::Make),
            };
        };
        let leaves = self.is_draining(primary.member);
        let wants_one = match self.standbys {
            Standbys::Never => false,
            Standbys::ToMove => leaves,
            Standbys::Always => true,
        };
        match &shard.standby {
            Standby::Leftover => Next::Detach,
            Standby::InSync(standby) if leaves && !self.is_draining(standby.member) => {
                Next::Promote(standby.clone())
            }
            Standby::InSync(standby) if self.is_draining(standby.member) => {
                self.for_standby(primary, 0).map_or(Next::Nothing, |_| Next::Detach)
            }
            Standby::InSync(standby) if is_due => Next::Check(standby.clone()),
            Standby::None if self.trains && wants_one && shard.attach_at.is_none() => {
                self.for_standby(primary, shard.standby_failures).map_or(Next::Nothing, Next::Attach)
            }
            Standby::InSync(_) | Standby::None => Next::Nothing,
        }
    }

    fn next_term(&mut self, index: usize) -> Term {
        let shard = &mut self.shards[index];
        shard.highest = Term(shard.highest.0 + 1);
        shard.highest
    }

    /// Begins something that the primary of a shard is asked, if there is one.
    fn begin_at_primary(&mut self, index: usize, op: Op) -> Option<(OpId, pb::ShardPlace)> {
        let (primary, term) = self.shards[index].primary.clone()?;
        Some(self.begin(index, op, &primary, term))
    }

    fn begin(&mut self, index: usize, op: Op, on: &Server, term: Term) -> (OpId, pb::ShardPlace) {
        let id = OpId(self.next_op);
        self.next_op += 1;
        let shard = &mut self.shards[index];
        shard.op = Some((id, op));
        (id, shard.place(on, term))
    }
}
