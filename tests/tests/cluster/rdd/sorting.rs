//! Sorting, after Spark's SortingSuite.

use howdah_driver::rdd::{Context, Direction, Rdd};
use howdah_tests::{
    behaviours,
    rdd::functions::{Modulo, Negative, ToPair},
};

behaviours![
    keys_are_sorted_over_all_partitions_both_ways,
    records_are_sorted_by_what_a_function_says,
    few_keys_equal_keys_and_no_keys_are_sorted,
    sorted_partitions_are_of_about_equal_size,
    texts_floats_and_tuples_are_sorted_as_such,
];

/// Numbers in no order.
fn mixed(context: &Context, count: i64, partitions: u32) -> Rdd<(i64, i64)> {
    let numbers = (0..count).map(|number| (number * 7919 % count - count / 2, number));
    context.parallelize(numbers, partitions)
}

async fn keys_are_sorted_over_all_partitions_both_ways(context: Context) {
    for (partitions, into) in [(1, 1), (4, 4), (3, 10), (10, 2)] {
        let pairs = mixed(&context, 5000, partitions).shuffle_into(into);
        let mut keys: Vec<i64> = (-2500..2500).collect();
        let up = pairs.sort_by_key(Direction::Ascending).await.unwrap();
        assert_eq!(up.keys().collect().await.unwrap(), keys);
        let down = pairs.sort_by_key(Direction::Descending).await.unwrap();
        keys.reverse();
        assert_eq!(down.keys().collect().await.unwrap(), keys);
        assert!(up.partitions() <= into && down.partitions() <= into);
    }
}

async fn records_are_sorted_by_what_a_function_says(context: Context) {
    let numbers = context.range(0..100, 4);
    let sorted = numbers.sort_by(Negative, Direction::Ascending).await.unwrap();
    assert_eq!(sorted.collect().await.unwrap(), (0..100).rev().collect::<Vec<_>>());
    let by_rest = numbers.sort_by(Modulo(3), Direction::Descending).await.unwrap().collect().await.unwrap();
    assert!(by_rest.is_sorted_by_key(|number| -(number % 3)), "{by_rest:?}");
}

async fn few_keys_equal_keys_and_no_keys_are_sorted(context: Context) {
    let few = context.parallelize([(2, 'b'), (1, 'a')], 2).shuffle_into(20);
    let few = few.sort_by_key(Direction::Ascending).await.unwrap();
    assert_eq!(few.collect().await.unwrap(), [(1, 'a'), (2, 'b')]);
    let equal = context.range(0..1000, 4).map(ToPair(1)).sort_by_key(Direction::Descending).await.unwrap();
    assert_eq!(equal.count().await.unwrap(), 1000);
    for none in [context.empty::<(i64, i64)>(), context.parallelize(Vec::new(), 3)] {
        let none = none.sort_by_key(Direction::Ascending).await.unwrap();
        assert_eq!(none.count().await.unwrap(), 0);
    }
}

async fn sorted_partitions_are_of_about_equal_size(context: Context) {
    let sorted = mixed(&context, 10_000, 5).shuffle_into(4).sort_by_key(Direction::Ascending).await.unwrap();
    let parts = sorted.glom().collect().await.unwrap();
    assert_eq!(parts.len(), 4);
    assert!(parts.iter().all(|part| (1500..3500).contains(&part.len())));
}

async fn texts_floats_and_tuples_are_sorted_as_such(context: Context) {
    let words = ["b", "", "a\0", "a", "aa", "ä", "B", "a\u{1}"].map(|word| (word.to_owned(), ()));
    let sorted = context.parallelize(words.clone(), 3).sort_by_key(Direction::Ascending).await.unwrap();
    let mut expected = words.map(|(word, ())| word);
    expected.sort_unstable();
    assert_eq!(sorted.keys().collect().await.unwrap(), expected);
    let floats = [1.5, -0.5, f64::INFINITY, -1e300, 0.0, f64::NEG_INFINITY, 1e-300];
    let pairs = context.parallelize(floats.map(|float| (float, ())), 2);
    let sorted = pairs.sort_by_key(Direction::Ascending);
    let mut expected = floats.to_vec();
    expected.sort_unstable_by(f64::total_cmp);
    assert_eq!(sorted.await.unwrap().keys().collect().await.unwrap(), expected);
    let tuples = [(1u8, -3i16), (0, 5), (1, -4), (0, -5)];
    let pairs = context.parallelize(tuples.map(|tuple| (tuple, ())), 2);
    let sorted = pairs.sort_by_key(Direction::Descending);
    let sorted = sorted.await.unwrap().keys().collect().await.unwrap();
    assert_eq!(sorted, [(1, -3), (1, -4), (0, 5), (0, -5)]);
}
