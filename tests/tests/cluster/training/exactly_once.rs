//! Whatever is killed or put to sleep, every batch counts exactly once.

use howdah_proto::{
    Attempt, Partition, StageId,
    event::{Event, Role, StageKind},
    pb::{
        self, exchange_client::ExchangeClient, parameters_client::ParametersClient, push_reply::Outcome,
        push_request::Part,
    },
    transport::connect,
};
use howdah_tests::{
    cluster::Cluster,
    job::Job,
    log,
    pictures::Pictures,
    process::{Process, Signal},
    settings::counting,
};

const SMALL: [&str; 12] = [
    "--synthetic",
    "150",
    "--size",
    "16",
    "--hidden",
    "8",
    "--epochs",
    "6",
    "--batch",
    "1",
    "--executors",
    "3",
];

#[test]
fn killing_executors_at_random_points_applies_every_batch_exactly_once() {
    for (seed, shards, kills) in [("1", "2", "3"), ("2", "3", "4"), ("3", "2", "5"), ("4", "3", "3")] {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("run");
        let place = ["drill", "--output", output.to_str().unwrap()];
        let chances = ["--seed", seed, "--shards", shards, "--kills", kills, "--push-every", "1"];
        let drill = Process::driver(place.iter().chain(&SMALL).chain(&chances)).wait().success();

        let events = log::events(&output);
        let report = log::report(&events);
        log::assert_counted_exactly_once(report);
        assert_eq!(report.shards.len().to_string(), shards);
        assert!(report.executors_lost >= 1, "{report:?}");
        assert!(drill.stdout.contains(&format!("counts {} batches, exactly", report.batches)), "{drill:?}");
    }
}

#[test]
fn a_drill_goes_through_many_seeds_whoever_is_killed_or_put_to_sleep() {
    for copies in ["1", "2"] {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("drill");
        let place =
            ["drill", "--output", output.to_str().unwrap(), "--seed", "5", "--seeds", "3", "--at-once", "2"];
        let harm = [
            "--kills",
            "1",
            "--kill-shards",
            "1",
            "--pauses",
            "1",
            "--pause-executors",
            "1",
            "--pause",
            "0.5",
        ];
        let shards = ["--replicas", copies, "--shards", "3", "--push-every", "1"];
        let drill = Process::driver(place.iter().chain(&SMALL).chain(&harm).chain(&shards)).wait().success();
        for seed in ["seed 5: ", "seed 6: ", "seed 7: "] {
            assert!(drill.stdout.contains(seed), "{drill:?}");
            assert!(!output.join(seed.replace(' ', "-").trim_end_matches(":-")).exists());
        }
        assert!(drill.stdout.contains("3 of 3 seeds exact"), "{drill:?}");
    }
}

#[test]
fn an_executor_that_is_killed_while_it_trains_loses_no_batch_and_doubles_none() {
    let pictures = Pictures::draw(160);
    let cluster = Cluster::start();
    let _paramservers = [cluster.paramserver("left"), cluster.paramserver("right")];
    let victim = cluster.executor("victim");
    let _other = cluster.executor("other");
    let mut job = cluster.submit(&counting(&pictures.data, 60));
    let id = job.member("victim");
    job.wait_for_training_on(id);
    victim.send(Signal::KILL);
    let report = job.wait_for_report();
    log::assert_counted_exactly_once(&report);
    assert_eq!((report.shards.len(), report.executors_lost), (2, 1));
}

#[test]
fn an_executor_that_wakes_up_after_it_was_given_up_changes_nothing() {
    let pictures = Pictures::draw(160);
    let cluster = Cluster::impatient();
    let _paramservers = [cluster.paramserver("left"), cluster.paramserver("right")];
    let mut sleeper = cluster.executor("sleeper");
    let _other = cluster.executor("other");
    let mut job = cluster.submit(&counting(&pictures.data, 100));
    let id = job.member("sleeper");
    job.wait_for_training_on(id);
    sleeper.send(Signal::STOP);
    // Its task may be with the other before it is given up, as a slow one.
    let (mut reason, mut again) = (None, false);
    job.wait_for("the loss of the sleeper, and another attempt at its task", |event| {
        match event {
            Event::MemberLost { member, reason: why, .. } if *member == id => reason = Some(why.clone()),
            Event::TaskStarted { attempt, .. } if attempt.0 > 1 => again = true,
            _ => {}
        }
        (reason.is_some() && again).then_some(())
    });
    assert!(reason.is_some_and(|reason| reason.contains("no heartbeat for 2 s")));
    sleeper.send(Signal::CONT);
    sleeper.wait_for_line("has joined");
    log::assert_counted_exactly_once(&job.wait_for_report());
}

#[test]
fn a_push_of_an_attempt_that_has_been_taken_over_is_refused() {
    let pictures = Pictures::draw(160);
    let cluster = Cluster::start();
    let _paramserver = cluster.paramserver("paramserver");
    let victim = cluster.executor("victim");
    let _other = cluster.executor("other");
    let mut job = cluster.submit(&counting(&pictures.data, 100));
    let id = job.member("victim");
    job.wait_for_training_on(id);
    // It has a task that it doesn't end, or is given one with the next stage.
    victim.send(Signal::STOP);
    let (stage, partition, next) = job.wait_for_training_again();
    job.wait_for("the success of the next attempt", |event| {
        matches!(event, Event::TaskSucceeded { stage: of, partition: on, .. }
            if (*of, *on) == (stage, partition))
        .then_some(())
    });
    let outcome = cluster.block_on(push_ones(&job, stage, partition, Attempt(next.0 - 1)));
    assert_eq!(outcome, Outcome::Superseded);
    victim.send(Signal::KILL);
    let report = job.wait_for_report();
    log::assert_counted_exactly_once(&report);
    assert!(report.shards[0].pushes_superseded >= 1, "{report:?}");
}

/// Pushes ones for the first step of a task, as an attempt would.
async fn push_ones(job: &Job, stage: StageId, partition: Partition, attempt: Attempt) -> Outcome {
    let epoch = job.heard.iter().find_map(|event| match event {
        Event::StageStarted { stage: this, kind: StageKind::Train { epoch }, .. } if *this == stage => {
            Some(epoch.0)
        }
        _ => None,
    });
    let address = job.heard.iter().find_map(|event| match event {
        Event::MemberJoined { role: Role::Paramserver, address, .. } => Some(address.clone()),
        _ => None,
    });
    let channel = connect(&address.unwrap()).await.unwrap();
    let shard = pb::ShardRef { job_id: job.id.0, shard: 0, term: 1 };
    let values = ParametersClient::new(channel.clone()).status(shard).await.unwrap().into_inner().values;
    let task = pb::TrainTaskId { epoch: epoch.unwrap(), partition: partition.0 };
    let fence = pb::Fence { task: Some(task), attempt: attempt.0, first_step: 1, last_step: 1 };
    let header = pb::PushHeader { shard: Some(shard), fence: Some(fence), ..Default::default() };
    let ones: Vec<u8> = (0..values).flat_map(|_| 1f32.to_le_bytes()).collect();
    let parts = [Part::Header(header), Part::Data(ones.into())];
    let requests = parts.map(|part| pb::PushRequest { part: Some(part) });
    ExchangeClient::new(channel).push(futures::stream::iter(requests)).await.unwrap().into_inner().outcome()
}
