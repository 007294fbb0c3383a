use howdah_proto::{AttemptId, MemberId, pb};
use pb::{attempt_failed::Kind, attempt_succeeded::Result as TaskResult, task_update::Update};
use rand::{Rng, seq::IteratorRandom};

use super::{
    cluster::{Cluster, failed, goal_of},
    losses::{SEEDS, Session},
    trouble::Trouble,
};
use crate::{plan::Goal, train::fixture::computed};

fn succeeded(attempt: AttemptId, stored: Vec<pb::BlockId>, result: TaskResult) -> Update {
    Update::Succeeded(pb::AttemptSucceeded { attempt: Some(attempt.into()), stored, result: Some(result) })
}

fn done(result: &'static str) -> TaskResult {
    TaskResult::Rdd(pb::RddDone { result: result.into(), ..Default::default() })
}

impl Cluster {
    /// Lets an executor report on an attempt that it does not run.
    fn meddle(&mut self) {
        let ids: Vec<MemberId> = self.processes.keys().copied().collect();
        let others = |liar: MemberId| ids.iter().copied().filter(move |id| *id != liar);
        let Some(liar) = ids.iter().copied().choose(&mut self.random) else { return };
        let running = others(liar).flat_map(|id| self.processes[&id].running.keys().copied());
        let Some(attempt) = running.choose(&mut self.random) else { return };
        let data = bytes::Bytes::from_static(b"wrong");
        let lie = match self.random.random_range(0..5) {
            0 => succeeded(attempt, vec![], done("wrong")),
            1 => succeeded(attempt, vec![], computed(1, 1)),
            2 => failed(attempt, Kind::BadInput, None),
            3 => {
                let fetch = pb::FetchFailed { shuffle: 1, member_id: 0, partitions: vec![0, u32::MAX] };
                failed(attempt, Kind::FetchFailed, Some(fetch))
            }
            _ => Update::ResultChunk(pb::ResultChunk { attempt: Some(attempt.into()), data }),
        };
        self.say(liar, lie);
    }

    fn say(&mut self, id: MemberId, update: Update) {
        let session = self.processes[&id].session;
        let effects = self.engine.on_update(id, session, update, self.now);
        self.carry_out(effects);
    }

    /// Lets an executor say of an attempt that it runs what can't be, or isn't so. Says whether one did.
    fn boast(&mut self) -> bool {
        let runs = |id: &MemberId| !self.processes[id].running.is_empty() && !self.processes[id].hangs;
        let Some(id) = self.processes.keys().copied().filter(runs).choose(&mut self.random) else {
            return false;
        };
        let attempt = *self.processes[&id].running.keys().next().unwrap();
        let running = &self.processes[&id].running[&attempt];
        let (node, goal) = goal_of(&running.task);
        if running.cancelled || running.sent > 0 {
            return false;
        }
        let block = |context_id, node, partition| pb::BlockId { context_id, node, partition };
        let own = running.view.context.0;
        let blocks = (0..20).map(|place| block(own, place, place % 4));
        let foreign = [block(own + 1, 0, 0), block(own, u32::MAX, 0), block(own, node.0, u32::MAX)];
        let lie = match goal {
            // Its output, and the blocks of all nodes, are not there.
            Goal::Shuffle(_) => succeeded(attempt, blocks.chain(foreign).collect(), done("")),
            Goal::Result => succeeded(attempt, vec![], computed(1, 1)),
        };
        self.processes.get_mut(&id).unwrap().running.remove(&attempt);
        self.say(id, lie);
        true
    }
}

#[test]
fn nobody_can_report_on_the_attempts_of_others() {
    for seed in SEEDS {
        let mut session = Session::new(seed);
        session.run(&mut Trouble::none(), |session| session.cluster.meddle());
        session.jobs.iter().for_each(|job| session.cluster.jobs[job].check_right(seed));
        session.cluster.close_all(seed);
    }
}

#[test]
fn results_that_can_not_be_and_outputs_and_blocks_that_are_not_there_are_made_good() {
    for seed in SEEDS {
        let mut session = Session::new(seed);
        let mut boasts = 0;
        session.run(&mut Trouble::none(), |session| {
            if boasts < 2 && session.cluster.boast() {
                boasts += 1;
            }
        });
        session.jobs.iter().for_each(|job| session.cluster.jobs[job].check_results(seed));
        session.cluster.close_all(seed);
    }
}
