//! Random interleavings of pushes that are lost, doubled, reordered and superseded, on shards that are rolled back,
//! promoted and cut anew.
//!
//! Several attempts of a task are alive at once, over several shards; the network is a bag of pushes from which
//! any may arrive next, more than once or never. Shards have standbys that lag behind, and snapshots are cut while
//! all of that goes on.

mod cluster;
mod pair;
mod rounds;

use cluster::Cluster;
use proptest::prelude::*;

#[derive(Debug, Clone, Copy)]
enum Move {
    Start {
        task: usize,
        cut: u64,
    },
    Send {
        attempt: usize,
    },
    Deliver {
        push: usize,
        stays: bool,
    },
    Lose {
        push: usize,
    },
    Die {
        attempt: usize,
    },
    Replicate {
        shard: usize,
        pushes: usize,
    },
    Attach {
        shard: usize,
    },
    Detach {
        shard: usize,
    },
    /// The primary dies: its standby takes over, or it comes back from the last snapshot.
    Crash {
        shard: usize,
    },
    Plan {
        ahead: u64,
    },
    Save,
    Reshard {
        shards: usize,
    },
}

fn moves() -> impl Strategy<Value = Move> {
    let pick = 0usize..1000;
    prop_oneof![
        8 => (pick.clone(), 1u64..4).prop_map(|(task, cut)| Move::Start { task, cut }),
        64 => pick.clone().prop_map(|attempt| Move::Send { attempt }),
        64 => (pick.clone(), prop::bool::weighted(0.15)).prop_map(|(push, stays)| Move::Deliver { push, stays }),
        8 => pick.clone().prop_map(|push| Move::Lose { push }),
        8 => pick.clone().prop_map(|attempt| Move::Die { attempt }),
        24 => (pick.clone(), 1usize..4).prop_map(|(shard, pushes)| Move::Replicate { shard, pushes }),
        8 => pick.clone().prop_map(|shard| Move::Attach { shard }),
        2 => pick.clone().prop_map(|shard| Move::Detach { shard }),
        6 => pick.clone().prop_map(|shard| Move::Crash { shard }),
        6 => (0u64..4).prop_map(|ahead| Move::Plan { ahead }),
        12 => Just(Move::Save),
        1 => (1usize..4).prop_map(|shards| Move::Reshard { shards }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_step_is_applied_exactly_once_whatever_is_lost_doubled_or_killed(
        shards in 1usize..4,
        tasks in 1usize..4,
        steps in 3u64..13,
        played in prop::collection::vec(moves(), 0..500),
    ) {
        let mut cluster = Cluster::new(shards, tasks, steps);
        (0..tasks).for_each(|index| cluster.start(index, 2));
        played.into_iter().for_each(|next| cluster.play(next));
        cluster.finish();
        let expected = cluster.expected();
        prop_assert_eq!(cluster.weights(), expected.clone());
        for shard in cluster.shards() {
            prop_assert_eq!(shard.fences().steps_applied(), tasks as u64 * steps);
        }
        // Whatever was sent before comes once more, when the epoch is over and forgotten.
        cluster.retire();
        cluster.deliver_everything_again();
        prop_assert_eq!(cluster.weights(), expected);
    }
}
