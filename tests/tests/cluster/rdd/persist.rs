//! Persisted RDDs, after Spark's CachingSuite and DistributedSuite.

use std::path::Path;

use howdah_driver::rdd::{Context, Rdd, StorageLevel};
use howdah_tests::{
    behaviours,
    rdd::{
        RddCluster,
        functions::{Double, Large, ToPair, Traced},
    },
};

behaviours![
    what_is_kept_is_computed_once_at_each_level,
    what_is_not_kept_any_more_is_computed_again,
    what_follows_a_kept_rdd_reads_it,
    a_kept_shuffle_is_not_read_again,
];

const LEVELS: [StorageLevel; 3] = [StorageLevel::MEMORY, StorageLevel::MEMORY_AND_DISK, StorageLevel::DISK];

fn traced(context: &Context, folder: &Path) -> Rdd<i64> {
    context.range(0..1000, 4).map_partitions(Traced::to(folder))
}

async fn what_is_kept_is_computed_once_at_each_level(context: Context) {
    for level in LEVELS.into_iter().flat_map(|level| [level, level.twice()]) {
        let folder = tempfile::tempdir().unwrap();
        let kept = traced(&context, folder.path()).persist(level);
        for _ in 0..3 {
            assert_eq!(kept.sum().await.unwrap(), 499_500);
        }
        assert_eq!(kept.collect().await.unwrap(), (0..1000).collect::<Vec<_>>());
        assert_eq!(Traced::total(folder.path(), 4), 4, "{level:?}");
    }
}

async fn what_is_not_kept_any_more_is_computed_again(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let kept = traced(&context, folder.path()).cache();
    kept.materialize().await.unwrap();
    kept.count().await.unwrap();
    assert_eq!(Traced::total(folder.path(), 4), 4);
    kept.unpersist().await.unwrap();
    assert_eq!(kept.count().await.unwrap(), 1000);
    assert_eq!(kept.count().await.unwrap(), 1000);
    assert_eq!(Traced::total(folder.path(), 4), 12);
}

async fn what_follows_a_kept_rdd_reads_it(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let kept = traced(&context, folder.path()).cache();
    assert_eq!(kept.map(Double).sum().await.unwrap(), 999_000);
    assert_eq!(kept.union(&kept).coalesce(3).count().await.unwrap(), 2000);
    assert_eq!(kept.map(ToPair(3)).group_by_key().count().await.unwrap(), 3);
    assert_eq!(Traced::total(folder.path(), 4), 4);
}

async fn a_kept_shuffle_is_not_read_again(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let groups = traced(&context, folder.path()).map(ToPair(10)).group_by_key().cache();
    for _ in 0..2 {
        assert_eq!(groups.count().await.unwrap(), 10);
    }
    assert_eq!(Traced::total(folder.path(), 4), 4);
}

#[test]
fn blocks_that_do_not_fit_into_memory_give_right_answers_still() {
    let cluster = RddCluster::with(2, &["--slots", "1", "--memory", "8MiB"]);
    let context = cluster.context();
    cluster.block_on(async {
        for level in LEVELS {
            let folder = tempfile::tempdir().unwrap();
            let large =
                context.range(0..400, 16).map_partitions(Traced::to(folder.path())).map(Large(100_000));
            let kept = large.persist(level);
            for _ in 0..3 {
                assert_eq!(kept.count().await.unwrap(), 400);
            }
            let computed = Traced::total(folder.path(), 16);
            if level == StorageLevel::MEMORY {
                assert!(computed > 16 && computed <= 48, "{computed}");
            } else {
                assert_eq!(computed, 16, "{level:?}");
            }
            kept.unpersist().await.unwrap();
        }
    });
}

#[test]
fn a_second_copy_outlives_the_executor_of_the_first() {
    for (level, again) in [(StorageLevel::MEMORY.twice(), false), (StorageLevel::MEMORY, true)] {
        let cluster = RddCluster::start(2);
        // Without another executor there is no second copy.
        cluster.wait_for_slots(2);
        let context = cluster.context();
        let folder = tempfile::tempdir().unwrap();
        let kept = traced(&context, folder.path()).persist(level);
        cluster.block_on(async { kept.materialize().await.unwrap() });
        assert_eq!(Traced::total(folder.path(), 4), 4);
        cluster.kill("executor-1");
        assert_eq!(cluster.block_on(kept.sum()).unwrap(), 499_500);
        assert_eq!(Traced::total(folder.path(), 4) > 4, again, "{level:?}");
    }
}
