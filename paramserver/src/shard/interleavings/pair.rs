use std::collections::VecDeque;

use howdah_proto::{
    Attempt, ReplicaId, Version,
    fence::{Fence, TrainTask},
};

use crate::shard::{Finite, Image, Push, PushOutcome, Seen, Shard, fixture::SPEC};

/// A primary, its standby, and what is on the way between them and back to the replicas.
pub(super) struct Pair {
    pub(super) primary: Shard,
    pub(super) start: u64,
    standby: Option<Shard>,
    forwarded: VecDeque<(u64, Fence, Vec<f32>)>,
    // Answers, and up to which push the standby must be for them to be given.
    answers: VecDeque<(u64, Fence, PushOutcome)>,
}

impl Pair {
    pub(super) fn new(image: Image) -> Self {
        let start = image.header.start;
        let primary = Shard::from_image(image, &SPEC).unwrap();
        Self { primary, start, standby: None, forwarded: VecDeque::new(), answers: VecDeque::new() }
    }

    pub(super) fn push(&mut self, fence: &Fence, mut values: Vec<f32>) {
        let (round, base, replica) = (None, Version(0), ReplicaId::default());
        let outcome = self
            .primary
            .apply(Push { fence, round, base, replica, values: &mut values, finite: Finite::Unknown })
            .unwrap();
        let sequence = self.primary.sequence();
        if self.standby.is_some() && matches!(outcome, PushOutcome::Applied { .. }) {
            self.forwarded.push_back((sequence, *fence, values));
        }
        self.answers.push_back((sequence, *fence, outcome));
    }

    pub(super) fn replicate(&mut self, pushes: usize) {
        let Some(standby) = &mut self.standby else { return };
        for (sequence, fence, values) in self.forwarded.drain(..pushes.min(self.forwarded.len())) {
            standby.replay(sequence, &fence, None, Version(0), &values).unwrap();
        }
    }

    /// The answers whose pushes are on both.
    pub(super) fn answers(&mut self) -> Vec<(Fence, PushOutcome)> {
        let safe = self.standby.as_ref().map_or(u64::MAX, Shard::sequence);
        let ready = self.answers.iter().take_while(|(sequence, ..)| *sequence <= safe).count();
        self.answers.drain(..ready).map(|(_, fence, outcome)| (fence, outcome)).collect()
    }

    /// A mark is told when what it says is on both.
    pub(super) fn mark(&mut self, task: TrainTask, attempt: Attempt) -> Seen {
        self.replicate(usize::MAX);
        self.primary.mark(task, attempt).unwrap()
    }

    pub(super) fn attach(&mut self) {
        let image = self.primary.image(self.start).unwrap();
        self.standby = Some(Shard::from_image(image, &SPEC).unwrap());
        self.forwarded.clear();
    }

    pub(super) fn detach(&mut self) {
        self.standby = None;
        self.forwarded.clear();
    }

    /// The primary dies with all that is on its way.
    pub(super) fn promote(&mut self) -> bool {
        self.forwarded.clear();
        self.answers.clear();
        let standby = self.standby.take();
        let is_there = standby.is_some();
        standby.into_iter().for_each(|standby| self.primary = standby);
        is_there
    }
}
