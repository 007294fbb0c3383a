use howdah_proto::MemberId;
use rand::{Rng, seq::IteratorRandom};

use super::cluster::{Cluster, TIMEOUT, failed};

/// How much trouble there may be yet: so little that no job may fail by it.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) deaths: u32,
    pub(super) hangs: u32,
    pub(super) drains: u32,
    pub(super) evictions: u32,
    pub(super) lost_outputs: u32,
    pub(super) failures: u32,
}

impl Trouble {
    pub(super) fn moderate() -> Self {
        Self { deaths: 3, hangs: 2, drains: 1, evictions: 4, lost_outputs: 2, failures: 2 }
    }

    pub(super) fn none() -> Self {
        Self { deaths: 0, hangs: 0, drains: 0, evictions: 0, lost_outputs: 0, failures: 0 }
    }

    /// Lets something go wrong, if it may.
    pub(super) fn strike(&mut self, cluster: &mut Cluster) {
        let lives = |id: &MemberId| !cluster.processes[id].hangs && !cluster.processes[id].drains;
        let living: Vec<MemberId> = cluster.processes.keys().copied().filter(lives).collect();
        let Some(id) = living.into_iter().choose(&mut cluster.random) else { return };
        let (kind, budget) = match cluster.random.random_range(0..6) {
            0 => (0, &mut self.deaths),
            1 => (1, &mut self.hangs),
            2 => (2, &mut self.drains),
            3 => (3, &mut self.evictions),
            4 => (4, &mut self.lost_outputs),
            _ => (5, &mut self.failures),
        };
        if *budget == 0 {
            return;
        }
        *budget -= 1;
        match kind {
            0 => cluster.kill(id),
            1 => cluster.processes.get_mut(&id).unwrap().hangs = true,
            2 => cluster.drain(id),
            3 => cluster.evict(id),
            4 => cluster.lose_outputs(id),
            _ => cluster.fail_one(id),
        }
    }
}

impl Cluster {
    /// Kills a process; its driver notices at once, when another one takes its place, or by its silence.
    pub(super) fn kill(&mut self, id: MemberId) {
        let Some(dead) = self.processes.remove(&id) else { return };
        self.unnoticed.insert(id, dead.session);
        match self.random.random_range(0..3) {
            0 => self.notice(id),
            1 => {
                let reborn = super::process::Process::new(dead.session, dead.address, dead.slots);
                self.join_at(reborn);
                return;
            }
            _ => {}
        }
        if self.random.random_bool(0.7) || self.processes.is_empty() {
            self.join(dead.slots);
        }
    }

    pub(super) fn notice(&mut self, id: MemberId) {
        let Some(session) = self.unnoticed.get(&id).copied() else { return };
        let effects = self.engine.on_disconnected(id, session, "reset by peer".to_owned(), self.now);
        self.carry_out(effects);
    }

    /// Lets so much time pass that whoever is silent is lost; those that hang wake up before or after it.
    pub(super) fn silence(&mut self) {
        let wake_early = self.random.random_bool(0.3);
        if !wake_early {
            for _ in 0..12 {
                self.tick(self.now.after(TIMEOUT / 10));
            }
        }
        let hanging: Vec<MemberId> =
            self.processes.iter().filter(|(_, process)| process.hangs).map(|(id, _)| *id).collect();
        for id in hanging {
            self.processes.get_mut(&id).unwrap().hangs = false;
            if !self.processes[&id].lost {
                continue;
            }
            // What it had done comes too late, and it begins anew.
            for attempt in self.processes[&id].running.keys().copied().collect::<Vec<_>>() {
                self.end(id, attempt);
            }
            while !self.processes[&id].reports.is_empty() {
                self.arrive(id);
            }
            if let Some(mut process) = self.processes.remove(&id) {
                process.forget_everything();
                self.join_at(process);
            }
        }
    }

    /// Lets the driver see whoever is dead, and the living be heard again.
    pub(super) fn calm_down(&mut self) {
        for id in self.unnoticed.keys().copied().collect::<Vec<_>>() {
            self.notice(id);
        }
        self.silence();
    }

    pub(super) fn drain(&mut self, id: MemberId) {
        let process = self.processes.get_mut(&id).unwrap();
        process.drains = true;
        process.reports.push_back(super::cluster::draining());
        let slots = process.slots;
        self.join(slots);
    }

    pub(super) fn evict(&mut self, id: MemberId) {
        let process = self.processes.get_mut(&id).unwrap();
        let some: Vec<_> = process.blocks.keys().copied().collect();
        let keep = self.random.random_range(0..=some.len() / 2);
        for block in some.into_iter().skip(keep) {
            process.blocks.remove(&block);
            process.evicted.push(block);
        }
    }

    pub(super) fn lose_outputs(&mut self, id: MemberId) {
        let process = self.processes.get_mut(&id).unwrap();
        let every = self.random.random_range(1..3);
        let mut place = 0;
        process.outputs.retain(|_, _| {
            place += 1;
            place % every != 0
        });
    }

    pub(super) fn fail_one(&mut self, id: MemberId) {
        let process = self.processes.get_mut(&id).unwrap();
        let Some(attempt) = process.running.keys().next().copied() else { return };
        let cancelled = process.running.remove(&attempt).is_some_and(|running| running.cancelled);
        use howdah_proto::pb::attempt_failed::Kind;
        let kind = if cancelled { Kind::Cancelled } else { Kind::Task };
        process.reports.push_back(failed(attempt, kind, None));
    }
}
