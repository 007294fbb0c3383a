//! Executors that are killed, stopped and drained while actions run: the answer is that of an undisturbed run.

use std::path::Path;

use howdah_driver::rdd::{AccumulatorValue, Context, ContextError, Rdd, StorageLevel};
use howdah_tests::{
    deadline::look_until,
    process::Signal,
    rdd::{
        RddCluster,
        functions::{Adds, Gate, Large, Modulo, SumFrom},
    },
};

const NUMBERS: i64 = 600;
const PARTITIONS: u32 = 6;
/// It lies in the last partition, which runs when the others are done or under way.
const LATE: i64 = NUMBERS - 1;

/// The sums of the numbers by their rest, in the order of the rests.
fn sums() -> Vec<(i64, i64)> {
    (0..10).map(|rest| (rest, (0..NUMBERS).filter(|number| number % 10 == rest).sum())).collect()
}

/// Adds the numbers up by their rest; the gates hold up a map task or a reduce task.
struct Job {
    context: Context,
    accumulator: howdah_driver::rdd::Accumulator<i64>,
    sums: Rdd<i64>,
}

impl Job {
    fn new(cluster: &RddCluster, gates: &Path, on_map: i64, on_reduce: i64) -> Self {
        let context = cluster.context();
        let accumulator = context.accumulator();
        let numbers = context.range(0..NUMBERS, PARTITIONS).map(Gate::on(gates, on_map));
        let pairs = numbers.map(Adds(accumulator)).key_by(Modulo(10)).shuffle_into(5);
        let sums = pairs.aggregate_by_key(SumFrom(0)).values().map(Gate::on(gates, on_reduce));
        Self { context, accumulator, sums }
    }

    /// Runs the job; does something when a task stands before the gate, and opens the gate after it.
    fn disturbed(&self, cluster: &RddCluster, gates: &Path, on: i64, disturb: impl FnOnce()) {
        let sums = self.sums.clone();
        let running = cluster.spawn_on(async move { sums.collect().await });
        Gate::wait_for(gates, on, 1);
        disturb();
        Gate::open(gates, on);
        self.check(cluster.block_on(running).unwrap());
    }

    fn check(&self, collected: Result<Vec<i64>, ContextError>) {
        let mut collected = collected.unwrap();
        collected.sort_unstable();
        let mut expected: Vec<i64> = sums().into_iter().map(|(_, sum)| sum).collect();
        expected.sort_unstable();
        assert_eq!(collected, expected);
        let added = self.context.value(&self.accumulator);
        assert_eq!(added, AccumulatorValue::Signed((0..NUMBERS).sum()));
    }
}

/// No number and no sum.
const NEVER: i64 = -1;

fn a_sum() -> i64 {
    sums()[3].1
}

#[test]
fn an_executor_that_dies_before_its_map_outputs_are_fetched_is_made_good() {
    for victim in ["executor-1", "executor-2", "executor-3"] {
        let (cluster, gates) = (RddCluster::start(3), tempfile::tempdir().unwrap());
        let job = Job::new(&cluster, gates.path(), LATE, NEVER);
        job.disturbed(&cluster, gates.path(), LATE, || cluster.kill(victim));
    }
}

#[test]
fn an_executor_that_dies_while_map_outputs_are_fetched_is_made_good() {
    for victim in ["executor-1", "executor-2"] {
        let (cluster, gates) = (RddCluster::start(2), tempfile::tempdir().unwrap());
        let job = Job::new(&cluster, gates.path(), NEVER, a_sum());
        job.disturbed(&cluster, gates.path(), a_sum(), || cluster.kill(victim));
    }
}

#[test]
fn a_job_waits_when_all_executors_die_and_goes_on_when_new_ones_join() {
    let (cluster, gates) = (RddCluster::start(2), tempfile::tempdir().unwrap());
    let job = Job::new(&cluster, gates.path(), NEVER, a_sum());
    job.disturbed(&cluster, gates.path(), a_sum(), || {
        cluster.names().iter().for_each(|name| cluster.kill(name));
        cluster.add("executor-3");
        cluster.add("executor-4");
    });
}

#[test]
fn an_executor_that_dies_again_and_again_is_made_good() {
    let (cluster, gates) = (RddCluster::start(1), tempfile::tempdir().unwrap());
    let job = Job::new(&cluster, gates.path(), LATE, NEVER);
    job.disturbed(&cluster, gates.path(), LATE, || {
        for death in 1..=4 {
            Gate::wait_for(gates.path(), LATE, death);
            cluster.kill("executor-1");
            cluster.add("executor-1");
        }
    });
}

#[test]
fn what_an_executor_reports_after_it_was_silent_for_too_long_does_not_count() {
    let (cluster, gates) = (RddCluster::impatient(1, &["--slots", "1"]), tempfile::tempdir().unwrap());
    let job = Job::new(&cluster, gates.path(), LATE, NEVER);
    job.disturbed(&cluster, gates.path(), LATE, || {
        cluster.stop("executor-1");
        cluster.add("executor-2");
        // The same task runs on the other one as soon as the first is taken for lost.
        Gate::wait_for(gates.path(), LATE, 2);
        Gate::open(gates.path(), LATE);
        cluster.cont("executor-1");
    });
}

#[test]
fn an_executor_that_is_drained_takes_its_map_outputs_and_blocks_with_it() {
    let (cluster, gates) = (RddCluster::start(2), tempfile::tempdir().unwrap());
    let job = Job::new(&cluster, gates.path(), NEVER, a_sum());
    job.disturbed(&cluster, gates.path(), a_sum(), || {
        cluster.send("executor-1", Signal::TERM);
        cluster.add("executor-3");
    });
}

#[test]
fn cached_partitions_that_die_with_their_executor_are_computed_again() {
    for level in [StorageLevel::MEMORY, StorageLevel::DISK, StorageLevel::MEMORY.twice()] {
        let (cluster, gates) = (RddCluster::start(3), tempfile::tempdir().unwrap());
        let job = Job::new(&cluster, gates.path(), NEVER, NEVER);
        let kept = job.sums.persist(level);
        job.check(cluster.block_on(kept.collect()));
        for victim in ["executor-1", "executor-2"] {
            cluster.kill(victim);
            let again = Job { sums: kept.clone(), ..Job::new(&cluster, gates.path(), NEVER, NEVER) };
            let mut collected = cluster.block_on(again.sums.collect()).unwrap();
            collected.sort_unstable();
            assert_eq!(collected.iter().sum::<i64>(), (0..NUMBERS).sum::<i64>());
        }
    }
}

#[test]
fn an_executor_that_dies_while_it_sends_megabytes_of_results_is_made_good() {
    let (cluster, gates) = (RddCluster::start(2), tempfile::tempdir().unwrap());
    let context = cluster.context();
    let texts = context.range(0..24, 4).map(Gate::on(gates.path(), 23)).map(Large(1 << 20));
    let running = cluster.spawn_on(async move { texts.collect().await });
    Gate::wait_for(gates.path(), 23, 1);
    cluster.kill("executor-1");
    Gate::open(gates.path(), 23);
    let texts = cluster.block_on(running).unwrap().unwrap();
    let begins = |(number, text): (i64, &String)| text.starts_with(&format!("{number} "));
    assert!(texts.len() == 24 && (0..).zip(&texts).all(begins));
    assert!(texts.iter().all(|text| text.len() == 1 << 20));
}

#[test]
fn an_executor_that_dies_while_it_spills_is_made_good() {
    for victim in ["executor-1", "executor-2"] {
        let cluster = RddCluster::with(2, &["--slots", "1", "--memory", "4MiB"]);
        let gates = tempfile::tempdir().unwrap();
        let context = cluster.context();
        // 20 MiB in each partition: what comes before its last number has left the memory.
        let lasts = [19_999, 39_999];
        let gate = |last| Gate::on(gates.path(), last);
        let numbers = context.range(0..40_000, 2).map(gate(lasts[0])).map(gate(lasts[1]));
        let texts = numbers.map(Large(1 << 10)).distinct();
        let running = cluster.spawn_on(async move { texts.count().await });
        lasts.into_iter().for_each(|last| Gate::wait_for(gates.path(), last, 1));
        let spilled = ["executor-1", "executor-2"].map(|name| files_in(&cluster.folder().join(name)));
        assert!(spilled.iter().all(|files| *files > 0), "{spilled:?}");
        cluster.kill(victim);
        lasts.into_iter().for_each(|last| Gate::open(gates.path(), last));
        assert_eq!(cluster.block_on(running).unwrap().unwrap(), 40_000);
    }
}

#[test]
fn executors_drop_everything_of_a_program_that_vanishes() {
    let (cluster, gates) = (RddCluster::start(2), tempfile::tempdir().unwrap());
    let job = Job::new(&cluster, gates.path(), NEVER, NEVER);
    let kept = job.sums.persist(StorageLevel::DISK.twice());
    job.check(cluster.block_on(kept.collect()));
    let scratch = ["executor-1", "executor-2"].map(|name| cluster.folder().join(name));
    let files = || scratch.iter().map(|folder| files_in(folder)).sum::<usize>();
    assert!(files() > 0);
    drop((kept, job));
    look_until("empty scratch folders", || (files() == 0).then_some(()));
}

/// The files in a scratch folder, without the lock that says whose it is.
fn files_in(folder: &Path) -> usize {
    let (mut waiting, mut files) = (vec![folder.to_owned()], 0);
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                waiting.push(entry.path());
            } else {
                files += usize::from(entry.file_name() != "lock");
            }
        }
    }
    files
}
