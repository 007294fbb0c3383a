//! Transformations of RDDs without keys, after Spark's RDDSuite.

use howdah_driver::rdd::{Context, Rdd, Replacement};
use howdah_tests::{
    behaviours,
    rdd::functions::{Double, IsEven, Modulo, Tagged, Words},
};

behaviours![
    records_come_back_in_their_order_from_any_number_of_partitions,
    records_are_mapped_filtered_and_cut_into_more,
    functions_of_partitions_see_the_numbers_of_their_partitions,
    empty_partitions_and_empty_rdds_go_through_every_transformation,
    a_union_keeps_the_partitions_of_all_its_parts,
    distinct_keeps_each_record_once,
    sets_are_intersected_and_subtracted_with_what_comes_twice,
    a_cartesian_product_has_all_pairs,
    records_are_zipped_where_they_stand,
    rdds_of_different_lengths_are_not_zipped,
    an_index_counts_through_all_partitions,
    coalesced_partitions_keep_all_records_in_their_order,
    repartitioned_records_are_spread_evenly,
    samples_are_the_same_for_the_same_seed_and_of_about_their_size,
    a_random_split_deals_out_each_record_once,
];

fn sorted<T: Ord>(mut records: Vec<T>) -> Vec<T> {
    records.sort_unstable();
    records
}

async fn parts<T: howdah_driver::rdd::Data>(rdd: &Rdd<T>) -> Vec<Vec<T>> {
    rdd.glom().collect().await.unwrap()
}

async fn records_come_back_in_their_order_from_any_number_of_partitions(context: Context) {
    let words: Vec<String> = (0..17).map(|number| format!("word {number}")).collect();
    for partitions in [1, 2, 16, 17, 40] {
        let rdd = context.parallelize(words.clone(), partitions);
        assert_eq!(rdd.partitions(), partitions);
        assert_eq!(rdd.collect().await.unwrap(), words);
        assert_eq!(context.range(-5..9, partitions).collect().await.unwrap(), (-5..9).collect::<Vec<_>>());
    }
    assert_eq!(parts(&context.range(0..5, 3)).await.concat(), [0, 1, 2, 3, 4]);
    #[allow(clippy::reversed_empty_ranges, reason = "its step is negative")]
    let down = 10..-3;
    assert_eq!(context.range_by(down, -4, 2).collect().await.unwrap(), [10, 6, 2, -2]);
    let wide = i64::MAX - 3..i64::MAX;
    assert_eq!(context.range(wide.clone(), 2).collect().await.unwrap(), wide.collect::<Vec<_>>());
}

async fn records_are_mapped_filtered_and_cut_into_more(context: Context) {
    let numbers = context.range(0..10, 3);
    assert_eq!(numbers.map(Double).sum().await.unwrap(), 90);
    assert_eq!(numbers.filter(IsEven).collect().await.unwrap(), [0, 2, 4, 6, 8]);
    let lines = context.parallelize(["a b", "", " c "].map(String::from), 2);
    assert_eq!(lines.flat_map(Words).collect().await.unwrap(), ["a", "b", "c"]);
    assert_eq!(numbers.key_by(Modulo(4)).lookup(&3).await.unwrap(), [3, 7]);
}

async fn functions_of_partitions_see_the_numbers_of_their_partitions(context: Context) {
    let tagged = context.parallelize([7, 8, 9, 10], 2).map_partitions_with_index(Tagged);
    assert_eq!(tagged.collect().await.unwrap(), [(0, 7), (0, 8), (1, 9), (1, 10)]);
}

async fn empty_partitions_and_empty_rdds_go_through_every_transformation(context: Context) {
    for none in [context.empty::<i64>(), context.parallelize(Vec::<i64>::new(), 3), context.range(5..5, 2)] {
        assert_eq!(none.map(Double).filter(IsEven).count().await.unwrap(), 0);
        assert_eq!(none.map_partitions(Tagged).collect().await.unwrap(), []);
        assert_eq!(none.distinct().count().await.unwrap(), 0);
        assert_eq!(none.union(&none).intersection(&none).subtract(&none).count().await.unwrap(), 0);
        assert_eq!(none.cartesian(&none).count().await.unwrap(), 0);
        assert_eq!(none.zip(&none).zip_with_index().await.unwrap().collect().await.unwrap(), []);
        assert_eq!(none.repartition(4).coalesce(2).count().await.unwrap(), 0);
        assert_eq!(none.sample(Replacement::With, 2.0, 1).count().await.unwrap(), 0);
    }
    let sparse = context.parallelize([1, 2], 20);
    assert_eq!(sparse.map(Double).collect().await.unwrap(), [2, 4]);
    assert_eq!(parts(&sparse).await.iter().filter(|part| part.is_empty()).count(), 18);
}

async fn a_union_keeps_the_partitions_of_all_its_parts(context: Context) {
    let (left, right) = (context.range(0..4, 2), context.range(2..6, 3));
    let union = left.union(&right);
    assert_eq!(union.partitions(), 5);
    assert_eq!(union.collect().await.unwrap(), [0, 1, 2, 3, 2, 3, 4, 5]);
    let many: Vec<Rdd<i64>> = (0..50).map(|number| context.range(number..number + 1, 1)).collect();
    assert_eq!(context.union(&many).collect().await.unwrap(), (0..50).collect::<Vec<_>>());
    assert_eq!(context.union(&[left.clone(), context.empty(), left]).count().await.unwrap(), 8);
}

async fn distinct_keeps_each_record_once(context: Context) {
    let twice = context.range(0..100, 3).union(&context.range(50..150, 4));
    assert_eq!(sorted(twice.distinct().collect().await.unwrap()), (0..150).collect::<Vec<_>>());
    let same = context.parallelize(vec![String::from("same"); 1000], 8);
    assert_eq!(same.distinct().collect().await.unwrap(), ["same"]);
}

async fn sets_are_intersected_and_subtracted_with_what_comes_twice(context: Context) {
    let (left, right) = (context.parallelize([1, 2, 3, 3, 4, 4], 3), context.parallelize([3, 4, 4, 5], 2));
    assert_eq!(sorted(left.intersection(&right).collect().await.unwrap()), [3, 4]);
    assert_eq!(sorted(left.subtract(&context.parallelize([4, 1], 2)).collect().await.unwrap()), [2, 3, 3]);
    assert_eq!(left.subtract(&left).count().await.unwrap(), 0);
    assert_eq!(sorted(left.subtract(&context.empty()).collect().await.unwrap()), [1, 2, 3, 3, 4, 4]);
}

async fn a_cartesian_product_has_all_pairs(context: Context) {
    let product = context.range(0..30, 3).cartesian(&context.parallelize(['a', 'b'], 2));
    assert_eq!(product.partitions(), 6);
    let expected: Vec<(i64, char)> = (0..30).flat_map(|number| [(number, 'a'), (number, 'b')]).collect();
    assert_eq!(sorted(product.collect().await.unwrap()), expected);
    assert_eq!(context.range(0..30, 3).cartesian(&context.empty::<u8>()).count().await.unwrap(), 0);
}

async fn records_are_zipped_where_they_stand(context: Context) {
    let numbers = context.range(0..7, 3);
    let zipped = numbers.zip(&numbers.map(Double)).collect().await.unwrap();
    assert_eq!(zipped, (0..7).map(|number| (number, 2 * number)).collect::<Vec<_>>());
}

async fn rdds_of_different_lengths_are_not_zipped(context: Context) {
    let error = context.range(0..7, 2).zip(&context.range(0..8, 2)).count().await.unwrap_err().to_string();
    assert!(error.contains("zip") && error.contains("partition"), "{error}");
    let error = context.range(0..7, 2).zip(&context.range(0..7, 3)).count().await.unwrap_err().to_string();
    assert!(error.contains("has 2 partitions, and the other 3"), "{error}");
}

async fn an_index_counts_through_all_partitions(context: Context) {
    let sparse = context.range(0..100, 7).filter(IsEven).union(&context.parallelize([1], 5));
    let indexed = sparse.zip_with_index().await.unwrap().collect().await.unwrap();
    assert_eq!(indexed.len(), 51);
    assert!(indexed.iter().zip(0..).all(|((_, index), place)| *index == place), "{indexed:?}");
    assert_eq!(indexed[50].0, 1);
}

async fn coalesced_partitions_keep_all_records_in_their_order(context: Context) {
    let numbers = context.range(0..100, 10);
    for partitions in [1, 3, 9, 10, 20] {
        let fewer = numbers.coalesce(partitions);
        assert_eq!(fewer.partitions(), partitions.min(10));
        assert_eq!(fewer.collect().await.unwrap(), (0..100).collect::<Vec<_>>());
        assert!(parts(&fewer).await.iter().all(|part| part.len() >= 10));
    }
    assert!(!numbers.coalesce(3).explain().await.unwrap().contains("shuffle"));
}

async fn repartitioned_records_are_spread_evenly(context: Context) {
    // All in one partition, as after a filter that leaves little; and the other way round.
    for (before, after) in [(1, 8), (20, 3), (4, 4)] {
        let spread = context.range(0..1000, before).repartition(after);
        let spread = parts(&spread).await;
        assert_eq!(spread.len(), after as usize);
        let even = 1000 / after as usize;
        assert!(spread.iter().all(|part| part.len().abs_diff(even) <= before as usize), "{before} {after}");
        assert_eq!(sorted(spread.concat()), (0..1000).collect::<Vec<_>>());
    }
}

async fn samples_are_the_same_for_the_same_seed_and_of_about_their_size(context: Context) {
    let numbers = context.range(0..10_000, 8);
    for (replacement, fraction) in
        [(Replacement::Without, 0.1), (Replacement::With, 0.1), (Replacement::With, 2.5)]
    {
        let sample = numbers.sample(replacement, fraction, 7).collect().await.unwrap();
        let expected = 10_000.0 * fraction;
        // Six standard deviations of a Poisson process, the widest of them.
        assert!((sample.len() as f64 - expected).abs() < 6.0 * expected.sqrt(), "{}", sample.len());
        assert_eq!(numbers.sample(replacement, fraction, 7).collect().await.unwrap(), sample);
        assert_ne!(numbers.sample(replacement, fraction, 8).collect().await.unwrap(), sample);
        let mut once = sample.clone();
        once.dedup();
        assert_eq!(once.len() < sample.len(), replacement == Replacement::With);
    }
    assert_eq!(numbers.sample(Replacement::Without, 1.0, 1).count().await.unwrap(), 10_000);
    assert_eq!(numbers.sample(Replacement::Without, 0.0, 1).count().await.unwrap(), 0);
}

async fn a_random_split_deals_out_each_record_once(context: Context) {
    let numbers = context.range(0..6000, 4);
    let splits = numbers.random_split(&[1.0, 2.0, 3.0], 11);
    let mut all = Vec::new();
    for (split, expected) in splits.iter().zip([1000.0f64, 2000.0, 3000.0]) {
        let records = split.collect().await.unwrap();
        assert!((records.len() as f64 - expected).abs() < 6.0 * expected.sqrt(), "{}", records.len());
        all.extend(records);
    }
    assert_eq!(sorted(all), (0..6000).collect::<Vec<_>>());
}
