//! Transformations of pairs, after Spark's PairRDDFunctionsSuite.

use howdah_driver::rdd::{Context, Data, Partitioner, Rdd, Sum};
use howdah_tests::{
    behaviours,
    rdd::functions::{AddOne, Append, Gather, Repeat, SumFrom, ToPair},
};

behaviours![
    values_of_a_key_are_reduced_folded_aggregated_and_combined,
    values_of_a_key_are_grouped_with_all_that_come_twice,
    keys_and_values_are_taken_apart_and_values_are_mapped,
    joins_pair_every_two_values_of_a_key,
    outer_joins_keep_what_one_side_lacks,
    a_cogroup_has_every_key_of_every_side,
    pairs_without_keys_of_another_rdd_are_left,
    keys_may_be_texts_tuples_and_options,
    rdds_that_are_partitioned_alike_are_joined_without_another_shuffle,
    partitioned_pairs_lie_where_their_partitioner_says,
    a_lookup_finds_the_values_of_a_key_wherever_it_is,
    joins_with_an_empty_side_give_what_they_should,
];

async fn sorted<T: Data + Ord>(rdd: &Rdd<T>) -> Vec<T> {
    let mut records = rdd.collect().await.unwrap();
    records.sort_unstable();
    records
}

async fn shuffles<T: Data>(rdd: &Rdd<T>) -> usize {
    rdd.explain().await.unwrap().matches("shuffle into").count()
}

async fn values_of_a_key_are_reduced_folded_aggregated_and_combined(context: Context) {
    let pairs = context.range(0..100, 5).map(ToPair(3));
    let sums: Vec<(i64, i64)> =
        (0..3).map(|key| (key, (0..100).filter(|number| number % 3 == key).sum())).collect();
    assert_eq!(sorted(&pairs.reduce_by_key(Sum::default())).await, sums);
    assert_eq!(sorted(&pairs.fold_by_key(SumFrom(0))).await, sums);
    let counted: Vec<(i64, (u64, i64))> =
        sums.iter().map(|(key, sum)| (*key, (if *key == 0 { 34 } else { 33 }, *sum))).collect();
    assert_eq!(sorted(&pairs.combine_by_key(Gather)).await, counted);
    let mut lists = pairs.aggregate_by_key(Append).collect().await.unwrap();
    lists.sort_unstable();
    lists.iter_mut().for_each(|(_, list)| list.sort_unstable());
    assert_eq!(lists[1], (1, (0..100).filter(|number| number % 3 == 1).collect()));
}

async fn values_of_a_key_are_grouped_with_all_that_come_twice(context: Context) {
    let pairs = context.parallelize([(1, 1), (1, 2), (1, 3), (2, 1), (1, 1)], 4);
    let mut groups = pairs.group_by_key().collect().await.unwrap();
    groups.sort_unstable();
    groups.iter_mut().for_each(|(_, values)| values.sort_unstable());
    assert_eq!(groups, [(1, vec![1, 1, 2, 3]), (2, vec![1])]);
    assert_eq!(pairs.count_by_key().await.unwrap()[&1], 4);
}

async fn keys_and_values_are_taken_apart_and_values_are_mapped(context: Context) {
    let pairs = context.parallelize([(1i64, 10i64), (2, 20)], 2);
    assert_eq!(pairs.keys().collect().await.unwrap(), [1, 2]);
    assert_eq!(pairs.values().collect().await.unwrap(), [10, 20]);
    assert_eq!(pairs.map_values(AddOne).collect().await.unwrap(), [(1, 11), (2, 21)]);
    assert_eq!(pairs.flat_map_values(Repeat(2)).keys().collect().await.unwrap(), [1, 1, 2, 2]);
    assert_eq!(pairs.flat_map_values(Repeat(0)).count().await.unwrap(), 0);
}

type Pairs<V> = Rdd<(i64, V)>;

fn sides(context: &Context) -> (Pairs<i64>, Pairs<char>) {
    let left = context.parallelize([(1, 1), (1, 2), (2, 1), (3, 1)], 3);
    (left, context.parallelize([(1, 'x'), (2, 'y'), (2, 'z'), (4, 'w')], 2))
}

async fn joins_pair_every_two_values_of_a_key(context: Context) {
    let (left, right) = sides(&context);
    let expected = [(1, (1, 'x')), (1, (2, 'x')), (2, (1, 'y')), (2, (1, 'z'))];
    assert_eq!(sorted(&left.join(&right)).await, expected);
    // All values of a key with all others.
    let same = |values: i64| context.range(0..values, 3).map(ToPair(1));
    assert_eq!(same(40).join(&same(50)).count().await.unwrap(), 2000);
}

async fn outer_joins_keep_what_one_side_lacks(context: Context) {
    let (left, right) = sides(&context);
    let joined = sorted(&left.left_outer_join(&right)).await;
    assert_eq!((joined.len(), joined[4]), (5, (3, (1, None))));
    let joined = sorted(&left.right_outer_join(&right)).await;
    assert_eq!((joined.len(), joined[4]), (5, (4, (None, 'w'))));
    let joined = sorted(&left.full_outer_join(&right)).await;
    assert_eq!((joined.len(), joined[4], joined[5]), (6, (3, (Some(1), None)), (4, (None, Some('w')))));
}

async fn a_cogroup_has_every_key_of_every_side(context: Context) {
    let (left, right) = sides(&context);
    let mut groups = left.cogroup(&right).collect().await.unwrap();
    groups.sort_unstable();
    groups.iter_mut().for_each(|(_, (left, right))| {
        left.sort_unstable();
        right.sort_unstable();
    });
    let expected = [
        (1, (vec![1, 2], vec!['x'])),
        (2, (vec![1], vec!['y', 'z'])),
        (3, (vec![1], vec![])),
        (4, (vec![], vec!['w'])),
    ];
    assert_eq!(groups, expected);
    let third = context.parallelize([(5, true), (1, false)], 1);
    let groups = sorted(&left.cogroup3(&right, &third)).await;
    assert_eq!(groups.len(), 5);
    assert_eq!(groups[4], (5, (vec![], vec![], vec![true])));
}

async fn pairs_without_keys_of_another_rdd_are_left(context: Context) {
    let (left, right) = sides(&context);
    assert_eq!(sorted(&left.subtract_by_key(&right)).await, [(3, 1)]);
    assert_eq!(sorted(&right.subtract_by_key(&left)).await, [(4, 'w')]);
}

async fn keys_may_be_texts_tuples_and_options(context: Context) {
    let key = |number: i64| (format!("key {}", number % 2), (number % 2 == 0).then_some(number % 4));
    let pairs = context.parallelize((0..40).map(|number| (key(number), number)), 4);
    let sums = sorted(&pairs.reduce_by_key(Sum::default())).await;
    let sum = |rest: i64, by: i64| (0..40).filter(|number| number % by == rest).sum::<i64>();
    assert_eq!(sums, [(key(0), sum(0, 4)), (key(2), sum(2, 4)), (key(1), sum(1, 2))]);
    assert_eq!(pairs.lookup(&key(2)).await.unwrap().len(), 10);
}

async fn rdds_that_are_partitioned_alike_are_joined_without_another_shuffle(context: Context) {
    let partitioner = Partitioner::hash(4);
    let left = context.range(0..60, 3).map(ToPair(10)).partition_by(&partitioner);
    let right = context.range(0..20, 2).map(ToPair(10)).partition_by(&partitioner);
    let joined = left.map_values(AddOne).join(&right);
    assert_eq!((joined.partitions(), shuffles(&joined).await), (4, 2));
    assert_eq!(joined.count().await.unwrap(), 10 * 6 * 2);
    let sums = left.reduce_by_key(Sum::default());
    assert_eq!(shuffles(&sums).await, 1);
    assert_eq!(sums.values().sum().await.unwrap(), (0..60).sum::<i64>());
    assert_eq!(shuffles(&left.join(&left).group_by_key()).await, 1);
}

async fn partitioned_pairs_lie_where_their_partitioner_says(context: Context) {
    let pairs = context.range(0..100, 3).map(ToPair(20));
    let parts = pairs.partition_by(&Partitioner::hash(7)).glom().collect().await.unwrap();
    assert_eq!((parts.len(), parts.iter().map(Vec::len).sum::<usize>()), (7, 100));
    for key in 0..20 {
        assert_eq!(parts.iter().filter(|part| part.iter().any(|(of, _)| *of == key)).count(), 1);
    }
    let ranges = Partitioner::range([4i64, 9]).unwrap();
    let parts = pairs.partition_by(&ranges).glom().collect().await.unwrap();
    let highest: Vec<i64> =
        parts.iter().map(|part| part.iter().map(|(key, _)| *key).max().unwrap()).collect();
    assert_eq!(highest, [4, 9, 19]);
}

async fn a_lookup_finds_the_values_of_a_key_wherever_it_is(context: Context) {
    let pairs = context.range(0..30, 4).map(ToPair(6));
    let placed = pairs.partition_by(&Partitioner::hash(5));
    for rdd in [&pairs, &placed] {
        let mut found = rdd.lookup(&4).await.unwrap();
        found.sort_unstable();
        assert_eq!(found, [4, 10, 16, 22, 28]);
        assert_eq!(rdd.lookup(&99).await.unwrap(), Vec::<i64>::new());
    }
}

async fn joins_with_an_empty_side_give_what_they_should(context: Context) {
    let (left, _) = sides(&context);
    let none = context.empty::<(i64, char)>();
    assert_eq!(left.join(&none).count().await.unwrap(), 0);
    assert_eq!(none.join(&left).count().await.unwrap(), 0);
    assert_eq!(left.left_outer_join(&none).count().await.unwrap(), 4);
    assert_eq!(left.full_outer_join(&none).count().await.unwrap(), 4);
    assert_eq!(left.cogroup(&none).count().await.unwrap(), 3);
    assert_eq!(left.subtract_by_key(&none).count().await.unwrap(), 4);
    assert_eq!(none.group_by_key().count().await.unwrap(), 0);
}
