//! What goes wrong in functions and programs, after Spark's FailureSuite and JobCancellationSuite.

use howdah_driver::rdd::{Context, ContextError, Failure, Function, Map, Registry};
use howdah_tests::{
    behaviours,
    rdd::{
        RddCluster,
        functions::{Double, Endless, Gate, Modulo, Trouble, registry},
        in_process,
    },
};
use serde::{Deserialize, Serialize};

behaviours![
    a_task_that_fails_three_times_works_the_fourth_time,
    a_task_that_fails_for_ever_is_tried_four_times,
    a_fatal_failure_is_not_tried_again_and_names_its_place,
    a_panic_fails_its_task_and_not_its_executor,
    parameters_that_make_no_sense_are_refused_by_name,
    a_job_that_fails_leaves_others_alone,
    two_jobs_run_at_once,
    results_above_the_limit_say_what_to_do,
    a_function_that_was_not_registered_is_named,
];

async fn a_task_that_fails_three_times_works_the_fourth_time(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let flaky = context.range(0..10, 3).map(Trouble::fails(5).times(folder.path(), 3));
    assert_eq!(flaky.sum().await.unwrap(), 45);
    assert_eq!(Trouble::tried(folder.path()), 4);
}

async fn a_task_that_fails_for_ever_is_tried_four_times(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let broken = context.range(0..10, 3).map(Trouble::fails(5).times(folder.path(), 1000));
    let error = broken.count().await.unwrap_err();
    assert!(matches!(error, ContextError::Failed { .. }), "{error}");
    assert!(error.to_string().contains("5 makes trouble"), "{error}");
    assert_eq!(Trouble::tried(folder.path()), 4);
}

async fn a_fatal_failure_is_not_tried_again_and_names_its_place(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let broken = context.range(0..10, 2).map(Trouble::fatal(7).times(folder.path(), 1000));
    let error = broken.with_name_of(&context, "my job").count().await.unwrap_err().to_string();
    for part in ["my job", "trouble", "7 makes trouble", "partition 1"] {
        assert!(error.contains(part), "no `{part}` in: {error}");
    }
    assert_eq!(Trouble::tried(folder.path()), 1);
}

trait Named {
    fn with_name_of(&self, context: &Context, name: &str) -> Self;
}

impl<T> Named for howdah_driver::rdd::Rdd<T> {
    fn with_name_of(&self, context: &Context, name: &str) -> Self {
        self.within(&context.with_name(name))
    }
}

async fn a_panic_fails_its_task_and_not_its_executor(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let flaky = context.range(0..10, 3).map(Trouble::panics(5).times(folder.path(), 2));
    assert_eq!(flaky.sum().await.unwrap(), 45);
    let error = context.range(0..10, 3).map(Trouble::panics(5)).count().await.unwrap_err().to_string();
    assert!(error.contains("5 makes trouble"), "{error}");
    assert_eq!(context.range(0..10, 5).count().await.unwrap(), 10);
}

async fn parameters_that_make_no_sense_are_refused_by_name(context: Context) {
    let error = context.range(0..10, 3).key_by(Modulo(0)).count().await.unwrap_err().to_string();
    assert!(error.contains("modulo") && error.contains("divided by 0"), "{error}");
}

/// Not beside the other behaviours: it wants all slots of a cluster at once.
#[test]
fn a_job_that_is_dropped_lets_go_of_its_slots() {
    let cluster = RddCluster::start(2);
    cluster.block_on(a_job_is_dropped(cluster.context()));
    in_process(a_job_is_dropped);
}

async fn a_job_is_dropped(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    // As many tasks as there are slots, and none of them ends.
    let endless = context.parallelize([1, 1], 2).map(Gate::on(folder.path(), 1)).map_partitions(Endless);
    let job = tokio::spawn(async move { endless.count().await });
    Gate::open(folder.path(), 1);
    let reached = folder.path().to_owned();
    tokio::task::spawn_blocking(move || Gate::wait_for(&reached, 1, 2)).await.unwrap();
    job.abort();
    assert!(job.await.unwrap_err().is_cancelled());
    assert_eq!(context.range(0..10, 4).count().await.unwrap(), 10);
}

async fn a_job_that_fails_leaves_others_alone(context: Context) {
    let broken = context.range(0..10, 2).map(Trouble::fails(3));
    let fine = context.range(0..1000, 20).map(Double);
    let (broken, fine) = tokio::join!(broken.count(), fine.sum());
    assert_eq!((broken.is_err(), fine.unwrap()), (true, 999_000));
}

async fn two_jobs_run_at_once(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    // The first job stays on its slot until the second one is done.
    let first = context.parallelize([1], 1).map(Gate::on(folder.path(), 1));
    let first = tokio::spawn(async move { first.sum().await });
    let reached = folder.path().to_owned();
    tokio::task::spawn_blocking(move || Gate::wait_for(&reached, 1, 1)).await.unwrap();
    let second = context.range(0..10, 4).within(&context.with_pool("second"));
    assert_eq!(second.count().await.unwrap(), 10);
    Gate::open(folder.path(), 1);
    assert_eq!(first.await.unwrap().unwrap(), 1);
}

async fn results_above_the_limit_say_what_to_do(context: Context) {
    let numbers = context.range(0..100_000, 20);
    let error = numbers.within(&context.with_result_limit(200_000)).collect().await.unwrap_err();
    assert!(matches!(error, ContextError::ResultTooLarge { .. }), "{error}");
    assert!(error.to_string().contains("200000 bytes") && error.to_string().contains("hint: "), "{error}");
    // It is the result of one task that is too large.
    let error = numbers.within(&context.with_result_limit(1000)).collect().await.unwrap_err().to_string();
    assert!(error.contains("raise the limit of results") && !error.contains("4 times"), "{error}");
    assert_eq!(numbers.count().await.unwrap(), 100_000);
}

/// A function that is registered by nobody else.
#[derive(Serialize, Deserialize)]
struct Stranger;

impl Function for Stranger {
    const NAME: &'static str = "stranger";
}

impl Map for Stranger {
    type Input = i64;
    type Output = i64;

    fn map(&mut self, number: i64) -> Result<i64, Failure> {
        Ok(number)
    }
}

async fn a_function_that_was_not_registered_is_named(context: Context) {
    let error = context.range(0..10, 3).map(Stranger).count().await.unwrap_err();
    assert!(matches!(error, ContextError::Unregistered { .. }), "{error}");
    assert!(error.to_string().contains("stranger"), "{error}");
}

#[test]
fn a_program_with_a_function_that_the_cluster_lacks_is_refused_by_name() {
    let cluster = RddCluster::start(1);
    let mut more: Registry = registry();
    more.map::<Stranger>();
    let error = cluster.block_on(cluster.connect(more)).unwrap_err().to_string();
    assert!(error.contains("stranger"), "{error}");
    // One that knows less is welcome.
    assert!(cluster.block_on(cluster.connect(Registry::new())).is_ok());
}

#[test]
fn an_executor_without_the_functions_of_the_driver_is_refused_by_name() {
    let cluster = RddCluster::start(1);
    let mut other = cluster.spawn("howdah-executor", "other");
    let line = other.wait_for_line("operator `double` version 1 is missing");
    assert!(line.contains("trouble"), "{line}");
}

#[test]
fn a_task_that_kills_its_executors_ends_its_job_and_not_the_cluster() {
    let cluster = RddCluster::start(2);
    let context = cluster.context();
    let folder = tempfile::tempdir().unwrap();
    let once = context.range(0..10, 2).map(Trouble::kills(9).times(folder.path(), 1));
    assert_eq!(cluster.block_on(once.sum()).unwrap(), 45);
    assert_eq!(Trouble::tried(folder.path()), 2);
    // The eighth executor that dies is the last one.
    let deadly = context.range(0..10, 1).map(Trouble::kills(9));
    let job = cluster.spawn_on(async move { deadly.count().await });
    for number in 3..=9 {
        cluster.add(&format!("executor-{number}"));
    }
    let error = cluster.block_on(job).unwrap().unwrap_err().to_string();
    assert!(error.contains("8 executors were lost while they ran the same task"), "{error}");
    cluster.add("survivor");
    assert_eq!(cluster.block_on(context.range(0..10, 4).count()).unwrap(), 10);
}
