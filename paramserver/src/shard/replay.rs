//! A primary and its standby: whatever comes to the primary, the standby ends as the same bits.

use howdah_proto::{
    Attempt, MemberId, Partition, ReplicaId, Round, Step, Version,
    fence::{Fence, RoundPart, TrainTask},
    settings::{Combine, Correction, Encoding, Mode, ShardSpec, StalenessScale},
};
use proptest::prelude::*;

use super::{
    Finite, Image, Push, PushOutcome, Shard, ShardError,
    fence::RETIRED_MARK,
    fixture::{ROUNDS, SPEC, fence, push, task},
};
use crate::rules::oracle::any_rule;

/// What is forwarded of a push.
#[derive(Debug, Clone)]
struct Forwarded {
    sequence: u64,
    fence: Fence,
    round: Option<RoundPart>,
    base: Version,
    values: Vec<f32>,
}

#[derive(Debug, Clone)]
enum Event {
    /// A push of an attempt that is so far behind with its weights, which may have come before.
    Push {
        partition: u32,
        attempt: u32,
        repeats: bool,
        behind: u64,
        value: f32,
    },
    Mark {
        partition: u32,
        attempt: u32,
    },
    Pull {
        slot: u32,
    },
    Tag(u64),
    Retire,
    Attach,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let push = (0u32..3, 1u32..4, prop::bool::weighted(0.2), 0u64..6, -1f32..1.0).prop_map(
        |(partition, attempt, repeats, behind, value)| Event::Push {
            partition,
            attempt,
            repeats,
            behind,
            value,
        },
    );
    let event = prop_oneof![
        16 => push,
        1 => (0u32..3, 1u32..4).prop_map(|(partition, attempt)| Event::Mark { partition, attempt }),
        3 => (0u32..3).prop_map(|slot| Event::Pull { slot }),
        1 => (0u64..4).prop_map(Event::Tag),
        1 => Just(Event::Attach),
        1 => prop::bool::weighted(0.1).prop_map(|retire| if retire { Event::Retire } else { Event::Attach }),
    ];
    prop::collection::vec(event, 1..80)
}

fn specs() -> impl Strategy<Value = ShardSpec> {
    let scales = [StalenessScale::None, StalenessScale::Inverse, StalenessScale::InversePlusOne];
    let combines = prop::sample::select(vec![Combine::Mean, Combine::Sum]);
    let compensation = prop::option::of(0.1f32..2.0);
    let backups = prop::option::of(0u32..2);
    (any_rule(), prop::sample::select(scales.to_vec()), compensation, backups, combines).prop_map(
        |(rule, scale, delay_compensation, backups, combine)| match backups {
            None => ShardSpec { rule, correction: Correction { scale, delay_compensation }, ..SPEC },
            Some(backups) => ShardSpec { rule, combine, mode: Mode::Synchronous { backups }, ..ROUNDS },
        },
    )
}

fn replica(slot: u32) -> ReplicaId {
    ReplicaId { member: MemberId(1), slot }
}

/// Pushes what comes next of a task, or what was before it, and tells what is to be forwarded.
fn play(primary: &mut Shard, event: &Event) -> Option<Forwarded> {
    let Event::Push { partition, attempt, repeats, behind, value } = *event else { return None };
    let task = TrainTask { partition: Partition(partition), ..task(0) };
    let mark = primary.fences().seen(task).mark.0;
    let step = if mark == RETIRED_MARK.0 { 1 } else { (mark + u64::from(!repeats)).max(1) };
    let fence = Fence::new(task, Attempt(attempt), Step(step), Step(step)).unwrap();
    let round = primary.spec.mode.in_rounds().then(|| RoundPart {
        round: Round((primary.version().0 + u64::from(!repeats)).max(1)),
        contributions: 2,
    });
    let base = Version(primary.version().0.saturating_sub(behind));
    let mut values = vec![value, 1.0 - value, value * 1e-3];
    let push = Push {
        fence: &fence,
        round,
        base,
        replica: replica(partition),
        values: &mut values,
        finite: Finite::Unknown,
    };
    let outcome = primary.apply(push).unwrap();
    let sequence = primary.sequence();
    matches!(outcome, PushOutcome::Applied { .. }).then_some(Forwarded {
        sequence,
        fence,
        round,
        base,
        values,
    })
}

fn attach(primary: &Shard) -> Shard {
    let mut bytes = Vec::new();
    primary.image(5).unwrap().write(&mut |piece| bytes.extend_from_slice(piece));
    Shard::from_image(Image::read(&bytes).unwrap(), &primary.spec).unwrap()
}

/// What a standby must have of its primary: all but what the primary has counted of pushes that changed nothing, and
/// the attempts that only asked.
fn comparable(shard: &Shard) -> Image {
    let mut image = shard.image(5).unwrap();
    let applied = image.header.counters.applied;
    image.header.counters = super::Counters { applied, ..Default::default() };
    image.header.seen.retain(|(_, mark, _)| mark.0 > 0);
    image.header.seen.iter_mut().for_each(|(.., highest)| *highest = Attempt(0));
    image
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_standby_is_its_primary_to_the_bit(spec in specs(), events in events()) {
        let mut primary = Shard::new(3, &spec).unwrap();
        primary.write(&[0.5, -0.25, 0.125]).unwrap();
        let mut standby = attach(&primary);
        let mut forwarded: Vec<Forwarded> = Vec::new();
        for event in &events {
            forwarded.extend(play(&mut primary, event));
            match *event {
                Event::Push { .. } => {}
                Event::Mark { partition, attempt } => {
                    primary.mark(task(partition), Attempt(attempt)).unwrap();
                }
                Event::Pull { slot } => {
                    primary.pull_for(replica(slot), None, Encoding::F32, &mut Vec::new()).unwrap();
                }
                // What isn't a push is forwarded in its place among the pushes.
                Event::Tag(tag) => {
                    replay(&mut standby, &forwarded);
                    primary.tag(tag).unwrap();
                    standby.tag(tag).unwrap();
                }
                Event::Retire => {
                    replay(&mut standby, &forwarded);
                    primary.retire(task(0).epoch);
                    standby.retire(task(0).epoch);
                }
                Event::Attach => standby = attach(&primary),
            }
        }
        replay(&mut standby, &forwarded);
        prop_assert_eq!(comparable(&standby), comparable(&primary));
    }
}

/// Forwards everything from the beginning: what is there already is left out.
fn replay(standby: &mut Shard, forwarded: &[Forwarded]) {
    for push in forwarded {
        standby.replay(push.sequence, &push.fence, push.round, push.base, &push.values).unwrap();
    }
}

#[test]
fn a_hole_in_what_is_forwarded_is_an_error() {
    let mut standby = Shard::new(1, &SPEC).unwrap();
    let hole = standby.replay(2, &fence(0, 1, 1), None, Version(0), &[1.0]).unwrap_err();
    assert_eq!(hole, ShardError::Sequence { expected: 1, got: 2 });
    standby.replay(1, &fence(0, 1, 1), None, Version(0), &[1.0]).unwrap();
    let other = standby.replay(2, &fence(0, 3, 3), None, Version(0), &[1.0]).unwrap_err();
    assert_eq!(other, ShardError::Diverged { task: task(0) });
    assert_eq!(standby.weights().to_vec(), [1.0]);
}

#[test]
fn a_stale_push_is_compensated_from_what_its_replica_was_sent() {
    let correction = Correction { scale: StalenessScale::InversePlusOne, delay_compensation: Some(0.5) };
    let values_of = |slot| {
        let mut shard = Shard::new(1, &ShardSpec { correction, ..SPEC }).unwrap();
        shard.write(&[1.0]).unwrap();
        shard.pull_for(replica(0), None, Encoding::F32, &mut Vec::new()).unwrap();
        push(&mut shard, &fence(1, 1, 1), &[2.0]).unwrap();
        let mut values = [0.5];
        let fence = fence(0, 1, 1);
        let (round, base, replica) = (None, Version(0), replica(slot));
        shard
            .apply(Push { fence: &fence, round, base, replica, values: &mut values, finite: Finite::Unknown })
            .unwrap();
        values[0]
    };
    // The other push moved the weight by 2; its square and that of 0.5 are in the moving mean.
    let spread = (0.95 * 0.05 * 4.0 + 0.05 * 0.25 + 1e-7f32).sqrt();
    let compensated = 0.5 + 0.5 / spread * 0.25 * 2.0;
    assert!((values_of(0) - compensated / 2.0).abs() < 1e-6);
    assert_eq!(values_of(1), 0.5 / 2.0, "nothing is known of what this one was sent");
}
