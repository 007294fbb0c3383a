use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use howdah_proto::{Partition, lineage::OperatorSpec};

use super::ToFit;
use crate::scheduler::Millis;

/// The operators of a job that are fitted.
#[derive(Debug, Default)]
pub(in crate::train) struct Fits {
    /// Those that are yet to be, in their order.
    pub(in crate::train) waiting: VecDeque<ToFit>,
    /// The first of them, while it is being fitted.
    pub(in crate::train) under_way: Option<UnderWay>,
    /// Whether any was fitted.
    pub(in crate::train) done: bool,
}

/// An operator that is being fitted.
#[derive(Debug)]
pub(in crate::train) struct UnderWay {
    pub(in crate::train) since: Millis,
    /// How many pictures of each partition are looked at.
    pub(in crate::train) pictures: BTreeMap<Partition, u64>,
    /// About how many records they all give.
    pub(in crate::train) expected: u64,
    /// How many they gave.
    pub(in crate::train) records: u64,
    pub(in crate::train) summaries: BTreeMap<Partition, Bytes>,
}

/// What an operator is fitted with.
#[derive(Debug, Clone, PartialEq)]
pub struct FitRequest {
    /// The operator, without its parameters.
    pub spec: OperatorSpec,
    /// Its place in the pipeline.
    pub place: u32,
    /// Decides what is drawn.
    pub seed: u64,
    /// What the partitions gathered, in their order.
    pub summaries: Vec<(Partition, Bytes)>,
}
