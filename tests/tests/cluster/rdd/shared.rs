//! Broadcast values and accumulators, after Spark's BroadcastSuite and AccumulatorSuite.

use howdah_driver::rdd::{AccumulatorValue, Context, Sum};
use howdah_tests::{
    behaviours,
    rdd::functions::{Adds, AddsEach, LooksUp, ToPair, Trouble},
};

behaviours![
    every_task_reads_what_was_broadcast,
    a_large_value_is_broadcast_whole,
    a_forgotten_value_fails_the_function_by_name,
    accumulators_add_up_over_tasks_and_jobs,
    a_task_that_was_tried_again_counts_once,
    what_a_failed_job_added_is_not_counted,
    map_tasks_count_once_though_their_outputs_are_read_twice,
];

async fn every_task_reads_what_was_broadcast(context: Context) {
    let words = context.broadcast(&vec!["so".to_owned(), "it".to_owned()]).await.unwrap();
    let found = context.range(0..4, 3).map(LooksUp(words)).collect().await.unwrap();
    assert_eq!(found, ["so", "it", "so", "it"]);
}

async fn a_large_value_is_broadcast_whole(context: Context) {
    let large: Vec<String> = (0..100).map(|number| format!("{number}").repeat(50_000)).collect();
    let words = context.broadcast(&large).await.unwrap();
    let found = context.range(0..100, 4).map(LooksUp(words)).collect().await.unwrap();
    assert!(found == large);
}

async fn a_forgotten_value_fails_the_function_by_name(context: Context) {
    let words = context.broadcast(&vec!["gone".to_owned()]).await.unwrap();
    context.forget(words).await.unwrap();
    let error = context.range(0..1, 1).map(LooksUp(words)).count().await.unwrap_err().to_string();
    assert!(error.contains("looks_up") && error.contains(&words.object().to_string()), "{error}");
}

async fn accumulators_add_up_over_tasks_and_jobs(context: Context) {
    let (first, second) = (context.accumulator(), context.accumulator());
    let numbers = context.range(0..100, 7);
    numbers.for_each(AddsEach(first)).await.unwrap();
    assert_eq!(context.value(&first), AccumulatorValue::Signed(4950));
    assert_eq!(context.value(&second), AccumulatorValue::Signed(0));
    numbers.map(Adds(second)).for_each(AddsEach(first)).await.unwrap();
    assert_eq!(context.value(&first), AccumulatorValue::Signed(9900));
    assert_eq!(context.value(&second), AccumulatorValue::Signed(4950));
}

async fn a_task_that_was_tried_again_counts_once(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let sum = context.accumulator();
    let trouble = Trouble::fails(99).times(folder.path(), 2);
    context.range(0..100, 4).map(Adds(sum)).map(trouble).count().await.unwrap();
    assert_eq!(Trouble::tried(folder.path()), 3);
    assert_eq!(context.value(&sum), AccumulatorValue::Signed(4950));
}

async fn what_a_failed_job_added_is_not_counted(context: Context) {
    let sum = context.accumulator();
    context.range(0..100, 4).map(Adds(sum)).map(Trouble::fatal(99)).count().await.unwrap_err();
    assert_eq!(context.value(&sum), AccumulatorValue::Signed(0));
}

async fn map_tasks_count_once_though_their_outputs_are_read_twice(context: Context) {
    let sum = context.accumulator();
    let sums = context.range(0..100, 4).map(Adds(sum)).map(ToPair(5)).reduce_by_key(Sum::default());
    for _ in 0..2 {
        assert_eq!(sums.count().await.unwrap(), 5);
    }
    assert_eq!(context.value(&sum), AccumulatorValue::Signed(4950));
}
