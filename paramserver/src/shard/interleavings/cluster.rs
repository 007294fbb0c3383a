use std::collections::BTreeMap;

use howdah_proto::{
    Attempt, Epoch, SnapshotId, Step,
    fence::{Fence, TrainTask},
};

use super::{Move, pair::Pair};
use crate::shard::{
    CutId, Image, PushOutcome, Shard,
    fixture::{SPEC, task},
};

/// Parameters over all shards.
const VALUES: usize = 6;

/// A replica in the middle of a task. It sends ahead of the answers, in cuts of its own length.
struct Replica {
    task: usize,
    number: u32,
    cut: u64,
    sent: u64,
    marks: Vec<u64>,
}

pub(super) struct Cluster {
    pairs: Vec<Pair>,
    replicas: Vec<Replica>,
    attempts: BTreeMap<usize, u32>,
    network: Vec<(usize, Fence)>,
    sent: Vec<(usize, Fence)>,
    /// What the replicas and the driver have been told of each shard's marks.
    told: BTreeMap<(usize, TrainTask), Step>,
    snapshot: Vec<Image>,
    planned: Option<CutId>,
    snapshots: u64,
    tasks: usize,
    steps: u64,
}

/// What a step of a task adds to a parameter: whole numbers that tell steps apart.
fn addend(task: usize, step: u64, parameter: usize) -> f32 {
    (1 + (step * (parameter as u64 + 2) + 5 * task as u64) % 11) as f32
}

impl Cluster {
    pub(super) fn new(shards: usize, tasks: usize, steps: u64) -> Self {
        let snapshot = vec![Shard::new(VALUES as u64, &SPEC).unwrap().image(0).unwrap()];
        let mut cluster = Self {
            pairs: Vec::new(),
            replicas: Vec::new(),
            attempts: BTreeMap::new(),
            network: Vec::new(),
            sent: Vec::new(),
            told: BTreeMap::new(),
            snapshot,
            planned: None,
            snapshots: 0,
            tasks,
            steps,
        };
        cluster.reshard(shards);
        cluster
    }

    fn mark(&mut self, shard: usize, task: TrainTask, number: u32) -> u64 {
        let mark = self.pairs[shard].mark(task, Attempt(number)).mark;
        self.told.insert((shard, task), mark);
        mark.0
    }

    pub(super) fn start(&mut self, index: usize, cut: u64) {
        let number = self.attempts.entry(index).or_default();
        *number += 1;
        let number = *number;
        let marks: Vec<u64> =
            (0..self.pairs.len()).map(|shard| self.mark(shard, task(index as u32), number)).collect();
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
        let task = task(replica.task as u32);
        let fence = Fence::new(task, Attempt(replica.number), Step(first), Step(last)).unwrap();
        let pushes = (0..self.pairs.len()).map(|shard| (shard, fence));
        self.sent.extend(pushes.clone());
        self.network.extend(pushes);
    }

    fn deliver(&mut self, push: usize, stays: bool) {
        let (shard, fence) = if stays { self.network[push] } else { self.network.swap_remove(push) };
        self.arrive(shard, &fence);
        self.answer(shard);
    }

    fn arrive(&mut self, shard: usize, fence: &Fence) {
        let pair = &mut self.pairs[shard];
        let (index, start) = (fence.task().partition.0 as usize, pair.start as usize);
        let sum =
            |parameter| (fence.first().0..=fence.last().0).map(|step| addend(index, step, parameter)).sum();
        let values = (start..start + pair.primary.weights().len()).map(sum).collect();
        pair.push(fence, values);
    }

    /// Gives the replicas the answers that may be given.
    fn answer(&mut self, shard: usize) {
        for (fence, outcome) in self.pairs[shard].answers() {
            if let PushOutcome::Applied { mark } | PushOutcome::AlreadyApplied { mark } = outcome {
                let told = self.told.entry((shard, fence.task())).or_default();
                *told = mark.max(*told);
            }
            let sender = |replica: &Replica| {
                task(replica.task as u32) == fence.task() && replica.number == fence.attempt().0
            };
            let Some(place) = self.replicas.iter().position(sender) else { continue };
            let replica = &mut self.replicas[place];
            match outcome {
                PushOutcome::Late => unreachable!("there are no rounds"),
                PushOutcome::Superseded { highest } => {
                    assert!(highest > fence.attempt());
                    self.replicas.swap_remove(place);
                }
                PushOutcome::Applied { mark } | PushOutcome::AlreadyApplied { mark } => {
                    replica.marks[shard] = mark.0;
                }
                PushOutcome::Gap { mark } => {
                    replica.marks[shard] = mark.0;
                    replica.sent = replica.marks.iter().copied().min().unwrap_or_default();
                }
            }
        }
    }

    pub(super) fn play(&mut self, next: Move) {
        let shards = self.pairs.len();
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
            Move::Replicate { shard, pushes } => {
                self.pairs[shard % shards].replicate(pushes);
                self.answer(shard % shards);
            }
            Move::Attach { shard } => self.pairs[shard % shards].attach(),
            Move::Detach { shard } => self.pairs[shard % shards].detach(),
            Move::Crash { shard } => self.crash(shard % shards),
            Move::Plan { ahead } => self.plan(ahead),
            Move::Save => self.save(),
            Move::Reshard { shards } => self.reshard(shards),
        }
    }

    fn crash(&mut self, shard: usize) {
        if self.pairs[shard].promote() {
            let fences = self.pairs[shard].primary.fences();
            let told = self.told.iter().filter(|((of, _), _)| *of == shard);
            told.for_each(|((_, task), mark)| {
                assert!(fences.seen(*task).mark >= *mark, "{task} was told {mark}")
            });
        } else {
            let pair = &self.pairs[shard];
            let range = pair.start..pair.start + pair.primary.weights().len() as u64;
            self.pairs[shard] = Pair::new(Image::assemble(range, self.snapshot.clone()).unwrap());
            self.told.retain(|(of, _), _| *of != shard);
        }
    }

    /// Plans a snapshot so many steps beyond the shard that is furthest.
    fn plan(&mut self, ahead: u64) {
        self.snapshots += 1;
        let cut = CutId { snapshot: SnapshotId(self.snapshots), attempt: 0 };
        let furthest = |task| self.shards().map(|shard| shard.fences().seen(task).mark.0).max().unwrap();
        let tasks = (0..self.tasks as u32).map(task);
        let marks: BTreeMap<TrainTask, Step> =
            tasks.map(|task| (task, Step((furthest(task) + ahead).min(self.steps)))).collect();
        self.drop_plan();
        for pair in &mut self.pairs {
            pair.primary.plan_cut(cut, marks.clone()).unwrap().unwrap();
        }
        self.planned = Some(cut);
    }

    /// Takes the snapshot if every shard has its cut, and gives it up if one never will.
    fn save(&mut self) {
        let Some(cut) = self.planned else { return };
        let complete: Vec<Option<bool>> = self.shards().map(|shard| shard.is_cut_complete(cut)).collect();
        if complete.contains(&None) {
            self.drop_plan();
        } else if complete.iter().all(|complete| *complete == Some(true)) {
            let take = |pair: &mut Pair| pair.primary.take_cut(cut, pair.start).unwrap().unwrap();
            self.snapshot = self.pairs.iter_mut().map(take).collect();
            self.planned = None;
        }
    }

    fn drop_plan(&mut self) {
        if let Some(cut) = self.planned.take() {
            self.pairs.iter_mut().for_each(|pair| pair.primary.drop_cut(cut));
        }
    }

    /// Cuts the parameters anew, from the last snapshot. What is on its way is of an older term; replicas ask anew.
    fn reshard(&mut self, shards: usize) {
        let cut = |shard: usize| (VALUES * shard / shards) as u64;
        let image = |shard| Image::assemble(cut(shard)..cut(shard + 1), self.snapshot.clone()).unwrap();
        self.pairs = (0..shards).map(|shard| Pair::new(image(shard))).collect();
        (self.planned, self.network, self.sent) = (None, Vec::new(), Vec::new());
        self.told.clear();
        let mut replicas = std::mem::take(&mut self.replicas);
        for replica in &mut replicas {
            replica.marks = (0..shards)
                .map(|shard| self.mark(shard, task(replica.task as u32), replica.number))
                .collect();
            replica.sent = replica.marks.iter().copied().min().unwrap_or_default();
        }
        self.replicas = replicas;
    }

    /// Lets everything that is on its way arrive, and runs every task to its end with no more faults: what shards lack
    /// is computed again.
    pub(super) fn finish(&mut self) {
        self.pairs.iter_mut().for_each(Pair::detach);
        while !self.network.is_empty() {
            self.deliver(0, false);
        }
        for index in 0..self.tasks {
            self.start(index, 1);
            let number = self.attempts[&index];
            for _ in 0..=self.steps {
                let newest = |replica: &Replica| (replica.task, replica.number) == (index, number);
                self.send(self.replicas.iter().position(newest).unwrap());
                while !self.network.is_empty() {
                    self.deliver(0, false);
                }
            }
        }
    }

    pub(super) fn retire(&mut self) {
        self.pairs.iter_mut().for_each(|pair| pair.primary.retire(Epoch(1)));
    }

    pub(super) fn deliver_everything_again(&mut self) {
        for (shard, fence) in std::mem::take(&mut self.sent) {
            self.arrive(shard, &fence);
        }
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.pairs.iter().map(|pair| &pair.primary)
    }

    pub(super) fn weights(&self) -> Vec<f32> {
        self.shards().flat_map(|shard| shard.weights().to_vec()).collect()
    }

    /// What the weights are when every step has been applied once.
    pub(super) fn expected(&self) -> Vec<f32> {
        let of_task =
            |task, parameter| (1..=self.steps).map(|step| addend(task, step, parameter)).sum::<f32>();
        (0..VALUES).map(|parameter| (0..self.tasks).map(|task| of_task(task, parameter)).sum()).collect()
    }
}
