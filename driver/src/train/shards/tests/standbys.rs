use super::*;

/// A shard on the first of some servers, that is to have a standby.
fn one_shard(numbers: &[u64], recovery: Recovery) -> Shards {
    let mut shards = Shards::new(std::slice::from_ref(&(0..5)), Standbys::Always, recovery, NOW);
    let steps = shards.on_servers(servers(numbers), NOW);
    finish(&mut shards, steps);
    shards
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
    let mut shards = one_shard(&[1, 2, 3], Recovery::Alone);
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
    let mut shards = one_shard(&[1, 2], Recovery::Together);
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
    let mut shards = one_shard(&[1, 2, 3], Recovery::Together);
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
    let mut shards = one_shard(&[1, 2, 3], Recovery::Alone);
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
    let mut shards = one_shard(&[1, 2, 3], Recovery::Alone);
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
