//! Actions, after Spark's RDDSuite.

use howdah_driver::rdd::{Context, ContextError, Max, Replacement, Sum};
use howdah_tests::{
    behaviours,
    rdd::functions::{Append, IsEven, SumFrom, ToPair, Traced},
};

behaviours![
    take_looks_at_no_more_partitions_than_it_needs,
    take_finds_what_lies_far_behind,
    a_sample_of_a_number_has_that_many,
    the_largest_and_smallest_come_in_order,
    folds_begin_with_their_zero_in_each_partition,
    a_tree_of_aggregations_gives_what_a_flat_one_gives,
    actions_that_need_a_record_say_that_there_is_none,
    records_and_keys_are_counted,
    records_are_counted_by_their_values,
];

async fn take_looks_at_no_more_partitions_than_it_needs(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let numbers = context.range(0..1000, 100).map_partitions(Traced::to(folder.path()));
    assert_eq!(numbers.take(10).await.unwrap(), (0..10).collect::<Vec<_>>());
    assert_eq!(numbers.first().await.unwrap(), 0);
    assert!(!numbers.is_empty().await.unwrap());
    assert_eq!((Traced::count(folder.path(), 0), Traced::total(folder.path(), 100)), (3, 3));
    assert_eq!(numbers.take(25).await.unwrap(), (0..25).collect::<Vec<_>>());
    assert!((4..10).contains(&Traced::total(folder.path(), 100)));
    assert_eq!(numbers.take(0).await.unwrap(), Vec::<i64>::new());
}

async fn take_finds_what_lies_far_behind(context: Context) {
    let sparse =
        context.empty::<i64>().union(&context.parallelize(Vec::new(), 30)).union(&context.range(0..9, 3));
    assert_eq!(sparse.first().await.unwrap(), 0);
    assert_eq!(sparse.take(5).await.unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(sparse.take(500).await.unwrap().len(), 9);
}

async fn a_sample_of_a_number_has_that_many(context: Context) {
    let numbers = context.range(0..500, 5);
    for seed in 0..5 {
        let mut chosen = numbers.take_sample(Replacement::Without, 100, seed).await.unwrap();
        assert_eq!(chosen, numbers.take_sample(Replacement::Without, 100, seed).await.unwrap());
        chosen.sort_unstable();
        chosen.dedup();
        assert_eq!(chosen.len(), 100);
    }
    assert_eq!(numbers.take_sample(Replacement::Without, 900, 1).await.unwrap().len(), 500);
    assert_eq!(numbers.take_sample(Replacement::With, 900, 1).await.unwrap().len(), 900);
    let none = context.empty::<i64>();
    assert_eq!(none.take_sample(Replacement::With, 9, 1).await.unwrap(), Vec::<i64>::new());
}

async fn the_largest_and_smallest_come_in_order(context: Context) {
    let numbers = context.parallelize([5, 3, 9, -1, 9, 0], 3);
    assert_eq!(numbers.top(3).await.unwrap(), [9, 9, 5]);
    assert_eq!(numbers.take_ordered(3).await.unwrap(), [-1, 0, 3]);
    assert_eq!(numbers.top(99).await.unwrap(), [9, 9, 5, 3, 0, -1]);
    assert_eq!(numbers.take_ordered(0).await.unwrap(), Vec::<i32>::new());
    assert_eq!((numbers.min().await.unwrap(), numbers.max().await.unwrap()), (-1, 9));
}

async fn folds_begin_with_their_zero_in_each_partition(context: Context) {
    let numbers = context.range(1..5, 2);
    assert_eq!(numbers.reduce(Sum::default()).await.unwrap(), 10);
    assert_eq!(numbers.filter(IsEven).reduce(Max::default()).await.unwrap(), 4);
    assert_eq!(numbers.fold(SumFrom(0)).await.unwrap(), 10);
    assert_eq!(context.empty::<i64>().fold(SumFrom(0)).await.unwrap(), 0);
    let mut list = numbers.aggregate(Append).await.unwrap();
    list.sort_unstable();
    assert_eq!(list, [1, 2, 3, 4]);
}

async fn a_tree_of_aggregations_gives_what_a_flat_one_gives(context: Context) {
    let numbers = context.range(-1000..1001, 50);
    for depth in [1, 2, 3, 10] {
        assert_eq!(numbers.tree_aggregate(SumFrom(0), depth).await.unwrap(), 0);
        assert_eq!(numbers.tree_aggregate(Append, depth).await.unwrap().len(), 2001);
    }
    assert_eq!(context.empty::<i64>().tree_aggregate(SumFrom(0), 2).await.unwrap(), 0);
}

async fn actions_that_need_a_record_say_that_there_is_none(context: Context) {
    for none in [context.empty::<i64>(), context.range(0..0, 3), context.range(1..2, 4).filter(IsEven)] {
        let errors = [
            none.first().await.unwrap_err(),
            none.reduce(Sum::default()).await.unwrap_err(),
            none.max().await.unwrap_err(),
            none.min().await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, ContextError::Empty { .. }), "{error}");
        }
        assert!(none.is_empty().await.unwrap());
        assert_eq!(none.top(3).await.unwrap(), Vec::<i64>::new());
    }
}

async fn records_and_keys_are_counted(context: Context) {
    let pairs = context.range(0..1000, 7).map(ToPair(4));
    assert_eq!(pairs.count().await.unwrap(), 1000);
    let counts = pairs.count_by_key().await.unwrap();
    assert_eq!((counts.len(), counts[&0], counts[&3]), (4, 250, 250));
}

async fn records_are_counted_by_their_values(context: Context) {
    let words = context.parallelize(["a", "b", "a", "c", "a"].map(String::from), 3);
    let counts = words.count_by_value().await.unwrap();
    assert_eq!((counts.len(), counts["a"], counts["c"]), (3, 3, 1));
}
