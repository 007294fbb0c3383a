//! Rows for tests: typed records in, typed records out.

use howdah_proto::lineage::OperatorSpec;

use crate::rdd::{
    AnyCombiner, Batch, Data, Registry, Rows, Step,
    batch::{OneBatch, Several},
    codec,
};

/// A batch of records.
pub(crate) fn batch_of<T: Data>(records: &[T]) -> Batch {
    let mut batch = Batch::new();
    records.iter().for_each(|record| codec::push(&mut batch, record).unwrap());
    batch
}

/// Rows of records in batches of `size`.
pub(crate) fn rows<T: Data>(records: &[T], size: usize) -> Box<dyn Rows> {
    Box::new(Several::new(records.chunks(size).map(|chunk| OneBatch::new(batch_of(chunk)))))
}

/// All records, each checked to be encoded as its type is: pairs as pairs, everything else whole.
pub(crate) fn records<T: Data>(mut rows: impl Rows) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(batch) = rows.next_batch().unwrap() {
        assert!(!batch.is_empty(), "an empty batch");
        let typed: Vec<T> = batch.rows().map(|row| codec::decode(row.bytes()).unwrap()).collect();
        assert_eq!(batch_of(&typed), batch, "not encoded as the type is");
        all.extend(typed);
    }
    assert!(rows.next_batch().unwrap().is_none(), "rows after the end");
    all
}

/// What a step makes of records.
pub(crate) fn step<T: Data, U: Data>(step: &mut dyn Step, input: &[T]) -> Vec<U> {
    let input = batch_of(input);
    let (mut at, mut all) = (0, Vec::new());
    while at < input.len() {
        let mut out = Batch::new();
        at = step.apply(&input, at, &mut out).unwrap();
        all.extend(records(OneBatch::new(out)));
    }
    all
}

/// How rows fail.
pub(crate) fn failure(mut rows: impl Rows) -> String {
    loop {
        match rows.next_batch() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the rows ended well"),
            Err(error) => return error.to_string(),
        }
    }
}

/// A combiner without parameters.
pub(crate) fn combiner(name: &str) -> Box<dyn AnyCombiner> {
    let spec = OperatorSpec { name: name.to_owned(), version: 1, params: serde_json::json!({}) };
    Registry::new().combiner(&spec).unwrap()
}
