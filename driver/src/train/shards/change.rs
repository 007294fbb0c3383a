use std::{ops::Range, time::Duration};

use howdah_proto::{ShardIndex, Term, event::Move, pb};

use super::{
    OpId, Recovery, Server, ShardFault, ShardStep, Shards,
    state::{Op, Shard, Standby},
    tend::CHECK,
};
use crate::scheduler::Millis;

/// How often something is tried on a server that is there before the job gives up.
const MOST_FAILURES: u32 = 12;

/// The longest is 6.4 s.
fn pause(failures: u32) -> Duration {
    Duration::from_millis(100).saturating_mul(1 << failures.min(6))
}

/// Pushes may have to wait for a standby that catches up: the longest is 205 s.
fn pause_exposed(failures: u32) -> Duration {
    Duration::from_millis(100).saturating_mul(1 << failures.min(11))
}

impl Shards {
    /// Parameter servers joined, left, are lost or want to leave: these are there now.
    pub fn on_servers(&mut self, mut servers: Vec<Server>, now: Millis) -> Vec<ShardStep> {
        servers.sort_by(|one, other| (&one.address, one.member).cmp(&(&other.address, other.member)));
        self.servers = servers;
        let mut steps = Vec::new();
        for number in 0..self.shards.len() {
            self.let_go(number, now, &mut steps);
        }
        let lost_weights = |shard: &Shard| {
            shard.primary.is_none() && !matches!(shard.standby, Standby::InSync(_)) && !shard.goes_back
        };
        if self.recovery == Recovery::Together && self.trains && self.shards.iter().any(lost_weights) {
            self.go_back(now, &mut steps);
        }
        steps.extend(self.tend(now));
        steps
    }

    /// Lets go of what a shard had on servers that are gone.
    fn let_go(&mut self, number: usize, now: Millis, steps: &mut Vec<ShardStep>) {
        let servers = &self.servers;
        let lives = |server: &Server| servers.iter().any(|known| known.member == server.member);
        let Some(shard) = self.shards.get_mut(number) else { return };
        if let Standby::InSync(standby) = &shard.standby
            && !lives(standby)
        {
            shard.standby = Standby::Leftover;
            // What is done instead of promoting it doesn't wait for the next try of that.
            (shard.failures, shard.retry_at) = (0, None);
        }
        let stranded = |op: &Op| op.on().is_some_and(|on| !lives(on));
        if let Some((_, op)) = shard.op.take_if(|(_, op)| stranded(op)) {
            shard.retry_at = None;
            if matches!(op, Op::Attach { .. } | Op::Check { .. }) {
                shard.standby = Standby::Leftover;
            }
        }
        if let Some((server, _)) = shard.primary.take_if(|(server, _)| !lives(server)) {
            shard.op.take_if(|(_, op)| matches!(op, Op::Attach { .. } | Op::Check { .. } | Op::Detach));
            shard.lost.get_or_insert(now);
            (shard.failures, shard.retry_at) = (0, None);
            self.changes += 1;
            steps.push(ShardStep::Lost { shard: ShardIndex(number as u32), address: server.address });
        }
        if shard.primary.is_none() && shard.standby == Standby::Leftover {
            shard.standby = Standby::None;
        }
    }

    fn go_back(&mut self, now: Millis, steps: &mut Vec<ShardStep>) {
        for shard in &mut self.shards {
            (shard.primary, shard.standby, shard.op) = (None, Standby::None, None);
            (shard.goes_back, shard.failures, shard.retry_at) = (true, 0, None);
            shard.lost.get_or_insert(now);
        }
        self.changes += 1;
        steps.push(ShardStep::GoBack);
    }

    /// Spreads the parameters anew; the shards are then made from the job's last snapshot.
    pub fn spread(&mut self, ranges: &[Range<u64>], now: Millis) -> Vec<ShardStep> {
        let highest = self.shards.iter().map(|shard| shard.highest).max().unwrap_or(Term(0));
        let shard = |(number, range): (u32, &Range<u64>)| Shard {
            moving: Some(Move::Resharded),
            goes_back: true,
            ..Shard::new(number, range.clone(), highest, now)
        };
        self.shards = (0..).zip(ranges).map(shard).collect();
        self.changes += 1;
        self.tend(now)
    }

    /// The weights begin to change.
    pub fn train(&mut self, now: Millis) -> Vec<ShardStep> {
        self.trains = true;
        self.tend(now)
    }

    /// Time has passed.
    pub fn on_tick(&mut self, now: Millis) -> Vec<ShardStep> {
        if self.deadline().is_some_and(|due| due <= now) { self.tend(now) } else { Vec::new() }
    }

    /// A step has ended; one that was given up meanwhile counts for nothing.
    pub fn on_done(
        &mut self,
        shard: ShardIndex,
        op: OpId,
        result: Result<(), ShardFault>,
        now: Millis,
    ) -> Vec<ShardStep> {
        let number = shard.0 as usize;
        let Some(found) = self.shards.get_mut(number) else { return Vec::new() };
        let Some((_, ended)) = found.op.take_if(|(id, _)| *id == op) else { return Vec::new() };
        let mut steps = Vec::new();
        match result {
            Ok(()) => {
                (found.failures, found.retry_at) = (0, None);
                self.succeeded(number, ended, now, &mut steps);
            }
            // A primary that doesn't answer says nothing of its standby, which takes over if the primary is gone.
            Err(ShardFault::Unanswered(_) | ShardFault::Absent(_)) if matches!(ended, Op::Check { .. }) => {}
            Err(fault) if matches!(ended, Op::Attach { .. } | Op::Check { .. }) => {
                self.standby_failed(number, &ended, fault.to_string(), now, &mut steps);
            }
            // Standby or primary by now, it has all that was acknowledged: nobody was told of the term, and no old primary
            // acknowledges alone. It is promoted again, in the next one.
            Err(ShardFault::Unanswered(_))
                if matches!(ended, Op::Promote { .. }) && found.failures + 1 < MOST_FAILURES =>
            {
                found.failures += 1;
                found.retry_at = Some(now.after(pause(found.failures)));
            }
            Err(fault) => {
                // What is done instead of a promotion has tries of its own.
                let before = if matches!(ended, Op::Promote { .. }) { 0 } else { found.failures };
                found.failures = before + 1;
                found.retry_at = Some(now.after(pause(found.failures)));
                let most = found.failures >= MOST_FAILURES || matches!(fault, ShardFault::Lasting(_));
                self.failed(number, &ended, now, &mut steps);
                if most {
                    steps.push(ShardStep::GiveUp(fault.to_string()));
                }
            }
        }
        steps.extend(self.tend(now));
        steps
    }

    fn succeeded(&mut self, number: usize, op: Op, now: Millis, steps: &mut Vec<ShardStep>) {
        let trains = self.trains;
        let Some(shard) = self.shards.get_mut(number) else { return };
        let (on, term, made, how) = match op {
            Op::Check { .. } => return,
            Op::Attach { on } => {
                let address = on.address.clone();
                shard.standby = Standby::InSync(on);
                (shard.standby_failures, shard.check_at) = (0, Some(now.after(CHECK)));
                return steps.push(ShardStep::Protected { shard: ShardIndex(number as u32), address });
            }
            Op::Detach => return shard.standby = Standby::None,
            Op::Make { on, term } => (on, term, term.0, shard.moving.take()),
            Op::Promote { on, term } => (on, term, shard.published.made, Some(Move::Promoted)),
        };
        shard.standby = Standby::None;
        shard.published = pb::ShardPlace { made, ..shard.place(&on, term) };
        let seconds = shard.lost.take().map_or(0.0, |lost| now.since(lost).as_secs_f64());
        let address = on.address.clone();
        shard.primary = Some((on, term));
        self.changes += 1;
        if !trains {
            return;
        }
        let moved = ShardStep::Moved { shard: ShardIndex(number as u32), address, how, seconds };
        if !self.shards.iter().any(|shard| shard.goes_back) {
            steps.extend([moved, ShardStep::Publish(self.places())]);
        } else {
            steps.push(moved);
            if self.all_ready() {
                self.shards.iter_mut().for_each(|shard| shard.goes_back = false);
                steps.push(ShardStep::Publish(self.places()));
            }
        }
    }

    /// The shard goes on without its standby, until another one can be attached. The job is none the worse for it.
    fn standby_failed(
        &mut self,
        number: usize,
        op: &Op,
        reason: String,
        now: Millis,
        steps: &mut Vec<ShardStep>,
    ) {
        let (Some(shard), Some(on)) = (self.shards.get_mut(number), op.on()) else { return };
        shard.standby = Standby::Leftover;
        shard.standby_failures += 1;
        shard.attach_at = Some(now.after(pause_exposed(shard.standby_failures)));
        // Of those that follow, there is nothing new to say.
        if shard.standby_failures == 1 {
            let (shard, address) = (ShardIndex(number as u32), on.address.clone());
            steps.push(ShardStep::Exposed { shard, address, reason });
        }
    }

    fn failed(&mut self, number: usize, op: &Op, now: Millis, steps: &mut Vec<ShardStep>) {
        let Some(shard) = self.shards.get_mut(number) else { return };
        match op {
            Op::Make { .. } | Op::Attach { .. } | Op::Check { .. } | Op::Detach => {}
            // Nobody knows whether it is a primary now: its shard is made anew, in a higher term.
            Op::Promote { .. } if shard.primary.is_some() => shard.standby = Standby::Leftover,
            Op::Promote { .. } => {
                shard.standby = Standby::None;
                if self.recovery == Recovery::Together && self.trains && !shard.goes_back {
                    self.go_back(now, steps);
                }
            }
        }
    }
}
