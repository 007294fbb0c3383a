use std::sync::Arc;

use howdah_proto::{Attempt, JobId, ObjectId, StageId, TaskIndex};

use super::*;
use crate::rdd::{
    Data, codec,
    function::testing::{Average, Gather, VISITED, Visit, registry},
    narrow::testing::rows,
    saved::{commit, open_part},
    scope::{AccumulatorValue, ContextKey, Objects, Reach, Scope},
    spec_of,
};

const LIMIT: ResultLimit = ResultLimit(1 << 20);

fn attempt(
    action: &Action,
    partition: u32,
    rows: Box<dyn Rows>,
    limit: ResultLimit,
) -> Result<Bytes, RddError> {
    let attempt =
        AttemptId { job: JobId(1), stage: StageId(1), task: TaskIndex(partition), attempt: Attempt(1) };
    let task = ActionTask { registry: &registry(), partition: Partition(partition), attempt, limit };
    run(action, rows, task)
}

/// Runs an action on partitions and merges the results, those of the first two before the others.
fn all<T: Data>(action: &Action, partitions: &[Vec<T>]) -> Bytes {
    let parts =
        (0..).zip(partitions).map(|(place, part)| attempt(action, place, rows(part, 3), LIMIT).unwrap());
    let mut parts: Vec<Bytes> = parts.collect();
    let rest = parts.split_off(2.min(parts.len()));
    let first = merge(action, parts, &registry(), LIMIT).unwrap();
    merge(action, [vec![first], rest].concat(), &registry(), LIMIT).unwrap()
}

fn numbers() -> Vec<Vec<i64>> {
    vec![vec![5, -3, 8, 8], vec![], (-2..10).collect(), vec![8, 100]]
}

#[test]
fn records_are_collected_counted_and_taken_in_the_order_of_partitions() {
    let whole = numbers().concat();
    assert_eq!(read_records::<i64>(all(&Action::Collect, &numbers())).unwrap(), whole);
    assert_eq!(read_count(&all(&Action::Count, &numbers())).unwrap(), 18);
    assert_eq!(read_count(&all::<u8>(&Action::Count, &[])).unwrap(), 0);
    for records in [0, 3, 4, 7, 99] {
        let taken: Vec<i64> = read_records(all(&Action::Take(records), &numbers())).unwrap();
        assert_eq!(taken, whole[..whole.len().min(records as usize)]);
    }
}

#[test]
fn the_smallest_and_the_largest_come_in_order() {
    let mut sorted = numbers().concat();
    sorted.sort_unstable();
    let of = |records, end| read_records::<i64>(all(&Action::Ordered { records, end }, &numbers())).unwrap();
    assert_eq!(of(5, End::Smallest), sorted[..5]);
    assert_eq!(of(99, End::Smallest), sorted);
    assert_eq!(of(0, End::Smallest), [] as [i64; 0]);
    sorted.reverse();
    assert_eq!(of(5, End::Largest), sorted[..5]);
}

#[test]
fn keys_and_records_are_counted_and_looked_up() {
    let pairs = [vec![('b', 1u8), ('a', 1), ('b', 2)], vec![('b', 1)]];
    let keys: Vec<(char, u64)> = read_records(all(&Action::CountByKey, &pairs)).unwrap();
    assert_eq!(keys, [('a', 1), ('b', 3)]);
    let records: Vec<((char, u8), u64)> = read_records(all(&Action::CountByRecord, &pairs)).unwrap();
    assert_eq!(records, [(('a', 1), 1), (('b', 1), 2), (('b', 2), 1)]);
    let key = codec::to_vec(&'b').unwrap().into();
    assert_eq!(read_records::<u8>(all(&Action::Lookup { key }, &pairs)).unwrap(), [1, 2, 1]);
}

#[test]
fn a_fold_gives_one_accumulator_or_none() {
    let fold = |combiner| Action::Fold { combiner, combined: false };
    let average = fold(spec_of(&Average {}));
    assert_eq!(read_records::<(i64, u64)>(all(&average, &numbers())).unwrap(), [(168, 18)]);
    assert!(read_records::<(i64, u64)>(all::<i64>(&average, &[vec![], vec![]])).unwrap().is_empty());
    let gathered = all(&fold(spec_of(&Gather {})), &numbers());
    assert_eq!(read_records::<Vec<i64>>(gathered).unwrap(), [numbers().concat()]);
}

#[test]
fn a_result_over_the_limit_is_refused_and_says_what_to_do() {
    let records: Vec<u64> = (0..1000).collect();
    for action in
        [Action::Collect, Action::CountByRecord, Action::Ordered { records: 999, end: End::Largest }]
    {
        let error = attempt(&action, 0, rows(&records, 10), ResultLimit(2000)).unwrap_err();
        assert!(matches!(error, RddError::ResultTooLarge { limit: 2000, .. }), "{action:?}: {error}");
        assert!(error.to_string().contains("raise the limit of results"), "{error}");
    }
}

struct Nothing;

impl Objects for Nothing {
    fn object(&self, id: ObjectId) -> Result<Bytes, RddError> {
        Err(RddError::Driver { what: format!("object {id}"), reason: "there is none".to_owned() })
    }
}

#[test]
fn what_is_done_with_each_record_reaches_accumulators() {
    let scope = Scope::enter(Reach {
        context: ContextKey(1),
        objects: Arc::new(Nothing),
        cache: Arc::default(),
        surroundings: Default::default(),
    });
    assert!(all(&Action::ForEach(spec_of(&Visit {})), &numbers()).is_empty());
    assert_eq!(scope.take_updates(), [(VISITED, AccumulatorValue::Signed(168))]);
}

#[test]
fn partitions_are_saved_and_their_results_complete_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("numbers");
    let save = Action::Save { folder: folder.to_str().unwrap().to_owned(), token: "t".to_owned() };
    let parts = read_saved(all(&save, &numbers())).unwrap();
    commit(&folder, "t", &parts).unwrap();
    let read =
        |partition| crate::rdd::narrow::testing::records(open_part(&folder, Partition(partition)).unwrap());
    assert_eq!((0..4).map(read).collect::<Vec<Vec<i64>>>(), numbers());
}
