use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use howdah_proto::{
    ObjectId,
    lineage::{Group, Node, NodeKind, OperatorSpec, Order, Partitioner, Reshape, Shuffle},
};

use super::*;
use crate::rdd::{
    Batch, Function,
    batch::OneBatch,
    function::testing::{Add, Even, LastDigit, Negate, Repeat, Total, UpTo, registry},
    narrow::testing::{batch_of, failure, records},
    spec_of,
};

#[derive(Default)]
struct World {
    blocks: Mutex<BTreeMap<(NodeId, Partition), Batch>>,
    shuffled: BTreeMap<NodeId, Batch>,
    kept: AtomicU32,
    checks_left: Option<AtomicU32>,
}

impl Objects for World {
    fn object(&self, id: ObjectId) -> Result<Bytes, RddError> {
        Err(RddError::Driver { what: format!("object {id}"), reason: "there is none".to_owned() })
    }
}

impl Surroundings for World {
    fn kept(&self, node: NodeId, partition: Partition) -> Result<Option<Box<dyn Rows>>, RddError> {
        let block = self.blocks.lock().unwrap().get(&(node, partition)).cloned();
        Ok(block.map(|block| Box::new(OneBatch::new(block)) as Box<dyn Rows>))
    }

    fn keep(
        &self,
        node: NodeId,
        partition: Partition,
        _: StorageLevel,
        mut rows: Box<dyn Rows>,
    ) -> Result<Box<dyn Rows>, RddError> {
        self.kept.fetch_add(1, Ordering::Relaxed);
        let block = rows.next_batch()?.unwrap_or_default();
        self.blocks.lock().unwrap().insert((node, partition), block.clone());
        Ok(Box::new(OneBatch::new(block)))
    }

    fn shuffled(&self, shuffle: NodeId, _: Partition) -> Result<Box<dyn Rows>, RddError> {
        Ok(Box::new(OneBatch::new(self.shuffled.get(&shuffle).cloned().unwrap_or_default())))
    }

    fn check(&self) -> Result<(), RddError> {
        let Some(left) = &self.checks_left else { return Ok(()) };
        let enough = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        enough.map(|_| ()).map_err(|_| RddError::Cancelled)
    }
}

struct Graph(Lineage);

impl Graph {
    fn range(end: i64, partitions: u32) -> Self {
        let mut graph = Self(Lineage::new());
        graph.add(NodeKind::Range { start: 0, end, step: 1 }, &[], partitions);
        graph
    }

    fn add(&mut self, kind: NodeKind, parents: &[u32], partitions: u32) -> u32 {
        let id = self.0.len() as u32;
        let parents = parents.iter().copied().map(NodeId).collect();
        self.0.define(NodeId(id), Node { kind, parents, partitions, persist: None }).unwrap();
        id
    }

    /// Adds something over the last node.
    fn then(&mut self, kind: NodeKind) -> u32 {
        let last = self.0.len() as u32 - 1;
        let partitions = self.0.get(NodeId(last)).unwrap().partitions;
        self.add(kind, &[last], partitions)
    }

    fn function(&mut self, function: &impl Function) -> u32 {
        self.then(NodeKind::Operator(spec_of(function)))
    }

    fn persist(&mut self, node: u32) {
        self.0.persist(NodeId(node), Some(StorageLevel::MEMORY));
    }

    fn open(&self, world: &Arc<World>, node: u32, partition: u32) -> Result<Box<dyn Rows>, RddError> {
        let (lineage, surroundings) = (self.0.clone(), world.clone());
        let computation = Computation { lineage, registry: Arc::new(registry()), surroundings };
        rows(&Arc::new(computation), NodeId(node), Partition(partition))
    }

    fn records<T: crate::rdd::Data>(&self, node: u32, partition: u32) -> Vec<T> {
        records(self.open(&Arc::default(), node, partition).unwrap())
    }
}

#[test]
fn functions_of_all_kinds_work_one_after_the_other() {
    let mut graph = Graph::range(40, 2);
    let repeated = graph.function(&Repeat {});
    graph.function(&Add { number: 1 });
    let even = graph.function(&Even {});
    let keyed = graph.function(&LastDigit {});
    let negated = graph.function(&Negate {});
    let values = graph.function(&UpTo {});
    assert_eq!(graph.records::<i64>(repeated, 0)[..7], [1, 2, 2, 3, 3, 3, 5]);
    assert_eq!(graph.records::<i64>(even, 0)[..5], [2, 4, 4, 4, 6]);
    assert_eq!(graph.records::<(String, i64)>(keyed, 1)[..2], [("2".to_owned(), 22), ("4".to_owned(), 24)]);
    assert_eq!(graph.records::<(String, i64)>(negated, 1)[0], ("2".to_owned(), -22));
    assert_eq!(
        graph.records::<(String, u8)>(values, 0)[..3],
        [("2", 0), ("2", 1), ("4", 0)].map(|(k, v)| (k.to_owned(), v))
    );
}

#[test]
fn outputs_larger_than_a_batch_keep_their_order() {
    let mut graph = Graph::range(50_000, 1);
    graph.function(&Repeat {});
    graph.function(&Repeat {});
    let last = graph.function(&Even {});
    let expected = (0..50_000i64).flat_map(|n| std::iter::repeat_n(n, ((n % 4) * (n % 4)) as usize));
    assert!(graph.records::<i64>(last, 0).into_iter().eq(expected.filter(|n| n % 2 == 0)));
}

#[test]
fn a_hundred_thousand_maps_are_one_flat_list() {
    let mut graph = Graph::range(3, 1);
    let last = (0..100_000).map(|_| graph.function(&Add { number: 1 })).last().unwrap();
    assert_eq!(graph.records::<i64>(last, 0), [100_000, 100_001, 100_002]);
}

#[test]
fn a_union_of_unions_is_only_a_redirection() {
    let mut graph = Graph::range(1, 1);
    let mut last = 0;
    for partitions in 2..50_000 {
        last = graph.add(NodeKind::Union, &[last, 0], partitions);
    }
    assert_eq!(graph.records::<i64>(last, 0), [0]);
    assert_eq!(graph.records::<i64>(last, 49_998), [0]);
}

#[test]
fn a_persisted_node_is_computed_once() {
    let mut graph = Graph::range(4, 2);
    let kept = graph.function(&Add { number: 10 });
    graph.persist(kept);
    let last = graph.function(&Add { number: 100 });
    let world = Arc::<World>::default();
    for _ in 0..2 {
        assert_eq!(records::<i64>(graph.open(&world, last, 1).unwrap()), [112, 113]);
    }
    assert_eq!(world.kept.load(Ordering::Relaxed), 1);
    world.blocks.lock().unwrap().insert((NodeId(kept), Partition(1)), batch_of(&[7i64]));
    assert_eq!(records::<i64>(graph.open(&world, last, 1).unwrap()), [107]);
}

#[test]
fn a_lineage_whose_blocks_are_all_lost_is_computed_whatever_its_length() {
    let mut graph = Graph::range(1, 1);
    for _ in 0..1000 {
        let node = graph.function(&Add { number: 1 });
        graph.persist(node);
    }
    let world = Arc::<World>::default();
    assert_eq!(records::<i64>(graph.open(&world, 1000, 0).unwrap()), [1000]);
    assert_eq!(world.kept.load(Ordering::Relaxed), MAX_KEPT);
}

#[test]
fn rows_nest_up_to_a_limit_that_says_what_to_do() {
    let mut graph = Graph::range(3, 1);
    for _ in 0..=MAX_NESTED {
        graph.function(&Total {});
    }
    assert_eq!(graph.records::<i64>(MAX_NESTED, 0), [0, 3]);
    let error = graph.open(&Arc::default(), MAX_NESTED + 1, 0).err().unwrap().to_string();
    assert!(
        error.starts_with("node 1 can't be computed") && error.contains("checkpoint or persist"),
        "{error}"
    );
}

#[test]
fn partitions_are_zipped_crossed_and_coalesced() {
    let mut graph = Graph::range(6, 3);
    let more = graph.function(&Add { number: 10 });
    let zipped = graph.add(NodeKind::Zip, &[0, more], 3);
    assert_eq!(graph.records::<(i64, i64)>(zipped, 1), [(2, 12), (3, 13)]);
    let crossed = graph.add(NodeKind::Cartesian, &[0, more], 9);
    assert_eq!(graph.records::<(i64, i64)>(crossed, 5), [(2, 14), (2, 15), (3, 14), (3, 15)]);
    let coalesced = graph.add(NodeKind::Coalesce, &[more], 2);
    assert_eq!(graph.records::<i64>(coalesced, 1), [12, 13, 14, 15]);
    let listed = graph.then(NodeKind::Reshape(Reshape::Glom));
    assert_eq!(graph.records::<Vec<i64>>(listed, 0), [[10, 11]]);
    let counted = graph.add(NodeKind::ZipWithIndex { first: vec![0, 2, 4] }, &[more], 3);
    assert_eq!(graph.records::<(i64, u64)>(counted, 2), [(14, 4), (15, 5)]);
}

#[test]
fn what_comes_from_a_shuffle_is_grouped_in_its_order() {
    let mut graph = Graph::range(6, 1);
    graph.function(&LastDigit {});
    let shuffle =
        |order| NodeKind::Shuffle(Shuffle { partitioner: Partitioner::Hash, combiner: None, order });
    let left = graph.add(shuffle(Order::KeyDescending), &[1], 2);
    let right = graph.add(shuffle(Order::KeyDescending), &[1], 2);
    let group = graph.add(NodeKind::Group(Group::LeftOuterJoin), &[left, right], 2);
    let sum = OperatorSpec { name: "sum_i64".to_owned(), version: 1, params: serde_json::json!({}) };
    let sums = graph.add(NodeKind::Combine { combiner: sum, combined: false }, &[left], 2);
    let pair = |key: &str, value: i64| (key.to_owned(), value);
    let shuffled = BTreeMap::from([
        (NodeId(left), batch_of(&[pair("b", 1), pair("b", 2), pair("a", 3)])),
        (NodeId(right), batch_of(&[pair("c", 1), pair("b", 7)])),
    ]);
    let world = Arc::new(World { shuffled, ..World::default() });
    let joined: Vec<(String, (i64, Option<i64>))> = records(graph.open(&world, group, 0).unwrap());
    let expected = [("b", (1, Some(7))), ("b", (2, Some(7))), ("a", (3, None))];
    assert_eq!(joined, expected.map(|(key, values)| (key.to_owned(), values)));
    assert_eq!(records::<(String, i64)>(graph.open(&world, sums, 0).unwrap()), [pair("b", 3), pair("a", 3)]);
}

#[test]
fn work_that_is_no_longer_wanted_ends_between_two_batches() {
    let mut graph = Graph::range(100_000_000_000, 1);
    let total = graph.function(&Total {});
    let world = Arc::new(World { checks_left: Some(AtomicU32::new(10)), ..World::default() });
    assert_eq!(failure(graph.open(&world, total, 0).unwrap()), "cancelled");
}

#[test]
fn a_function_that_fails_is_named() {
    let mut graph = Graph(Lineage::new());
    graph.add(NodeKind::Range { start: 13_000_000, end: 13_000_001, step: 1 }, &[], 1);
    let failing = graph.function(&Add { number: 1 });
    let rows = graph.open(&Arc::default(), failing, 0).unwrap();
    assert_eq!(failure(rows), "`add` failed: this is no good number");
    let mut graph = Graph::range(1, 1);
    let negated = graph.function(&Negate {});
    let rows = graph.open(&Arc::default(), negated, 0).unwrap();
    assert_eq!(failure(rows), "`negate`: a record is no pair");
}
