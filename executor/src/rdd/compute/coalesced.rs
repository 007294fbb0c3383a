use std::{collections::VecDeque, sync::Arc};

use howdah_proto::{NodeId, Partition};

use super::{Computation, walk};
use crate::rdd::{Batch, RddError, Rows};

/// Several partitions, one after the other. Each is opened when it is needed, and not before.
pub(super) struct Coalesced {
    computation: Arc<Computation>,
    inputs: VecDeque<(NodeId, Partition)>,
    depth: u32,
    current: Option<Box<dyn Rows>>,
}

impl Coalesced {
    pub(super) fn new(computation: &Arc<Computation>, inputs: Vec<(NodeId, Partition)>, depth: u32) -> Self {
        Self { computation: computation.clone(), inputs: inputs.into(), depth, current: None }
    }
}

impl Rows for Coalesced {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        loop {
            if let Some(rows) = &mut self.current
                && let Some(batch) = rows.next_batch()?
            {
                return Ok(Some(batch));
            }
            let Some((node, partition)) = self.inputs.pop_front() else {
                self.current = None;
                return Ok(None);
            };
            self.current = Some(walk::open(&self.computation, node, partition, self.depth)?);
        }
    }
}
