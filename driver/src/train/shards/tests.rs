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

/// The standbys that shards are given or asked about.
fn standbys(steps: &[ShardStep]) -> Vec<&str> {
    steps
        .iter()
        .filter_map(|step| match step {
            ShardStep::Ask(ShardIo::Attach { standby, .. } | ShardIo::Check { standby, .. }) => {
                Some(standby.as_str())
            }
            _ => None,
        })
        .collect()
}

#[test]
fn a_standby_that_stays_behind_is_replaced_by_another_server() {
    let mut shards = Shards::new(std::slice::from_ref(&(0..5)), Standbys::Always, Recovery::Alone, NOW);
    let steps = shards.on_servers(servers(&[1, 2, 3]), NOW);
    finish(&mut shards, steps);
    let steps = shards.train(NOW);
    assert_eq!(standbys(&steps), ["http://ps2:1"]);
    finish(&mut shards, steps);
    let due = shards.deadline().unwrap();
    let steps = shards.on_tick(due);
    assert_eq!(standbys(&steps), ["http://ps2:1"], "{steps:?}");
    // It follows: nothing changes until it is asked again.
    assert_eq!(finish(&mut shards, steps).len(), 1);
    let due = shards.deadline().unwrap();
    let steps = shards.on_tick(due);
    let (op, _) = ops(&steps)[0];
    let steps = shards.on_done(ShardIndex(0), op, passing("it is silent"), due);
    assert!(
        matches!(&steps[..], [
            ShardStep::Exposed { address, .. },
            ShardStep::Ask(ShardIo::Detach { .. })
        ] if address == "http://ps2:1"),
        "{steps:?}"
    );
    finish(&mut shards, steps);
    let due = shards.deadline().unwrap();
    let steps = shards.on_tick(due);
    assert_eq!(standbys(&steps), ["http://ps3:1"], "{steps:?}");
    // The primary dies, and the one that was silent is not the one that takes over.
    finish(&mut shards, steps);
    let steps = shards.on_servers(servers(&[2, 3]), due);
    finish(&mut shards, steps);
    assert_eq!(terms(&shards), [at(3, 2)]);
}

#[test]
fn a_standby_takes_over_from_a_primary_that_did_not_answer_before_it_was_known_to_be_gone() {
    let mut shards = Shards::new(std::slice::from_ref(&(0..5)), Standbys::Always, Recovery::Together, NOW);
    let steps = shards.on_servers(servers(&[1, 2]), NOW);
    finish(&mut shards, steps);
    let steps = shards.train(NOW);
    finish(&mut shards, steps);
    let mut due = NOW;
    for _ in 0..2 {
        due = shards.deadline().unwrap();
        let steps = shards.on_tick(due);
        assert!(matches!(steps[..], [ShardStep::Ask(ShardIo::Check { .. })]), "{steps:?}");
        assert_eq!(shards.on_done(ShardIndex(0), ops(&steps)[0].0, unanswered(), due), []);
    }
    let steps = shards.on_servers(servers(&[2]), due);
    let all = finish(&mut shards, steps);
    assert_eq!((moves(&all), terms(&shards)), (vec![Some(Move::Promoted)], vec![at(2, 2)]));
    assert!(!all.contains(&ShardStep::GoBack));
}

fn unanswered() -> Result<(), ShardFault> {
    Err(ShardFault::Unanswered("connection refused".to_owned()))
}

/// A shard on server 1 with a standby on server 2, whose primary is lost: the standby is being promoted.
fn promoting() -> (Shards, Vec<ShardStep>) {
    let mut shards = Shards::new(std::slice::from_ref(&(0..5)), Standbys::Always, Recovery::Together, NOW);
    let steps = shards.on_servers(servers(&[1, 2, 3]), NOW);
    finish(&mut shards, steps);
    let steps = shards.train(NOW);
    finish(&mut shards, steps);
    let steps = shards.on_servers(servers(&[2, 3]), NOW);
    (shards, steps)
}

/// The places where standbys are promoted, with their terms.
fn promoted(steps: &[ShardStep]) -> Vec<(String, u64)> {
    let place = |step: &ShardStep| match step {
        ShardStep::Ask(ShardIo::Promote { place, .. }) => Some((place.address.clone(), place.term)),
        _ => None,
    };
    steps.iter().filter_map(place).collect()
}

#[test]
fn a_standby_that_does_not_answer_when_it_is_promoted_is_promoted_again_in_a_higher_term() {
    let (mut shards, mut steps) = promoting();
    let mut due = NOW;
    for term in 2..5 {
        assert_eq!(promoted(&steps), [at(2, term)]);
        assert_eq!(shards.on_done(ShardIndex(0), ops(&steps)[0].0, unanswered(), due), []);
        assert!(!shards.all_ready());
        due = shards.deadline().unwrap();
        steps = shards.on_tick(due);
        assert_eq!(steps.len(), 1, "{steps:?}");
    }
    let all = finish(&mut shards, steps);
    assert_eq!((moves(&all), terms(&shards)), (vec![Some(Move::Promoted)], vec![at(2, 5)]));
    assert!(!all.contains(&ShardStep::GoBack));
}

#[test]
fn a_shard_moves_through_its_standby_though_an_answer_of_that_was_lost() {
    let mut shards = Shards::new(std::slice::from_ref(&(0..5)), Standbys::ToMove, Recovery::Together, NOW);
    let steps = shards.on_servers(servers(&[1, 2]), NOW);
    finish(&mut shards, steps);
    shards.train(NOW);
    let mut leaving = servers(&[1, 2]);
    leaving[0].draining = true;
    let steps = shards.on_servers(leaving, NOW);
    let steps = shards.on_done(ShardIndex(0), ops(&steps)[0].0, Ok(()), NOW);
    assert_eq!(promoted(&steps), [at(2, 2)]);
    assert_eq!(shards.on_done(ShardIndex(0), ops(&steps)[0].0, unanswered(), NOW), []);
    // Its primary may have learned of it by then, and refuse whatever it is asked.
    let due = shards.deadline().unwrap();
    let steps = shards.on_tick(due);
    assert_eq!((promoted(&steps), steps.len()), (vec![at(2, 3)], 1));
    finish(&mut shards, steps);
    assert_eq!(terms(&shards), [at(2, 3)]);
}

#[test]
fn a_shard_is_made_anew_when_its_standby_is_gone_or_refuses_to_take_over() {
    for fault in [ShardFault::Absent("not here".to_owned()), ShardFault::Passing("moved".to_owned())] {
        let (mut shards, steps) = promoting();
        let failed = shards.on_done(ShardIndex(0), ops(&steps)[0].0, Err(fault), NOW);
        assert!(matches!(failed[..], [ShardStep::GoBack, ShardStep::Make(_)]), "{failed:?}");
    }
    // It is lost between two tries.
    let (mut shards, steps) = promoting();
    shards.on_done(ShardIndex(0), ops(&steps)[0].0, unanswered(), NOW);
    let lost = shards.on_servers(servers(&[3]), NOW);
    assert!(lost.iter().any(|step| matches!(step, ShardStep::Make(_))), "{lost:?}");
}

#[test]
fn a_standby_that_never_answers_is_given_up_at_last_and_the_job_is_not() {
    let (mut shards, mut steps) = promoting();
    let (mut now, mut tries) = (NOW, 0);
    while !promoted(&steps).is_empty() {
        tries += 1;
        steps = shards.on_done(ShardIndex(0), ops(&steps)[0].0, unanswered(), now);
        while steps.is_empty() {
            now = shards.deadline().unwrap();
            steps = shards.on_tick(now);
        }
    }
    assert!((5..50).contains(&tries), "{tries}");
    assert!(matches!(steps[..], [ShardStep::GoBack, ShardStep::Make(_)]), "{steps:?}");
}

#[test]
fn a_standby_that_leaves_does_not_take_over_from_when_it_is_being_detached() {
    let mut shards = Shards::new(std::slice::from_ref(&(0..5)), Standbys::Always, Recovery::Alone, NOW);
    let steps = shards.on_servers(servers(&[1, 2, 3]), NOW);
    finish(&mut shards, steps);
    let steps = shards.train(NOW);
    assert_eq!(standbys(&steps), ["http://ps2:1"]);
    finish(&mut shards, steps);
    let mut leaving = servers(&[1, 2, 3]);
    leaving[1].draining = true;
    let steps = shards.on_servers(leaving.clone(), NOW);
    assert!(matches!(steps[..], [ShardStep::Ask(ShardIo::Detach { .. })]), "{steps:?}");
    // Its primary goes on alone by then, perhaps, and dies.
    let steps = shards.on_servers(leaving.split_off(1), NOW);
    assert!(steps.iter().any(|step| matches!(step, ShardStep::Make(_))), "{steps:?}");
    finish(&mut shards, steps);
    assert_eq!(terms(&shards), [at(3, 2)]);
}

#[test]
fn standbys_that_fail_are_tried_ever_more_seldom_and_the_job_goes_on() {
    let mut shards = Shards::new(std::slice::from_ref(&(0..5)), Standbys::Always, Recovery::Alone, NOW);
    let steps = shards.on_servers(servers(&[1, 2, 3]), NOW);
    finish(&mut shards, steps);
    let (mut now, mut steps) = (NOW, shards.train(NOW));
    let (mut tried, mut pauses) = (Vec::new(), Vec::new());
    while tried.len() < 40 {
        let (op, _) = ops(&steps)[0];
        tried.extend(standbys(&steps).into_iter().map(str::to_owned));
        let failed = shards.on_done(ShardIndex(0), op, passing("no memory"), now);
        assert!(!failed.iter().any(|step| matches!(step, ShardStep::GiveUp(_))));
        let said = failed.iter().any(|step| matches!(step, ShardStep::Exposed { .. }));
        assert_eq!(said, tried.len() == 1);
        finish(&mut shards, failed);
        let due = shards.deadline().unwrap();
        pauses.push(due.since(now));
        now = due;
        steps = shards.on_tick(now);
    }
    assert!(tried.iter().any(|to| to == "http://ps2:1") && tried.iter().any(|to| to == "http://ps3:1"));
    assert!(pauses.is_sorted() && pauses[39] > 10 * pauses[0], "{pauses:?}");
}

#[test]
fn what_is_pushed_without_a_lock_has_no_standby_even_when_its_server_leaves() {
    let hogwild = Mode::Hogwild { push_every: PushEvery::Epoch };
    let mut shards = training(Standbys::of(&hogwild, 1), Recovery::Alone);
    let mut leaving = servers(&[1, 2]);
    leaving[0].draining = true;
    assert_eq!(shards.on_servers(leaving, NOW), []);
}
