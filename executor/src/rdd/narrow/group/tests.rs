use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::rdd::{
    Data,
    narrow::testing::{failure, records, rows},
};

type Pairs<V> = Vec<(String, V)>;

fn sorted<V: Data + Clone>(pairs: &[(String, V)], order: KeyOrder) -> Box<dyn Rows> {
    let mut pairs = pairs.to_vec();
    pairs.sort_by(|left, right| order.compare(left.0.as_bytes(), right.0.as_bytes()));
    rows(&pairs, 3)
}

fn of<T: Data + Ord>(kind: Group, left: &Pairs<u32>, right: &Pairs<(i8, String)>, order: KeyOrder) -> Vec<T> {
    let parents = vec![sorted(left, order), sorted(right, order)];
    let mut all: Vec<T> = records(group(kind, NodeId(3), order, parents));
    all.sort();
    all
}

fn pairs<V: std::fmt::Debug>(value: impl Strategy<Value = V>) -> impl Strategy<Value = Pairs<V>> {
    prop::collection::vec(("[ab]{0,2}", value), 0..12)
}

fn order() -> impl Strategy<Value = KeyOrder> {
    prop_oneof![Just(KeyOrder::Ascending), Just(KeyOrder::Descending)]
}

fn lists<V: Clone>(pairs: &Pairs<V>) -> BTreeMap<String, Vec<V>> {
    let mut lists = BTreeMap::<String, Vec<V>>::new();
    pairs.iter().for_each(|(key, value)| lists.entry(key.clone()).or_default().push(value.clone()));
    lists
}

/// The values of a key, or an absent one in their place.
fn or_absent<V: Clone>(lists: &BTreeMap<String, Vec<V>>, key: &str) -> Vec<Option<V>> {
    lists.get(key).map_or(vec![None], |values| values.iter().cloned().map(Some).collect())
}

proptest! {
    #[test]
    fn joins_pair_each_two_values_of_a_key(
        left in pairs(any::<u32>()), right in pairs((any::<i8>(), "[x\0]{0,2}")), order in order(),
    ) {
        let (a, b) = (lists(&left), lists(&right));
        let keys: BTreeSet<String> = a.keys().chain(b.keys()).cloned().collect();
        let mut full = Vec::new();
        for key in &keys {
            for l in or_absent(&a, key) {
                full.extend(or_absent(&b, key).into_iter().map(|r| (key.clone(), (l, r))));
            }
        }
        full.sort();
        prop_assert_eq!(&of::<(String, (Option<u32>, Option<(i8, String)>))>(Group::FullOuterJoin, &left, &right, order), &full);
        let mut inner: Vec<_> =
            full.iter().cloned().filter_map(|(key, (l, r))| Some((key, (l?, r?)))).collect();
        inner.sort();
        prop_assert_eq!(of::<(String, (u32, (i8, String)))>(Group::InnerJoin, &left, &right, order), inner);
        let mut outer: Vec<_> = full.iter().cloned().filter_map(|(key, (l, r))| Some((key, (l?, r)))).collect();
        outer.sort();
        prop_assert_eq!(of::<(String, (u32, Option<(i8, String)>))>(Group::LeftOuterJoin, &left, &right, order), outer);
        let mut outer: Vec<_> = full.into_iter().filter_map(|(key, (l, r))| Some((key, (l, r?)))).collect();
        outer.sort();
        prop_assert_eq!(of::<(String, (Option<u32>, (i8, String)))>(Group::RightOuterJoin, &left, &right, order), outer);
    }

    #[test]
    fn groups_have_all_values_of_a_key(
        left in pairs(any::<u32>()), right in pairs((any::<i8>(), "[x\0]{0,2}")), order in order(),
    ) {
        let (a, b) = (lists(&left), lists(&right));
        let keys: BTreeSet<String> = a.keys().chain(b.keys()).cloned().collect();
        let both = keys.iter().map(|key| {
            let list = (a.get(key).cloned().unwrap_or_default(), b.get(key).cloned().unwrap_or_default());
            (key.clone(), list)
        });
        prop_assert_eq!(
            of::<(String, (Vec<u32>, Vec<(i8, String)>))>(Group::Cogroup, &left, &right, order),
            both.collect::<Vec<_>>()
        );
        let common: Vec<String> = a.keys().filter(|key| b.contains_key(*key)).cloned().collect();
        prop_assert_eq!(of::<String>(Group::Intersection, &left, &right, order), common);
        let mut rest: Vec<_> = left.iter().filter(|(key, _)| !b.contains_key(key)).cloned().collect();
        rest.sort();
        prop_assert_eq!(of::<(String, u32)>(Group::Subtract, &left, &right, order), rest);
        let mut values: Vec<(String, Vec<u32>)> =
            records(group(Group::Values, NodeId(3), order, vec![sorted(&left, order)]));
        prop_assert!(values.is_sorted_by(|x, y| order.compare(x.0.as_bytes(), y.0.as_bytes()).is_lt()));
        values.sort();
        prop_assert_eq!(values, a.clone().into_iter().collect::<Vec<_>>());
        let distinct: BTreeSet<String> =
            records(group(Group::Distinct, NodeId(3), order, vec![sorted(&left, order)])).into_iter().collect();
        prop_assert!(distinct.iter().eq(a.keys()));
    }
}

#[test]
fn three_parents_make_a_tuple_of_three_lists() {
    let parents =
        vec![rows(&[(1u8, 'a'), (1, 'b')], 1), rows(&[(2u8, "x".to_owned())], 1), rows(&[(1u8, 7u64)], 1)];
    type Cogrouped = (u8, (Vec<char>, Vec<String>, Vec<u64>));
    let all: Vec<Cogrouped> = records(group(Group::Cogroup, NodeId(3), KeyOrder::Ascending, parents));
    assert_eq!(all, [(1, (vec!['a', 'b'], vec![], vec![7])), (2, (vec![], vec!["x".to_owned()], vec![]))]);
}

#[test]
fn the_pairs_of_one_key_are_handed_on_before_all_are_made() {
    let side: Vec<(u8, u32)> = (0..2000).map(|value| (1, value)).collect();
    let mut joined =
        group(Group::InnerJoin, NodeId(3), KeyOrder::Ascending, vec![rows(&side, 500), rows(&side, 500)]);
    let mut count = 0;
    while let Some(batch) = joined.next_batch().unwrap() {
        assert!(batch.len() <= 8192);
        count += batch.len();
    }
    assert_eq!(count, 2000 * 2000);
}

#[test]
fn rows_that_are_not_sorted_are_refused() {
    let parents = vec![rows(&[(2u8, 0u8), (1, 0)], 1)];
    let error = failure(group(Group::Values, NodeId(3), KeyOrder::Ascending, parents));
    assert_eq!(error, "node 3 can't be computed: the records of parent 0 are not sorted by key");
}
