//! Shuffles, after Spark's ShuffleSuite.

use std::fs;

use howdah_driver::rdd::{Context, Direction, Partitioner, Sum};
use howdah_tests::{
    behaviours,
    rdd::{
        RddCluster,
        functions::{Large, Modulo, Times, ToPair, Traced},
    },
};

behaviours![
    empty_partitions_are_shuffled_on_both_sides,
    one_key_takes_all_records,
    a_shuffle_whose_outputs_are_there_is_skipped,
    a_shuffle_that_two_rdds_share_runs_once,
    many_partitions_are_shuffled_into_many,
    one_shuffle_follows_another,
];

async fn empty_partitions_are_shuffled_on_both_sides(context: Context) {
    let sparse = context.parallelize([(1, 10), (2, 20)], 10);
    let sums = sparse.shuffle_into(30).reduce_by_key(Sum::default());
    assert_eq!(sums.partitions(), 30);
    let mut sums = sums.collect().await.unwrap();
    sums.sort_unstable();
    assert_eq!(sums, [(1, 10), (2, 20)]);
    let none = context.parallelize(Vec::<(i64, i64)>::new(), 4);
    assert_eq!(none.partition_by(&Partitioner::hash(5)).count().await.unwrap(), 0);
}

async fn one_key_takes_all_records(context: Context) {
    let same = context.range(0..20_000, 6).map(ToPair(1)).shuffle_into(6);
    let groups = same.group_by_key().collect().await.unwrap();
    assert_eq!((groups.len(), groups[0].1.len()), (1, 20_000));
    assert_eq!(same.reduce_by_key(Sum::default()).collect().await.unwrap(), [(0, 199_990_000)]);
}

async fn a_shuffle_whose_outputs_are_there_is_skipped(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let traced = context.range(0..100, 4).map_partitions(Traced::to(folder.path()));
    let sums = traced.map(ToPair(10)).reduce_by_key(Sum::default());
    for _ in 0..3 {
        assert_eq!(sums.values().sum().await.unwrap(), 4950);
    }
    assert_eq!(Traced::total(folder.path(), 4), 4);
}

async fn a_shuffle_that_two_rdds_share_runs_once(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let traced = context.range(0..100, 4).map_partitions(Traced::to(folder.path()));
    let placed = traced.map(ToPair(10)).partition_by(&Partitioner::hash(3));
    assert_eq!(placed.join(&placed.reduce_by_key(Sum::default())).count().await.unwrap(), 100);
    assert_eq!(placed.union(&placed).count().await.unwrap(), 200);
    assert_eq!(Traced::total(folder.path(), 4), 4);
}

async fn many_partitions_are_shuffled_into_many(context: Context) {
    let sums =
        context.range(0..10_000, 1000).map(ToPair(500)).shuffle_into(100).reduce_by_key(Sum::default());
    assert_eq!(sums.partitions(), 100);
    let sums = sums.collect().await.unwrap();
    assert_eq!((sums.len(), sums.iter().map(|(_, sum)| sum).sum::<i64>()), (500, 49_995_000));
}

async fn one_shuffle_follows_another(context: Context) {
    let counts = context.range(0..1000, 4).key_by(Modulo(100)).reduce_by_key(Sum::default()).values();
    let by_sum = counts.key_by(Modulo(7)).group_by_key().keys().distinct();
    let sorted = by_sum.key_by(Modulo(1000)).sort_by_key(Direction::Descending).await.unwrap();
    assert_eq!(sorted.keys().collect().await.unwrap(), [6, 5, 4, 3, 2, 1, 0]);
}

#[test]
fn what_is_larger_than_memory_is_sorted_and_grouped_on_disk() {
    let cluster = RddCluster::with(2, &["--slots", "1", "--memory", "16MiB"]);
    let context = cluster.context();
    cluster.block_on(async {
        // 60 MB of texts, twice.
        let texts = context.range(0..600, 6).flat_map(Times(2)).map(Large(50_000));
        let copies = texts.zip(&texts.zip_with_index().await.unwrap());
        let sorted = copies.shuffle_into(4).sort_by_key(Direction::Ascending).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sorted");
        sorted.keys().save(&path).await.unwrap();
        let keys = context.load::<String>(&path).await.unwrap().collect().await.unwrap();
        assert_eq!(keys.len(), 1200);
        assert!(keys.is_sorted() && keys.iter().all(|key| key.len() == 50_000));
        assert_eq!(texts.distinct().count().await.unwrap(), 600);
    });
    drop(context);
    let scratch = |name: &str| fs::read_dir(cluster.folder().join(name)).unwrap().count();
    assert!(cluster.names().iter().all(|name| scratch(name) > 0));
}
