pub(super) mod fixture;
mod hold;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use howdah_proto::{
    MemberId, ReplicaId,
    settings::{Encoding, Mode, Optimizer, PushEvery, UpdateRule, Updates},
};

use super::*;
use fixture::{Cluster, PARTITIONS, SAMPLES, SHARDS, STEPS, deltas, settings};

const EACH_STEP: PushEvery = PushEvery::Steps(1);
const SGD: UpdateRule = UpdateRule::Sgd { learning_rate: 0.1 };
const ENCODINGS: [Encoding; 5] =
    [Encoding::F32, Encoding::Bf16, Encoding::F16, Encoding::Int8, Encoding::TopK { permille: 50 }];

fn quiet(_: u64, _: u64) {}

/// The weights after the rounds of an epoch, whose tasks run in this order of partitions and slots, twice each.
fn after_rounds(
    (updates, rule, mode): (Updates, UpdateRule, Mode),
    push: Encoding,
    order: [(u32, usize); 3],
) -> Vec<u32> {
    let cluster = Cluster::start(settings(updates, rule, mode, push));
    let mut slots = [Slot::new(0, 1), Slot::new(1, 1)];
    let rounds = match mode {
        Mode::Local { .. } => vec![(1, 2), (3, 3)],
        _ => (1..=STEPS).map(|step| (step, step)).collect(),
    };
    for (round, steps) in (1..).zip(rounds) {
        for (place, (partition, slot)) in order.into_iter().enumerate() {
            let work = || cluster.round(round, steps);
            let report = cluster.run(&mut slots[slot], partition, 1, work(), &quiet).unwrap();
            assert_eq!((report.first_step, report.last_step), steps);
            if place < 2 {
                // Another attempt, elsewhere, while the round is open.
                cluster.run(&mut slots[1 - slot], partition, 2, work(), &quiet).unwrap();
            }
        }
    }
    cluster.weights().into_iter().map(f32::to_bits).collect()
}

#[test]
fn rounds_are_the_same_to_the_bit_whoever_computes_them_in_whatever_order() {
    let descent = (Updates::Gradients, SGD, Mode::Synchronous { backups: 0 });
    let outer = UpdateRule::DelayedNesterov { learning_rate: 0.7, momentum: 0.9, every: 1 };
    let local = (deltas(), outer, Mode::Local { steps: 2 });
    for (training, push) in [(descent, Encoding::F32), (descent, Encoding::Int8), (local, Encoding::Bf16)] {
        let one = after_rounds(training, push, [(0, 0), (1, 0), (2, 0)]);
        let other = after_rounds(training, push, [(2, 0), (0, 1), (1, 0)]);
        assert_eq!(one, other, "{training:?}");
    }
}

#[test]
fn a_round_that_is_over_is_not_computed_again() {
    let cluster =
        Cluster::start(settings(Updates::Gradients, SGD, Mode::Synchronous { backups: 0 }, Encoding::F32));
    let mut slots = [Slot::new(0, 1), Slot::new(1, 1)];
    for round in 1..=2 {
        for partition in 0..PARTITIONS {
            cluster.run(&mut slots[0], partition, 1, cluster.round(round, (round, round)), &quiet).unwrap();
        }
    }
    let weights = cluster.weights();
    let again = cluster.run(&mut slots[1], 0, 2, cluster.round(1, (1, 1)), &quiet).unwrap();
    assert_eq!((again.samples, cluster.weights()), (0, weights));
    let early = cluster.run(&mut slots[1], 0, 1, cluster.round(4, (3, 3)), &quiet);
    assert!(matches!(early, Err(TaskError::Behind(_))), "{early:?}");
}

#[test]
fn every_step_counts_once_in_every_encoding_whatever_attempts_there_are() {
    for push in ENCODINGS.into_iter().filter(|push| !matches!(push, Encoding::TopK { .. })) {
        // In bf16 no more than 256 steps can be counted in a push.
        let epoch = Some(PushEvery::Epoch).filter(|_| push != Encoding::Bf16);
        for push_every in [PushEvery::Steps(2)].into_iter().chain(epoch) {
            let mode = Mode::Asynchronous { push_every };
            let cluster = Cluster::start(settings(Updates::Ones, UpdateRule::Sum, mode, push));
            let mut slot = Slot::new(0, 1);
            for partition in 0..PARTITIONS {
                for attempt in 1..=2 {
                    cluster.run(&mut slot, partition, attempt, cluster.epoch(1), &quiet).unwrap();
                }
            }
            let batches = (u64::from(PARTITIONS) * STEPS) as f32;
            assert!(cluster.weights().iter().all(|weight| *weight == batches), "{push:?} {push_every:?}");
            let older = cluster.run(&mut slot, 0, 1, cluster.epoch(1), &quiet);
            assert!(matches!(older, Err(TaskError::Superseded)), "{older:?}");
        }
    }
}

/// The mean loss of each epoch.
fn losses(updates: Updates, rule: UpdateRule, mode: Mode, push: Encoding) -> Vec<f64> {
    let mut settings = settings(updates, rule, mode, push);
    settings.compression.delta_pulls = push != Encoding::F32;
    settings.compression.pull = push;
    let cluster = Cluster::start(settings);
    let mut slots = [Slot::new(0, 1), Slot::new(1, 1)];
    let mut epoch = |epoch| {
        let losses = (0..PARTITIONS).map(|partition| {
            let slot = &mut slots[partition as usize % 2];
            let report = cluster.run(slot, partition, 1, cluster.epoch(epoch), &quiet).unwrap();
            assert_eq!(report.samples, SAMPLES);
            report.loss_sum
        });
        losses.sum::<f64>() / (SAMPLES * u64::from(PARTITIONS)) as f64
    };
    (1..=12).map(&mut epoch).collect()
}

#[test]
fn replicas_learn_with_every_encoding_and_every_kind_of_push() {
    let asynchronous = Mode::Asynchronous { push_every: EACH_STEP };
    let bounded = Mode::BoundedStaleness { push_every: EACH_STEP, staleness: 0 };
    let elastic = UpdateRule::Elastic { rate: 0.3 };
    let weights = Updates::Weights { optimizer: Optimizer::Adam { learning_rate: 0.02 } };
    let mut trainings: Vec<_> =
        ENCODINGS.map(|push| (deltas(), UpdateRule::Sum, asynchronous, push)).to_vec();
    trainings.push((Updates::Gradients, SGD, asynchronous, Encoding::TopK { permille: 100 }));
    trainings.push((Updates::Gradients, SGD, Mode::Hogwild { push_every: EACH_STEP }, Encoding::F32));
    trainings.push((deltas(), UpdateRule::Sum, bounded, Encoding::Bf16));
    trainings.push((weights, elastic, asynchronous, Encoding::F32));
    for (updates, rule, mode, push) in trainings {
        let losses = losses(updates, rule, mode, push);
        let (first, last) = (losses[0], losses[losses.len() - 1]);
        assert!(last < 0.8 * first, "{updates:?} {rule:?} {mode:?} {push:?}: {losses:?}");
    }
}

#[test]
fn a_push_and_the_pull_after_it_go_on_while_the_replica_computes() {
    // The first pull of a task is waited for.
    for (call, before) in [("Push", 0), ("Pull", SHARDS)] {
        let mode = Mode::Asynchronous { push_every: EACH_STEP };
        let cluster = Cluster::start(settings(deltas(), UpdateRule::Sum, mode, Encoding::F32));
        cluster.hold.hold(call, before);
        let passed = AtomicUsize::new(usize::MAX);
        let progress = |step: u64, _: u64| {
            if step == 1 {
                passed.store(cluster.hold.release(), Ordering::SeqCst);
            }
        };
        cluster.run(&mut Slot::new(0, 1), 0, 1, cluster.epoch(1), &progress).unwrap();
        assert_eq!(passed.load(Ordering::SeqCst), 0, "{call}");
    }
}

#[test]
fn nobody_waits_for_a_replica_whose_task_has_panicked() {
    let mode = Mode::BoundedStaleness { push_every: EACH_STEP, staleness: 1 };
    let cluster = Cluster::start(settings(deltas(), UpdateRule::Sum, mode, Encoding::F32));
    let mut slot = Slot::new(0, 1);
    let broken = |_: u64, _: u64| panic!("a bug");
    let run = || cluster.run(&mut slot, 0, 1, cluster.epoch(1), &broken);
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    let other = ReplicaId { member: MemberId(2), slot: 0 };
    cluster.runtime.block_on(cluster.parameters.enter(other)).unwrap();
    let far = cluster.runtime.block_on(cluster.parameters.advance(other, 100)).unwrap();
    assert!(far.may_go_on, "{far:?}");
}

#[test]
fn no_replica_gets_further_ahead_of_the_slowest_than_the_bound() {
    const STALENESS: u64 = 1;
    let mode = Mode::BoundedStaleness { push_every: EACH_STEP, staleness: STALENESS as u32 };
    let cluster = Cluster::start(settings(deltas(), UpdateRule::Sum, mode, Encoding::F32));
    let slowest = ReplicaId { member: MemberId(2), slot: 0 };
    let runtime = &cluster.runtime;
    runtime.block_on(cluster.parameters.enter(slowest)).unwrap();
    let clock = AtomicU64::new(0);
    let pushed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let fast = scope.spawn(|| {
            let mut slot = Slot::new(0, 1);
            let progress = |step: u64, last: u64| {
                pushed.store(step, Ordering::SeqCst);
                // The gate is behind the push, and the last push of a task needs none.
                assert!(step == last || step <= clock.load(Ordering::SeqCst) + STALENESS);
            };
            cluster.run(&mut slot, 0, 1, cluster.epoch(1), &progress).unwrap();
        });
        // The slowest goes on only when the other can't without it.
        for now in 1..STEPS - STALENESS {
            while runtime.block_on(cluster.parameters.status()).unwrap()[0].version < now + STALENESS {}
            clock.store(now, Ordering::SeqCst);
            runtime.block_on(cluster.parameters.advance(slowest, now)).unwrap();
        }
        fast.join().unwrap();
    });
    assert_eq!(pushed.load(Ordering::SeqCst), STEPS);
}
