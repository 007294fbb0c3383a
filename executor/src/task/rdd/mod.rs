//! A task of an RDD: computes a partition, and leaves a map output or gives a result.

mod action;
mod copies;
mod fetch;
mod here;
mod objects;

use std::sync::Arc;

use bytes::Bytes;
use howdah_proto::{
    AccumulatorId, BlockId, NodeId,
    lineage::NodeKind,
    pb::{self, attempt_succeeded::Result as TaskResult},
};

use self::action::Wanted;
use super::{Assigned, ContextView, Outcome, RddOutput, RddWork, TaskError};
use crate::{
    rdd::{
        RddError,
        action::{ActionTask, ResultLimit},
        compute::{self, Computation},
        scope::{AccumulatorValue, ContextKey, Reach, Scope, Surroundings},
    },
    shuffle::{MapOutputWriter, MapSide, OutputId},
};
use here::Here;

pub(super) use objects::ObjectReader;

/// Computes the task's partition and does with it what the work says.
pub(super) fn run(
    assigned: &Assigned<'_>,
    view: &Arc<ContextView>,
    work: &RddWork,
) -> Result<Outcome, TaskError> {
    let environment = assigned.environment;
    let here = Arc::new(Here::new(assigned, view));
    let scope = Scope::enter(Reach {
        context: ContextKey(view.context.0),
        objects: here.clone(),
        cache: environment.broadcasts.clone(),
        surroundings: Surroundings {
            registry: environment.registry.clone(),
            runtime: Some(environment.runtime.clone()),
        },
    });
    let result = match &work.output {
        RddOutput::Shuffle(shuffle) => {
            leave_map_output(assigned, view, work.node, *shuffle, &here)?;
            Bytes::new()
        }
        RddOutput::Action(wanted) => act(assigned, view, work, wanted, &here)?,
    };
    let accumulators = scope.take_updates().into_iter().map(update).collect();
    let stored = here.stored();
    let copied = match &work.second_copy {
        Some(address) => copies::send(environment, view, &stored, address),
        None => Vec::new(),
    };
    let done = pb::RddDone {
        result,
        accumulators,
        copied_to: work.second_copy.clone().filter(|_| !copied.is_empty()).unwrap_or_default(),
        copied: copied.into_iter().map(pb::BlockId::from).collect(),
    };
    Ok(Outcome { result: TaskResult::Rdd(done), stored })
}

fn leave_map_output(
    assigned: &Assigned<'_>,
    view: &ContextView,
    node: NodeId,
    shuffle: NodeId,
    here: &Arc<Here>,
) -> Result<(), RddError> {
    let environment = assigned.environment;
    let map = assigned.task.partition;
    let known = view.lineage.get(shuffle);
    let Some((NodeKind::Shuffle(how), partitions)) = known.map(|node| (&node.kind, node.partitions)) else {
        return Err(RddError::Lineage { node: shuffle, reason: "it is no shuffle".to_owned() });
    };
    let combiner = how.combiner.as_ref().map(|spec| environment.registry.combiner(spec)).transpose()?;
    let workspace = environment.workspace(assigned.cancel);
    let id = OutputId { context: view.context, shuffle, map };
    let mut writer = MapOutputWriter::new(MapSide { id, shuffle: how, partitions }, combiner, &workspace)?;
    let mut rows = compute::rows(&computation(assigned, view, here), node, map)?;
    writer.push_all(&mut *rows)?;
    environment.outputs.put(writer.finish()?);
    Ok(())
}

fn act(
    assigned: &Assigned<'_>,
    view: &Arc<ContextView>,
    work: &RddWork,
    wanted: &pb::Action,
    here: &Arc<Here>,
) -> Result<Bytes, TaskError> {
    let task = assigned.task;
    let action = match Wanted::try_from(wanted.clone())? {
        Wanted::End(saved) => {
            saved.end()?;
            return Ok(Bytes::new());
        }
        Wanted::Compute => None,
        Wanted::Rows(action) => Some(action),
    };
    let mut rows = compute::rows(&computation(assigned, view, here), work.node, task.partition)?;
    let Some(action) = action else {
        while rows.next_batch()?.is_some() {}
        return Ok(Bytes::new());
    };
    let limit = ResultLimit(work.result_limit_bytes);
    let registry = &assigned.environment.registry;
    let task = ActionTask { registry, partition: task.partition, attempt: task.attempt, limit };
    Ok(crate::rdd::action::run(&action, rows, task)?)
}

fn computation(assigned: &Assigned<'_>, view: &ContextView, here: &Arc<Here>) -> Arc<Computation> {
    let registry = assigned.environment.registry.clone();
    Arc::new(Computation { lineage: view.lineage.clone(), registry, surroundings: here.clone() })
}

fn update((id, value): (AccumulatorId, AccumulatorValue)) -> pb::AccumulatorUpdate {
    pb::AccumulatorUpdate { accumulator_id: id.0, value: Some(value.into()) }
}

/// The name of a partition's block.
fn block(view: &ContextView, node: NodeId, partition: howdah_proto::Partition) -> BlockId {
    BlockId { context: view.context, node, partition }
}
