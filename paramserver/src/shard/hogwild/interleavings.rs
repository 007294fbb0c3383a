//! Every interleaving of threads on the lock-free paths, tried by a model checker (`loom`; it needs no flags, as the
//! paths are generic over their atomic word).

use howdah_proto::{Attempt, Step};
use loom::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{task::TaskFence, weights::AtomicWeights, word::Word};
use crate::{
    rules::Weights,
    shard::{Decision, Seen, fixture::attempt},
};

impl Word for AtomicU64 {
    fn new(value: u64) -> Self {
        Self::new(value)
    }

    fn get(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    fn put(&self, value: u64) {
        self.store(value, Ordering::Release);
    }

    fn exchange(&self, expected: u64, value: u64) -> Result<u64, u64> {
        self.compare_exchange(expected, value, Ordering::AcqRel, Ordering::Acquire)
    }

    fn get_relaxed(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }

    fn exchange_relaxed(&self, expected: u64, value: u64) -> Result<u64, u64> {
        self.compare_exchange(expected, value, Ordering::Relaxed, Ordering::Relaxed)
    }

    fn pause() {
        loom::thread::yield_now();
    }
}

struct Shard {
    task: TaskFence<AtomicU64>,
    weights: AtomicWeights<AtomicU64>,
}

impl Shard {
    fn new() -> Arc<Self> {
        let task = TaskFence::new(Seen::default());
        Arc::new(Self { task, weights: AtomicWeights::of(&Weights::zeros(1).unwrap()).unwrap() })
    }

    /// Pushes steps of an attempt, as a shard does.
    fn push(&self, number: u32, first: u64, last: u64) -> Result<(), Decision> {
        let claim = self.task.claim(&attempt(number, first, last))?;
        self.weights.add(&[(last + 1 - first) as f32], 1.0);
        self.task.applied(claim);
        Ok(())
    }

    fn weight(&self) -> f32 {
        let mut out = [0.0];
        self.weights.read(0, &mut out);
        out[0]
    }
}

#[test]
fn copies_of_a_push_that_come_together_are_applied_once() {
    loom::model(|| {
        let shard = Shard::new();
        let other = Arc::clone(&shard);
        let copy = loom::thread::spawn(move || other.push(1, 1, 2));
        let applied = [shard.push(1, 1, 2), copy.join().unwrap()];
        assert!(applied.contains(&Ok(())));
        assert!(applied.contains(&Err(Decision::AlreadyApplied { mark: Step(2) })));
        assert_eq!(shard.weight(), 2.0);
        assert_eq!(shard.task.seen().mark, Step(2));
    });
}

#[test]
fn an_attempt_that_was_told_the_mark_finds_it_so() {
    loom::model(|| {
        let shard = Shard::new();
        let old = Arc::clone(&shard);
        let old = loom::thread::spawn(move || old.push(1, 1, 1));
        // Whatever it is told, all of that is in the weights, and nothing of the old attempt comes after it.
        let told = shard.task.see(Attempt(2)).mark;
        assert_eq!(shard.weight(), told.0 as f32);
        assert_eq!(shard.push(2, told.0 + 1, 2), Ok(()));
        let old = old.join().unwrap();
        let expected = if told.0 == 1 { Ok(()) } else { Err(Decision::Superseded { highest: Attempt(2) }) };
        assert_eq!(old, expected);
        assert_eq!(shard.weight(), 2.0);
        assert_eq!(shard.task.seen(), Seen { mark: Step(2), highest: Attempt(2) });
    });
}

#[test]
fn pushes_of_two_tasks_to_one_word_both_count() {
    loom::model(|| {
        let weights = Arc::new(AtomicWeights::<AtomicU64>::of(&Weights::zeros(2).unwrap()).unwrap());
        let other = Arc::clone(&weights);
        let other = loom::thread::spawn(move || other.add(&[1.0, 2.0], 1.0));
        weights.add(&[4.0, 8.0], 1.0);
        other.join().unwrap();
        let mut out = [0.0; 2];
        weights.read(0, &mut out);
        assert_eq!(out, [5.0, 10.0]);
    });
}
