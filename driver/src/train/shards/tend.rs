use howdah_proto::{Term, pb};

use super::{
    OpId, Server, ShardIo, ShardStep, Shards,
    state::{Op, Standby},
};
use crate::scheduler::Millis;

/// What is to be done next with one shard.
enum Next {
    Nothing,
    Make(Server),
    Promote(Server),
    Attach(Server),
    Detach,
    /// There is no server for it.
    Wait,
}

impl Shards {
    /// Begins what is to be done next with each shard.
    pub(super) fn tend(&mut self, now: Millis) -> Vec<ShardStep> {
        let (mut steps, mut made, mut waits) = (Vec::new(), Vec::new(), false);
        for index in 0..self.shards.len() {
            self.shards[index].retry_at.take_if(|at| *at <= now);
            match self.next(index) {
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
                    let Some((primary, term)) = self.shards[index].primary.clone() else { continue };
                    let standby = on.address.clone();
                    let (op, place) = self.begin(index, Op::Attach { on }, &primary, term);
                    steps.push(ShardStep::Ask(ShardIo::Attach { op, place, standby }));
                }
                Next::Detach => {
                    let Some((primary, term)) = self.shards[index].primary.clone() else { continue };
                    let (op, place) = self.begin(index, Op::Detach, &primary, term);
                    steps.push(ShardStep::Ask(ShardIo::Detach { op, place }));
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
        if self.copies > 1 && stay < 2 && !self.said_unprotected && self.all_ready() {
            self.said_unprotected = true;
            steps.push(ShardStep::Unprotected);
        }
        steps
    }

    fn next(&self, index: usize) -> Next {
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
        match &shard.standby {
            Standby::Leftover => Next::Detach,
            Standby::InSync(standby) if leaves && !self.is_draining(standby.member) => {
                Next::Promote(standby.clone())
            }
            Standby::InSync(standby) if self.is_draining(standby.member) => {
                self.for_standby(primary).map_or(Next::Nothing, |_| Next::Detach)
            }
            Standby::None if self.trains && (self.copies > 1 || leaves) => {
                self.for_standby(primary).map_or(Next::Nothing, Next::Attach)
            }
            Standby::InSync(_) | Standby::None => Next::Nothing,
        }
    }

    fn next_term(&mut self, index: usize) -> Term {
        let shard = &mut self.shards[index];
        shard.highest = Term(shard.highest.0 + 1);
        shard.highest
    }

    fn begin(&mut self, index: usize, op: Op, on: &Server, term: Term) -> (OpId, pb::ShardPlace) {
        let id = OpId(self.next_op);
        self.next_op += 1;
        let shard = &mut self.shards[index];
        shard.op = Some((id, op));
        (id, shard.place(on, term))
    }
}
