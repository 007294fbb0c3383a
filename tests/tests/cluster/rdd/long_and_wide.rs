//! Long lineages, wide jobs, large partitions and large records.

use howdah_driver::rdd::Context;
use howdah_tests::{
    behaviours,
    rdd::{
        RddCluster,
        functions::{AddOne, Large, Times, ToPair},
    },
};

behaviours![a_hundred_thousand_maps_follow_each_other];

async fn a_hundred_thousand_maps_follow_each_other(context: Context) {
    let mut deep = context.range(0..3, 2).map(ToPair(1));
    for _ in 0..100_000 {
        deep = deep.map_values(AddOne);
    }
    assert_eq!(deep.values().collect().await.unwrap(), [100_000, 100_001, 100_002]);
    assert!(deep.explain().await.unwrap().lines().count() < 1000);
}

#[test]
fn a_hundred_thousand_tasks_are_one_job() {
    let cluster = RddCluster::with(2, &["--slots", "4"]);
    let wide = cluster.context().range(0..100_000, 100_000);
    assert_eq!(cluster.block_on(wide.sum()).unwrap(), 4_999_950_000);
}

#[test]
fn a_partition_many_times_larger_than_memory_streams_through() {
    let cluster = RddCluster::with(1, &["--slots", "1", "--memory", "16MiB"]);
    let context = cluster.context();
    // 300 MB in one partition.
    let large = context.range(0..3, 1).flat_map(Times(100)).map(Large(1_000_000));
    assert_eq!(cluster.block_on(large.count()).unwrap(), 300);
    assert_eq!(cluster.block_on(large.take(2)).unwrap().len(), 2);
}

#[test]
fn a_record_of_a_hundred_megabytes_comes_back_whole() {
    let cluster = RddCluster::start(1);
    let context = cluster.context();
    let record = cluster.block_on(context.range(7..8, 1).map(Large(100_000_000)).collect()).unwrap();
    assert_eq!(record.len(), 1);
    assert!(record[0].len() == 100_000_000 && record[0].starts_with("7 x") && record[0].ends_with('x'));
}
