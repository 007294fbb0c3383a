use serde::{Deserialize, Serialize};

use crate::rdd::{
    Context, ContextError, Direction, Failure, Function, KeyBy, MapValues, Partitioner, Rdd, Registry,
    Replacement, Sum,
    explain::{Kept, draw},
};

#[derive(Serialize, Deserialize)]
struct Half;

impl Function for Half {
    const NAME: &'static str = "half";
}

impl MapValues for Half {
    type Input = i64;
    type Output = i64;

    fn map_value(&mut self, value: i64) -> Result<i64, Failure> {
        Ok(value / 2)
    }
}

#[derive(Serialize, Deserialize)]
struct Parity;

impl Function for Parity {
    const NAME: &'static str = "parity";
}

impl KeyBy for Parity {
    type Record = i64;
    type Key = bool;

    fn key(&mut self, record: &i64) -> Result<bool, Failure> {
        Ok(record % 2 == 0)
    }
}

fn context() -> Context {
    let mut registry = Registry::new();
    registry.map_values::<Half>();
    Context::detached(registry)
}

fn pairs(context: &Context, partitions: u32) -> Rdd<(i64, i64)> {
    context.parallelize([(1, 2), (3, 4)], partitions)
}

/// What an RDD is made of, without numbers and stages.
fn nodes<T>(rdd: &Rdd<T>) -> Vec<String> {
    let lineage = rdd.context().graph().lineage().clone();
    let drawn = draw(&lineage, rdd.plan().unwrap().node, &Kept::default());
    let node =
        |line: &str| line.split_once('#').and_then(|(_, node)| Some(node.split_once(' ')?.1.to_owned()));
    drawn.lines().filter_map(node).collect()
}

fn shuffles<T>(rdd: &Rdd<T>) -> usize {
    nodes(rdd).iter().filter(|node| node.starts_with("shuffle")).count()
}

fn error<T>(rdd: &Rdd<T>) -> String {
    rdd.plan().unwrap_err().to_string()
}

#[tokio::test]
async fn records_become_pairs_again_only_when_that_is_needed() {
    let context = context();
    let nested = context.parallelize([(1i64, (2i64, 3i64))], 2);
    assert_eq!(nodes(&nested.values()), ["values", "collection"]);
    assert_eq!(nodes(&nested.values().keys()), ["keys", "records as pairs", "values", "collection"]);
    let once = pairs(&context, 1).distinct().map_values(Half);
    assert_eq!(nodes(&once)[..3], ["`half`", "records as pairs", "distinct"]);
    assert_eq!(nodes(&pairs(&context, 1).map_values(Half)), ["`half`", "collection"]);
}

#[tokio::test]
async fn rdds_that_are_partitioned_alike_are_joined_where_they_are() {
    let context = context();
    let left = pairs(&context, 3).partition_by(&Partitioner::hash(4));
    let right = pairs(&context, 5).partition_by(&Partitioner::hash(4)).map_values(Half);
    assert_eq!(shuffles(&left.join(&right)), 2);
    assert_eq!(shuffles(&left.join(&right).group_by_key().reduce_by_key_count()), 2);
    let elsewhere = pairs(&context, 5).partition_by(&Partitioner::hash(7));
    assert_eq!(shuffles(&left.join(&elsewhere)), 3);
    assert_eq!(left.join(&elsewhere).partitions(), 7);
    let ranges = Partitioner::range([2i64]).unwrap();
    let (low, high) = (pairs(&context, 1).partition_by(&ranges), pairs(&context, 2).partition_by(&ranges));
    assert_eq!(shuffles(&low.cogroup(&high)), 2);
    assert_eq!(shuffles(&low.partition_by(&ranges)), 1);
}

impl<V: howdah_executor::rdd::Data> Rdd<(i64, V)> {
    fn reduce_by_key_count(&self) -> Self {
        self.subtract_by_key(self)
    }
}

#[tokio::test]
async fn a_shuffle_is_told_into_how_many_partitions_it_goes() {
    let context = context();
    let sums = pairs(&context, 3).shuffle_into(8).reduce_by_key(Sum::default());
    assert_eq!(sums.partitions(), 8);
    assert_eq!(
        nodes(&sums),
        ["shuffle into 8 partitions, by hash, sorted, merging with `sum_i64`", "collection"]
    );
    assert_eq!(nodes(&sums.reduce_by_key(Sum::default()))[0], "merge the values of each key with `sum_i64`");
    assert_eq!(sums.join(&pairs(&context, 40)).partitions(), 8);
}

#[tokio::test]
async fn keys_that_lie_together_need_no_shuffle_to_be_distinct() {
    let context = context();
    let grouped = pairs(&context, 3).group_by_key();
    assert_eq!(shuffles(&grouped.keys().distinct()), 1);
    assert_eq!(shuffles(&grouped.distinct()), 2);
    assert_eq!(shuffles(&context.range(0..9, 2).distinct().distinct()), 1);
}

#[tokio::test]
async fn an_rdd_with_itself_is_shuffled_once() {
    let context = context();
    let all = pairs(&context, 3);
    assert_eq!(shuffles(&all.join(&all)), 1);
}

#[tokio::test]
async fn a_sorted_rdd_is_grouped_as_it_lies_if_it_ascends() {
    let context = context();
    let sorted = |direction| {
        let all = pairs(&context, 1);
        async move { all.sort_by_key(direction).await.unwrap().group_by_key() }
    };
    assert_eq!(shuffles(&sorted(Direction::Ascending).await), 1);
    assert_eq!(shuffles(&sorted(Direction::Descending).await), 2);
}

#[tokio::test]
async fn what_is_wrong_is_said_by_the_name_of_the_transformation() {
    let context = context();
    let numbers = context.range(0..10, 2);
    assert!(
        error(&numbers.key_by(Parity).keys()).starts_with("`key_by` can't be done: operator `parity` is not")
    );
    let zipped = error(&numbers.zip(&context.range(0..9, 3)));
    assert!(zipped.contains("`zip`") && zipped.contains("has 2 partitions, and the other 3"), "{zipped}");
    assert!(error(&numbers.sample(Replacement::Without, 1.5, 1)).contains("`sample` can't be done"));
    assert!(error(&numbers.random_split(&[1.0, -1.0], 1)[0]).contains("`random_split`"));
    assert!(error(&numbers.repartition(0)).contains("`repartition`"));
    assert!(error(&context.range(0..9, 0)).contains("`range`"));
    let wide = context.range(0..9, 4000);
    assert!(error(&wide.cartesian(&wide)).contains("16000000 partitions"));
    let elsewhere = self::context().range(0..9, 2);
    assert!(error(&numbers.union(&elsewhere)).contains("different contexts"));
    assert!(matches!(numbers.repartition(0).count().await, Err(ContextError::BadLineage { .. })));
}

#[tokio::test]
async fn weights_cut_all_records_into_parts_without_a_gap() {
    let context = context();
    let parts = context.range(0..9, 1).random_split(&[1.0, 1.0, 1.0], 7);
    let parts: Vec<String> = parts.iter().map(|part| nodes(part)[0].clone()).collect();
    let third = 1.0 / 3.0;
    let expected = [(0.0, third), (third, 2.0 / 3.0), (2.0 / 3.0, 1.0)];
    assert_eq!(parts, expected.map(|(from, to)| format!("split {from}..{to}, seed 7")));
}

#[tokio::test]
async fn an_rdd_without_a_partition_is_no_error() {
    let context = context();
    let none = context.empty::<(i64, i64)>();
    assert_eq!(none.collect().await.unwrap(), []);
    assert_eq!(none.count().await.unwrap(), 0);
    assert!(none.is_empty().await.unwrap());
    assert!(matches!(none.first().await, Err(ContextError::Empty { action: "first" })));
    assert!(matches!(
        none.keys().reduce(Sum::default()).await,
        Err(ContextError::Empty { action: "reduce" })
    ));
    assert_eq!(none.keys().sum().await.unwrap(), 0);
    assert_eq!(none.zip_with_index().await.unwrap().partitions(), 0);
    assert_eq!(none.union(&none).partitions(), 0);
    assert_eq!(none.group_by_key().partitions(), 1);
    assert_eq!(none.sort_by_key(Direction::Ascending).await.unwrap().partitions(), 1);
}

#[tokio::test]
async fn a_lineage_of_a_hundred_thousand_nodes_is_built_one_by_one() {
    let context = context();
    let mut deep = pairs(&context, 1);
    for _ in 0..100_000 {
        deep = deep.map_values(Half);
    }
    assert_eq!(deep.plan().unwrap().node.0, 100_000);
}
