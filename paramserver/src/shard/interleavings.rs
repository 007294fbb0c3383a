//! Random interleavings of pushes that are lost, doubled, reordered and superseded.
//!
//! Several attempts of a task are alive at once, over several shards; the network is a bag of pushes from which
//! any may arrive next, more than once or never.

use std::collections::BTreeMap;

use howdah_proto::{
    Attempt, Epoch, Partition, Step,
    fence::{Fence, TrainTask},
    settings,
};
use proptest::prelude::*;

use super::{PushOutcome, Shard};

#[derive(Debug, Clone, Copy)]
enum Move {
    Start { task: usize, cut: u64 },
    Send { attempt: usize },
    Deliver { push: usize, stays: bool },
    Lose { push: usize },
    Die { attempt: usize },
}

fn moves() -> impl Strategy<Value = Move> {
    let pick = 0usize..1000;
    prop_oneof![
        1 => (pick.clone(), 1u64..4).prop_map(|(task, cut)| Move::Start { task, cut }),
        8 => pick.clone().prop_map(|attempt| Move::Send { attempt }),
        8 => (pick.clone(), prop::bool::weighted(0.15)).prop_map(|(push, stays)| Move::Deliver { push, stays }),
        1 => pick.clone().prop_map(|push| Move::Lose { push }),
        1 => pick.prop_map(|attempt| Move::Die { attempt }),
    ]
}

/// A replica in the middle of a task. It sends ahead of the answers, in cuts of its own length.
struct Replica {
    task: usize,
    number: u32,
    cut: u64,
    sent: u64,
    marks: Vec<u64>,
}

struct Cluster {
    shards: Vec<Shard>,
    replicas: Vec<Replica>,
    attempts: BTreeMap<usize, u32>,
    network: Vec<(usize, Fence)>,
    tasks: usize,
    steps: u64,
}

fn task(index: usize) -> TrainTask {
    TrainTask { epoch: Epoch(1), partition: Partition(index as u32) }
}

impl Cluster {
    fn new(shards: usize, tasks: usize, steps: u64) -> Self {
        let shards = (0..shards).map(|_| Shard::new(2, &settings::UpdateRule::Sum).unwrap()).collect();
        let (replicas, attempts, network) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { shards, replicas, attempts, network, tasks, steps }
    }

    fn start(&mut self, index: usize, cut: u64) {
        let number = self.attempts.entry(index).or_default();
        *number += 1;
        let number = *number;
        let mark = |shard: &mut Shard| shard.mark(task(index), Attempt(number)).unwrap().mark.0;
        let marks: Vec<u64> = self.shards.iter_mut().map(mark).collect();
        let sent = marks.iter().copied().min().unwrap_or_default();
        self.replicas.push(Replica { task: index, number, cut, sent, marks });
    }

    fn send(&mut self, replica: usize) {
        let replica = &mut self.replicas[replica];
        let (first, last) = (replica.sent + 1, (replica.sent + replica.cut).min(self.steps));
        if first > self.steps {
            return;
        }
        replica.sent = last;
        let fence = Fence::new(task(replica.task), Attempt(replica.number), Step(first), Step(last)).unwrap();
        self.network.extend((0..self.shards.len()).map(|shard| (shard, fence)));
    }

    fn deliver(&mut self, push: usize, stays: bool) {
        let (shard, fence) = if stays { self.network[push] } else { self.network.swap_remove(push) };
        let ones = [fence.steps() as f32; 2];
        let outcome = self.shards[shard].apply(&fence, &ones).unwrap();
        let newest = self.attempts[&(fence.task().partition.0 as usize)];
        let superseded = matches!(outcome, PushOutcome::Superseded { .. });
        assert_eq!(superseded, fence.attempt().0 < newest, "attempt {newest} has asked for the mark");
        let sender =
            |replica: &Replica| task(replica.task) == fence.task() && replica.number == fence.attempt().0;
        let Some(place) = self.replicas.iter().position(sender) else { return };
        match outcome {
            PushOutcome::Superseded { .. } => {
                self.replicas.swap_remove(place);
            }
            PushOutcome::Applied { mark } | PushOutcome::AlreadyApplied { mark } => {
                self.replicas[place].marks[shard] = mark.0;
            }
            PushOutcome::Gap { mark } => {
                let replica = &mut self.replicas[place];
                replica.marks[shard] = mark.0;
                replica.sent = replica.marks.iter().copied().min().unwrap_or_default();
            }
        }
    }

    fn play(&mut self, next: Move) {
        match next {
            Move::Start { task, cut } => self.start(task % self.tasks, cut),
            Move::Send { attempt } if !self.replicas.is_empty() => self.send(attempt % self.replicas.len()),
            Move::Deliver { push, stays } if !self.network.is_empty() => {
                self.deliver(push % self.network.len(), stays);
            }
            Move::Lose { push } if !self.network.is_empty() => {
                self.network.swap_remove(push % self.network.len());
            }
            Move::Die { attempt } if !self.replicas.is_empty() => {
                self.replicas.swap_remove(attempt % self.replicas.len());
            }
            Move::Send { .. } | Move::Deliver { .. } | Move::Lose { .. } | Move::Die { .. } => {}
        }
    }

    fn done(&self, index: usize) -> bool {
        self.shards.iter().all(|shard| shard.fences().seen(task(index)).mark.0 == self.steps)
    }

    /// Lets everything that is on its way arrive, and runs every task to its end with no more faults.
    fn finish(&mut self) {
        while !self.network.is_empty() {
            self.deliver(0, false);
        }
        for index in 0..self.tasks {
            self.start(index, 1);
            for _ in 0..=self.steps {
                self.send(self.replicas.len() - 1);
                while !self.network.is_empty() {
                    self.deliver(0, false);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_step_is_applied_exactly_once_whatever_the_network_does(
        shards in 1usize..4,
        tasks in 1usize..4,
        steps in 3u64..13,
        played in prop::collection::vec(moves(), 0..400),
    ) {
        let mut cluster = Cluster::new(shards, tasks, steps);
        (0..tasks).for_each(|index| cluster.start(index, 2));
        played.into_iter().for_each(|next| cluster.play(next));
        cluster.finish();
        for shard in &cluster.shards {
            prop_assert!((0..tasks).all(|index| cluster.done(index)));
            prop_assert_eq!(shard.weights(), [(tasks as u64 * steps) as f32; 2]);
            prop_assert_eq!(shard.fences().steps_applied(), tasks as u64 * steps);
        }
    }
}
