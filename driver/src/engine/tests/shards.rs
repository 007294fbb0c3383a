//! Training jobs whose parameter servers die and come back: in the end every shard has every step exactly once,
//! which the job checks itself before it finishes.

use std::time::Duration;

use howdah_proto::{
    event::{Event, Move},
    settings::{Mode, PushEvery, SnapshotSettings, TrainSettings},
};
use rand::Rng;

use super::cluster::Cluster;
use crate::{engine::IoRequest, train::fixture::settings};

const SEEDS: u64 = 150;
const SERVERS: u32 = 3;
const HEARTBEAT: Duration = Duration::from_secs(2);

pub(super) fn job(mode: Mode, copies: u32, snapshots: bool) -> TrainSettings {
    let place =
        SnapshotSettings { location: "/runs/a/snapshots".to_owned(), every_seconds: 1, goes_on: false };
    TrainSettings {
        mode,
        shard_copies: copies,
        shards: Some(3),
        partitions: Some(3),
        // Attempts don't wait for their shards here, as real ones do.
        task_attempts: 1_000,
        snapshots: snapshots.then_some(place),
        ..settings(3)
    }
}

pub(super) const STREAM: Mode = Mode::Asynchronous { push_every: PushEvery::Steps(1) };
pub(super) const ROUNDS: Mode = Mode::Local { steps: 2 };

pub(super) fn cluster(seed: u64) -> Cluster {
    let mut cluster = Cluster::without_members(seed);
    for number in 1..=SERVERS {
        cluster.server(number);
    }
    for slots in [1, 2] {
        cluster.executor(slots);
    }
    cluster.pictures = (cluster.random.random_range(30..200), cluster.random.random_range(0..30));
    cluster
}

/// Lets everybody act, and kills and starts servers now and then; what is dead at the end is started again.
pub(super) fn run_with_kills(cluster: &mut Cluster, kills: u32) {
    let (mut left, mut dead) = (kills, Vec::new());
    for _ in 0..20_000 {
        match cluster.random.random_range(0..12) {
            0 if left > 0 => {
                left -= 1;
                let number = cluster.random.random_range(1..=SERVERS);
                let noticed = cluster.random.random_bool(0.7);
                cluster.kill_server(number, noticed);
                dead.push(number);
            }
            1 if !dead.is_empty() => {
                let number = dead.swap_remove(cluster.random.random_range(0..dead.len()));
                cluster.server(number);
            }
            2 => {
                if let Some((id, attempt)) = cluster.attempts().first().copied() {
                    let steps = cluster.random.random_range(1..5);
                    cluster.push_some(id, attempt, steps);
                }
            }
            3 => cluster.tick(cluster.now),
            _ => {}
        }
        cluster.beat();
        if !cluster.step() {
            // Silence is noticed, too.
            for number in 1..=SERVERS {
                cluster.notice(number);
            }
            match (dead.pop(), cluster.engine.next_deadline()) {
                (Some(number), _) => drop(cluster.server(number)),
                (None, Some(due)) => {
                    let soon = cluster.now.after(HEARTBEAT);
                    cluster.tick(due.max(cluster.now).min(soon));
                }
                (None, None) => return,
            }
        }
    }
    panic!("it does not end: {:#?}", cluster.engine);
}

fn every_step_counts_once(mode: Mode, copies: u32, snapshots: bool) -> (u64, u64) {
    let (mut lost, mut restored) = (0, 0);
    for seed in 0..SEEDS {
        let mut cluster = cluster(seed);
        let id = cluster.submit(job(mode, copies, snapshots));
        run_with_kills(&mut cluster, 6);
        let last = cluster.last_event(id).clone();
        assert!(matches!(last, Event::JobFinished(_)), "seed {seed}: {last:?}");
        cluster.check_clean();
        let Event::JobFinished(report) = last else { continue };
        assert_eq!(report.epochs.iter().map(|epoch| epoch.epoch.0).collect::<Vec<_>>(), [1, 2, 3]);
        lost += report.shards_lost;
        let from_snapshot = |event: &&Event| matches!(event, Event::ShardMoved { how: Move::Restored, .. });
        restored += cluster.jobs[&id].events.iter().filter(from_snapshot).count() as u64;
    }
    (lost, restored)
}

#[test]
fn every_step_counts_once_in_a_stream_without_standbys_or_snapshots() {
    let (lost, restored) = every_step_counts_once(STREAM, 1, false);
    assert!(lost > SEEDS && restored == 0, "{lost} {restored}");
}

#[test]
fn every_step_counts_once_in_a_stream_with_snapshots() {
    let (lost, restored) = every_step_counts_once(STREAM, 1, true);
    assert!(lost > SEEDS && restored > SEEDS / 4, "{lost} {restored}");
}

#[test]
fn every_step_counts_once_in_a_stream_with_standbys() {
    every_step_counts_once(STREAM, 2, false);
    every_step_counts_once(STREAM, 2, true);
}

#[test]
fn every_step_counts_once_in_rounds_without_standbys_or_snapshots() {
    let (lost, restored) = every_step_counts_once(ROUNDS, 1, false);
    assert!(lost > SEEDS && restored == 0, "{lost} {restored}");
}

#[test]
fn every_step_counts_once_in_rounds_with_snapshots() {
    let (lost, restored) = every_step_counts_once(ROUNDS, 1, true);
    assert!(lost > SEEDS && restored > SEEDS / 4, "{lost} {restored}");
}

#[test]
fn every_step_counts_once_in_rounds_with_standbys() {
    every_step_counts_once(ROUNDS, 2, false);
    every_step_counts_once(ROUNDS, 2, true);
}

#[test]
fn rounds_with_backups_go_on_without_the_slowest_and_end_whatever_dies() {
    every_step_counts_once(Mode::Synchronous { backups: 1 }, 1, true);
    every_step_counts_once(Mode::Synchronous { backups: 1 }, 2, false);
}

#[test]
fn a_standby_takes_over_and_nothing_is_computed_again() {
    for seed in 0..40 {
        let mut cluster = cluster(seed);
        let id = cluster.submit(job(STREAM, 2, false));
        let in_sync = |cluster: &Cluster| {
            let attach = |(_, request): &(_, IoRequest)| {
                matches!(request, IoRequest::Shard(_) | IoRequest::MakeShards(_))
            };
            let trains = |event: &Event| {
                matches!(
                    event,
                    Event::StageStarted { kind: howdah_proto::event::StageKind::Train { .. }, .. }
                )
            };
            cluster.jobs[&id].events.iter().any(trains) && !cluster.pending.iter().any(attach)
        };
        while !in_sync(&cluster) {
            assert!(cluster.step());
        }
        cluster.kill_server(1, true);
        cluster.run();
        cluster.check_finished(id);
        let moves: Vec<Move> = cluster.jobs[&id]
            .events
            .iter()
            .filter_map(|event| match event {
                Event::ShardMoved { how, .. } => Some(*how),
                _ => None,
            })
            .collect();
        assert!(
            !moves.is_empty() && moves.iter().all(|how| *how == Move::Promoted),
            "seed {seed}: {moves:?}"
        );
    }
}
