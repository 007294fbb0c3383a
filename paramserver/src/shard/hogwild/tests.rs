use howdah_proto::{
    Attempt, Epoch, Partition, Step,
    fence::TrainTask,
    settings::{Mode, PushEvery, ShardSpec, UpdateRule},
};

use super::HogwildShard;
use crate::shard::{
    PushOutcome, Retired, Shard, ShardError,
    fixture::{SPEC, attempt, fence, push, task},
};

pub(super) const HOGWILD: ShardSpec =
    ShardSpec { mode: Mode::Hogwild { push_every: PushEvery::Steps(1) }, ..SPEC };

fn weights(shard: &HogwildShard) -> Vec<f32> {
    let mut out = vec![0.0; shard.values()];
    shard.read(0, &mut out);
    out
}

#[test]
fn every_step_counts_once_when_threads_push_the_same_tasks_at_once() {
    let (threads, tasks, steps) = (4u32, 6u32, 200u64);
    let shard = HogwildShard::new(5, &HOGWILD).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let shard = &shard;
            scope.spawn(move || {
                for step in 1..=steps {
                    for index in 0..tasks {
                        let index = (index + thread) % tasks;
                        let outcome = shard.apply(&fence(index, step, step), &[1.0; 5]).unwrap();
                        let is_there = matches!(
                            outcome,
                            PushOutcome::Applied { .. } | PushOutcome::AlreadyApplied { .. }
                        );
                        assert!(is_there, "{outcome:?}");
                    }
                }
            });
        }
    });
    let count = u64::from(tasks) * steps;
    assert_eq!(weights(&shard), [count as f32; 5]);
    assert_eq!(shard.fences().steps_applied(), count);
    let counters = shard.counters();
    assert_eq!((counters.applied, counters.repeated), (count, 3 * count));
}

#[test]
fn without_a_lock_fences_say_the_same_as_with_one() {
    let mut locked = Shard::new(1, &HOGWILD).unwrap();
    let free = HogwildShard::new(1, &HOGWILD).unwrap();
    for (number, first, last) in
        [(1, 1, 2), (1, 1, 2), (1, 4, 4), (2, 2, 3), (2, 3, 3), (1, 4, 4), (3, 1, 1), (2, 4, 4), (3, 4, 9)]
    {
        let fence = attempt(number, first, last);
        let steps = [fence.steps() as f32];
        assert_eq!(free.apply(&fence, &steps), push(&mut locked, &fence, &steps));
        assert_eq!(free.mark(task(0), Attempt(1)), locked.mark(task(0), Attempt(1)));
    }
    locked.retire(Epoch(1));
    free.retire(Epoch(1));
    let late = attempt(3, 10, 10);
    assert_eq!(free.apply(&late, &[1.0]), push(&mut locked, &late, &[1.0]));
    assert_eq!(free.mark(task(0), Attempt(4)), locked.mark(task(0), Attempt(4)));
    assert_eq!(free.fences().retired(), locked.fences().retired());
    assert_eq!(free.fences().retired(), Some(Retired { epoch: Epoch(1), steps: 9 }));
    assert_eq!(weights(&free), locked.weights().to_vec());
    assert_eq!(free.counters(), locked.counters());
}

#[test]
fn an_image_goes_both_ways() {
    let spec = ShardSpec { rule: UpdateRule::Sgd { learning_rate: 0.5 }, ..HOGWILD };
    let shard = HogwildShard::new(3, &spec).unwrap();
    shard.write(&[1.0, 2.0, 3.0]).unwrap();
    shard.write(&[1.0, 2.0, 3.0]).unwrap();
    assert_eq!(shard.write(&[0.0; 3]), Err(ShardError::NotInitial));
    shard.apply(&attempt(2, 1, 4), &[2.0, 4.0, 6.0]).unwrap();
    shard.tag(7).unwrap();
    let image = shard.image(11).unwrap();
    assert_eq!(image.arrays[0].to_vec(), [0.0; 3]);
    let copy = HogwildShard::from_image(image.clone(), &spec).unwrap();
    assert_eq!(copy.image(11).unwrap(), image);
    assert_eq!(**copy.tagged(7).unwrap().weights, [0.0; 3]);
}

#[test]
fn what_a_shard_without_a_lock_cannot_do_is_refused() {
    let adam = ShardSpec { rule: UpdateRule::Adam { learning_rate: 0.1 }, ..HOGWILD };
    assert!(matches!(HogwildShard::new(1, &adam), Err(ShardError::NeedsLock { .. })));
    let shard = HogwildShard::new(1, &HOGWILD).unwrap();
    let far = shard.apply(&attempt(1, 1, 1 << 39), &[1.0]).unwrap_err();
    assert!(matches!(far, ShardError::FenceRange { .. }), "{far}");
    let many = shard.mark(task(0), Attempt(1 << 24)).unwrap_err();
    assert!(matches!(many, ShardError::FenceRange { .. }), "{many}");
    assert!(matches!(shard.apply(&fence(0, 1, 1), &[f32::NAN]), Err(ShardError::NotFinite { .. })));
    let elsewhere = TrainTask { partition: Partition(9), ..task(0) };
    assert_eq!(shard.mark(elsewhere, Attempt(1)).unwrap().mark, Step(0));
    assert_eq!(weights(&shard), [0.0]);
}
