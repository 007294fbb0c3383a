//! The same for rounds, where not only every step counts once, but the weights are the same bits.

use std::collections::BTreeMap;

use howdah_proto::{
    Round, SnapshotId, Version,
    fence::RoundPart,
    settings::{Combine, ShardSpec, UpdateRule},
};
use proptest::prelude::*;

use crate::shard::{
    CutId, Image, Shard,
    fixture::{ROUNDS, contribute, fence},
};

const PARTITIONS: u32 = 4;
const SPEC: ShardSpec = ShardSpec {
    rule: UpdateRule::Nesterov { learning_rate: 0.3, momentum: 0.9 },
    combine: Combine::Mean,
    ..ROUNDS
};

#[derive(Debug, Clone, Copy)]
enum Move {
    /// Somebody computes a contribution to the round that comes next.
    Compute {
        partition: u32,
    },
    /// A contribution arrives that was computed before, perhaps not for the first time.
    Deliver {
        sent: usize,
    },
    Attach,
    /// The primary dies: its standby takes over, or it comes back from the last snapshot.
    Crash,
    Snapshot,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        16 => (0..PARTITIONS).prop_map(|partition| Move::Compute { partition }),
        24 => (0usize..1000).prop_map(|sent| Move::Deliver { sent }),
        1 => Just(Move::Attach),
        1 => Just(Move::Crash),
        2 => Just(Move::Snapshot),
    ]
}

/// A contribution: a function of the weights, the partition and the round.
fn contribution(weights: &[f32], partition: u32, round: u64) -> Vec<f32> {
    let gradient =
        |(place, weight): (usize, &f32)| (weight * 1.7 + place as f32 + partition as f32 * 0.3).sin();
    weights.iter().enumerate().map(gradient).map(|value| value / round as f32).collect()
}

struct Job {
    primary: Shard,
    standby: Option<Shard>,
    snapshot: Image,
    sent: Vec<(u32, u64, Vec<f32>)>,
    snapshots: u64,
}

impl Job {
    fn new() -> Self {
        let mut primary = Shard::new(3, &SPEC).unwrap();
        primary.write(&[0.5, -0.5, 0.25]).unwrap();
        let snapshot = primary.image(0).unwrap();
        Self { primary, standby: None, snapshot, sent: Vec::new(), snapshots: 0 }
    }

    fn compute(&mut self, partition: u32) {
        let round = self.primary.version().0 + 1;
        self.sent.push((partition, round, contribution(&self.primary.weights().to_vec(), partition, round)));
    }

    fn deliver(&mut self, sent: usize) {
        let (partition, round, values) = &self.sent[sent];
        let (fence, before) = (fence(*partition, *round, *round), self.primary.sequence());
        let part = RoundPart { round: Round(*round), contributions: PARTITIONS };
        contribute(&mut self.primary, &fence, part, values).unwrap();
        let sequence = self.primary.sequence();
        if let (Some(standby), true) = (&mut self.standby, sequence > before) {
            standby.replay(sequence, &fence, Some(part), Version(round - 1), values).unwrap();
        }
    }

    fn play(&mut self, next: Move) {
        match next {
            Move::Compute { partition } => self.compute(partition),
            Move::Deliver { .. } if self.sent.is_empty() => {}
            Move::Deliver { sent } => self.deliver(sent % self.sent.len()),
            Move::Attach => {
                let image = self.primary.image(0).unwrap();
                self.standby = Some(Shard::from_image(image, &SPEC).unwrap());
            }
            Move::Crash => {
                let restored = || Shard::from_image(self.snapshot.clone(), &SPEC).unwrap();
                self.primary = self.standby.take().unwrap_or_else(restored);
            }
            Move::Snapshot => {
                self.snapshots += 1;
                let marks: BTreeMap<_, _> =
                    self.primary.fences().iter().map(|(task, seen)| (task, seen.mark)).collect();
                let cut = CutId { snapshot: SnapshotId(self.snapshots), attempt: 0 };
                self.primary.plan_cut(cut, marks).unwrap().unwrap();
                self.snapshot = self.primary.take_cut(cut, 0).unwrap().unwrap();
            }
        }
    }

    /// Runs to the end of a round, partition by partition.
    fn finish(&mut self, rounds: u64) {
        while self.primary.version().0 < rounds {
            for partition in 0..PARTITIONS {
                self.compute(partition);
            }
            let last = self.sent.len();
            (last - PARTITIONS as usize..last).for_each(|sent| self.deliver(sent));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rounds_end_as_the_same_bits_whatever_is_doubled_late_or_killed(
        played in prop::collection::vec(moves(), 0..300),
    ) {
        let mut job = Job::new();
        played.into_iter().for_each(|next| job.play(next));
        let rounds = job.primary.version().0 + 2;
        job.finish(rounds);
        let mut undisturbed = Job::new();
        undisturbed.finish(rounds);
        prop_assert_eq!(job.primary.weights().to_vec(), undisturbed.primary.weights().to_vec());
        prop_assert_eq!(job.primary.fences().steps_applied(), rounds * u64::from(PARTITIONS));
        prop_assert_eq!(job.primary.version(), Version(rounds));
    }
}
