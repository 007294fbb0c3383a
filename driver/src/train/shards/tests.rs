mod standbys;

use howdah_proto::{
    MemberId, ShardIndex,
    event::Move,
    pb,
    settings::{Mode, PushEvery},
};

use super::{OpId, Recovery, Server, ShardFault, ShardIo, ShardStep, Shards, Standbys};
use crate::scheduler::Millis;

const NOW: Millis = Millis(1_000);

fn servers(numbers: &[u64]) -> Vec<Server> {
    let server = |number: &u64| Server {
        member: MemberId(*number),
        address: format!("http://ps{}:1", number % 10),
        draining: false,
    };
    numbers.iter().map(server).collect()
}

/// Two shards on servers 1 and 2, being trained.
fn training(standbys: Standbys, recovery: Recovery) -> Shards {
    let mut shards = Shards::new(&[0..5, 5..10], standbys, recovery, NOW);
    let steps = shards.on_servers(servers(&[1, 2]), NOW);
    finish(&mut shards, steps);
    let steps = shards.train(NOW);
    finish(&mut shards, steps);
    shards
}

fn ops(steps: &[ShardStep]) -> Vec<(OpId, pb::ShardPlace)> {
    let op = |step: &ShardStep| match step {
        ShardStep::Make(made) => made.clone(),
        ShardStep::Ask(
            ShardIo::Promote { op, place }
            | ShardIo::Attach { op, place, .. }
            | ShardIo::Check { op, place, .. }
            | ShardIo::Detach { op, place },
        ) => vec![(*op, place.clone())],
        _ => Vec::new(),
    };
    steps.iter().flat_map(op).collect()
}

/// Lets everything end well until there is nothing left to do; gives all steps.
fn finish(shards: &mut Shards, steps: Vec<ShardStep>) -> Vec<ShardStep> {
    let (mut all, mut next) = (Vec::new(), steps);
    while !next.is_empty() {
        let ops = ops(&next);
        all.append(&mut next);
        for (op, place) in ops {
            next.extend(shards.on_done(ShardIndex(place.shard), op, Ok(()), NOW));
        }
    }
    all
}

fn terms(shards: &Shards) -> Vec<(String, u64)> {
    shards.places().into_iter().map(|place| (place.address, place.term)).collect()
}

fn at(address: u32, term: u64) -> (String, u64) {
    (format!("http://ps{address}:1"), term)
}

fn moves(steps: &[ShardStep]) -> Vec<Option<Move>> {
    let how = |step: &ShardStep| match step {
        ShardStep::Moved { how, .. } => Some(*how),
        _ => None,
    };
    steps.iter().filter_map(how).collect()
}

#[test]
fn primaries_go_round_the_servers_in_the_order_of_addresses() {
    let mut shards = Shards::new(&[0..1, 1..2, 2..3], Standbys::ToMove, Recovery::Alone, NOW);
    let steps = shards.on_servers(servers(&[3, 11, 2]), NOW);
    finish(&mut shards, steps);
    assert!(shards.all_ready());
    assert_eq!(terms(&shards), [at(1, 1), at(2, 1), at(3, 1)]);
}

#[test]
fn a_standby_takes_over_in_a_higher_term_and_a_new_one_is_attached() {
    let mut shards = training(Standbys::Always, Recovery::Together);
    let steps = shards.on_servers(servers(&[2, 3]), NOW);
    assert!(
        matches!(
            &steps[..],
            [
                ShardStep::Lost { shard: ShardIndex(0), .. },
                ShardStep::Ask(ShardIo::Promote { .. }),
                ShardStep::Ask(ShardIo::Detach { .. })
            ]
        ),
        "{steps:?}"
    );
    let all = finish(&mut shards, steps);
    assert_eq!(moves(&all), [Some(Move::Promoted)]);
    assert_eq!(terms(&shards), [at(2, 2), at(2, 1)]);
    let attached = all.iter().filter(|step| matches!(step, ShardStep::Ask(ShardIo::Attach { .. })));
    assert_eq!(attached.count(), 2);
}

#[test]
fn without_a_standby_only_the_lost_shard_of_a_stream_is_made_anew() {
    let mut shards = training(Standbys::ToMove, Recovery::Alone);
    let changes = shards.changes();
    let steps = shards.on_servers(servers(&[2]), NOW);
    assert!(!steps.contains(&ShardStep::GoBack));
    finish(&mut shards, steps);
    assert_eq!(terms(&shards), [at(2, 2), at(2, 1)]);
    assert!(shards.changes() > changes);
}

#[test]
fn what_a_shard_has_acknowledged_outlives_its_standbys_takeovers_and_not_its_restores() {
    let mut shards = training(Standbys::Always, Recovery::Alone);
    let mut made_after = |left: &[&[u64]]| {
        for left in left {
            let steps = shards.on_servers(servers(left), NOW);
            finish(&mut shards, steps);
        }
        let first = &shards.places()[0];
        (first.term, first.made)
    };
    assert_eq!(made_after(&[&[2, 3]]), (2, 1), "its standby takes over");
    assert_eq!(made_after(&[&[], &[3, 4]]), (3, 3), "nobody has it");
    assert_eq!(made_after(&[&[4, 5], &[5, 6]]), (5, 3), "standbys take over twice");
}

#[test]
fn in_rounds_all_shards_go_back_together_and_are_published_when_all_are_there() {
    let mut shards = training(Standbys::ToMove, Recovery::Together);
    let steps = shards.on_servers(servers(&[2]), NOW);
    assert!(steps.contains(&ShardStep::GoBack) && !shards.all_ready());
    let ops = ops(&steps);
    let first = shards.on_done(ShardIndex(0), ops[0].0, Ok(()), NOW);
    assert!(!first.iter().any(|step| matches!(step, ShardStep::Publish(_))), "{first:?}");
    let second = shards.on_done(ShardIndex(1), ops[1].0, Ok(()), NOW);
    assert!(matches!(second.last(), Some(ShardStep::Publish(_))), "{second:?}");
    assert_eq!(terms(&shards), [at(2, 2), at(2, 2)]);
}

#[test]
fn shards_wait_for_a_server_and_go_on_when_one_comes() {
    let mut shards = training(Standbys::ToMove, Recovery::Alone);
    let steps = shards.on_servers(Vec::new(), NOW);
    assert!(matches!(steps.last(), Some(ShardStep::Wait(_))), "{steps:?}");
    assert_eq!(shards.waiting(), Some(NOW));
    let steps = shards.on_servers(servers(&[11]), NOW);
    assert!(steps.contains(&ShardStep::GoOn));
    finish(&mut shards, steps);
    assert_eq!(terms(&shards), [at(1, 2), at(1, 2)]);
}

#[test]
fn an_answer_to_something_that_was_given_up_changes_nothing() {
    let mut shards = training(Standbys::ToMove, Recovery::Alone);
    let steps = shards.on_servers(servers(&[2, 3]), NOW);
    let (op, _) = ops(&steps)[0];
    // Its new server dies too, before it is made there.
    let again = shards.on_servers(servers(&[2]), NOW);
    assert_eq!(shards.on_done(ShardIndex(0), op, Ok(()), NOW), []);
    assert!(!shards.all_ready());
    finish(&mut shards, again);
    assert_eq!(terms(&shards)[0], at(2, 3));
}

fn passing(reason: &str) -> Result<(), ShardFault> {
    Err(ShardFault::Passing(reason.to_owned()))
}

#[test]
fn what_no_try_will_do_is_given_up_at_once() {
    let mut shards = training(Standbys::ToMove, Recovery::Alone);
    let steps = shards.on_servers(servers(&[2]), NOW);
    let (op, _) = ops(&steps)[0];
    let foreign = Err(ShardFault::Lasting("its SHA-256 is another one".to_owned()));
    let failed = shards.on_done(ShardIndex(0), op, foreign, NOW);
    assert_eq!(failed, [ShardStep::GiveUp("its SHA-256 is another one".to_owned())]);
}

#[test]
fn what_fails_is_tried_again_after_a_while_and_given_up_at_last() {
    let mut shards = training(Standbys::ToMove, Recovery::Alone);
    let mut steps = shards.on_servers(servers(&[2]), NOW);
    let (mut now, mut tries) = (NOW, 0);
    loop {
        let (op, _) = ops(&steps)[0];
        tries += 1;
        let failed = shards.on_done(ShardIndex(0), op, passing("no such file"), now);
        if failed.iter().any(|step| matches!(step, ShardStep::GiveUp(error) if error == "no such file")) {
            break;
        }
        assert_eq!(failed, []);
        now = shards.deadline().unwrap();
        steps = shards.on_tick(now);
    }
    assert!((5..50).contains(&tries), "{tries}");
}

#[test]
fn the_shards_of_a_server_that_leaves_move_through_a_standby() {
    let mut shards = training(Standbys::ToMove, Recovery::Together);
    let mut leaving = servers(&[1, 2]);
    leaving[0].draining = true;
    let steps = shards.on_servers(leaving, NOW);
    let all = finish(&mut shards, steps);
    assert_eq!(moves(&all), [Some(Move::Promoted)]);
    assert_eq!(terms(&shards), [at(2, 2), at(2, 1)]);
    let gone = shards.on_servers(servers(&[2]), NOW);
    assert_eq!(gone, [], "nothing was left there");
}

#[test]
fn one_server_is_too_few_for_standbys_which_is_said_once() {
    let mut shards = Shards::new(&[0..5, 5..10], Standbys::Always, Recovery::Alone, NOW);
    let steps = shards.on_servers(servers(&[1]), NOW);
    let all = finish(&mut shards, steps);
    assert_eq!(all.iter().filter(|step| **step == ShardStep::Unprotected).count(), 1);
    shards.train(NOW);
    let joined = shards.on_servers(servers(&[1, 2]), NOW);
    assert!(
        matches!(
            joined[..],
            [ShardStep::Ask(ShardIo::Attach { .. }), ShardStep::Ask(ShardIo::Attach { .. })]
        ),
        "{joined:?}"
    );
}

#[test]
fn a_new_spread_has_higher_terms_than_any_shard_had() {
    let mut shards = training(Standbys::ToMove, Recovery::Alone);
    let lost = shards.on_servers(servers(&[2]), NOW);
    finish(&mut shards, lost);
    let steps = shards.spread(&[0..3, 3..6, 6..10], NOW);
    let all = finish(&mut shards, steps);
    assert_eq!(moves(&all), [Some(Move::Resharded); 3]);
    assert_eq!(terms(&shards), [at(2, 3), at(2, 3), at(2, 3)]);
    let published = all.iter().filter(|step| matches!(step, ShardStep::Publish(_)));
    assert_eq!(published.count(), 1);
}
