use std::{path::Path, sync::Arc};

use howdah_proto::{
    NodeId, Partition,
    lineage::{Inputs, Node, NodeKind, Slice, StorageLevel},
};

use super::{Computation, MAX_KEPT, MAX_NESTED, checked::Checked, joint, pipeline::Pipeline};
use crate::rdd::{
    RddError, Rows, Step, Transform,
    narrow::{Draw, Indexed, PoissonSample, Reshaped},
    saved,
    source::{Frames, NumberRange},
};

/// What was met on the way down, to be laid on the rows on the way up.
enum Layer {
    Step(Box<dyn Step>),
    Keep(NodeId, Partition, StorageLevel),
}

/// What stands at a node.
enum Place {
    /// Something that is done to the records of another place.
    Step(Box<dyn Step>),
    /// The same as another place.
    Redirect,
    /// Rows begin here.
    Rows(Box<dyn Rows>),
    /// Rows of other rows.
    Joint,
}

/// Opens the rows of a place that lies in `depth` others.
pub(super) fn open(
    computation: &Arc<Computation>,
    node: NodeId,
    partition: Partition,
    depth: u32,
) -> Result<Box<dyn Rows>, RddError> {
    let surroundings = &computation.surroundings;
    surroundings.check()?;
    let (mut id, mut partition) = (node, partition);
    let mut layers = Vec::new();
    let mut kept = 0;
    let source = loop {
        let node = find(computation, id)?;
        if let Some(level) = node.persist {
            if let Some(rows) = surroundings.kept(id, partition)? {
                break rows;
            }
            if depth + kept < MAX_KEPT {
                kept += 1;
                layers.push(Layer::Keep(id, partition, level));
            }
        }
        match place(computation, id, node, partition)? {
            Place::Step(step) => layers.push(Layer::Step(step)),
            Place::Redirect => {}
            Place::Rows(rows) => break rows,
            Place::Joint => {
                let inner = depth + kept + 1;
                if inner > MAX_NESTED {
                    let reason = format!(
                        "more than {MAX_NESTED} joins, zips, groups or maps of partitions lie in each other: \
                         checkpoint or persist what comes before it"
                    );
                    return Err(RddError::Lineage { node: id, reason });
                }
                break joint::open(computation, id, node, partition, inner)?;
            }
        }
        (id, partition) = only_input(computation, id, partition)?;
    };
    let source: Box<dyn Rows> = Box::new(Checked::new(source, surroundings.clone()));
    lay(computation, source, layers)
}

/// Lays what was met on the way down, the last thing first, on rows.
fn lay(
    computation: &Computation,
    mut rows: Box<dyn Rows>,
    mut layers: Vec<Layer>,
) -> Result<Box<dyn Rows>, RddError> {
    let mut steps: Vec<Box<dyn Step>> = Vec::new();
    loop {
        let layer = layers.pop();
        if let Some(Layer::Step(step)) = layer {
            steps.push(step);
            continue;
        }
        if !steps.is_empty() {
            rows = Box::new(Pipeline::new(rows, std::mem::take(&mut steps).into_iter()));
        }
        match layer {
            Some(Layer::Keep(node, partition, level)) => {
                rows = computation.surroundings.keep(node, partition, level, rows)?;
            }
            _ => return Ok(rows),
        }
    }
}

fn place(
    computation: &Computation,
    id: NodeId,
    node: &Node,
    partition: Partition,
) -> Result<Place, RddError> {
    let wrong = |reason: &str| RddError::Lineage { node: id, reason: reason.to_owned() };
    Ok(match &node.kind {
        NodeKind::Files => {
            return Err(wrong("listed pictures are no records: they are decoded by a training job"));
        }
        NodeKind::Range { start, end, step } => {
            rows(NumberRange::new(*start, *end, *step, partition, node.partitions))
        }
        NodeKind::Collection(slices) => {
            let slice = slices.get(partition.0 as usize).ok_or_else(|| wrong("it has no such partition"))?;
            rows(Frames::new(match slice {
                Slice::Inline(bytes) => bytes.clone(),
                Slice::Object(object) => computation.surroundings.object(*object)?,
            }))
        }
        NodeKind::Saved { folder } => rows(saved::open_part(Path::new(folder), partition)?),
        NodeKind::Shuffle(_) => Place::Rows(computation.surroundings.shuffled(id, partition)?),
        NodeKind::Operator(operator) => match computation.registry.transform(operator)? {
            Transform::Step(step) => Place::Step(step),
            Transform::Partition(_) => Place::Joint,
        },
        NodeKind::Reshape(reshape) => match Reshaped::new(*reshape) {
            Some(reshaped) => step(reshaped),
            None => Place::Joint,
        },
        NodeKind::Sample { with_replacement: true, fraction, seed } => {
            step(PoissonSample::new(*fraction, *seed, partition))
        }
        NodeKind::Sample { with_replacement: false, fraction, seed } => {
            step(Draw::new(0.0, *fraction, *seed, partition))
        }
        NodeKind::Split { from, to, seed } => step(Draw::new(*from, *to, *seed, partition)),
        NodeKind::ZipWithIndex { first } => {
            let first = first.get(partition.0 as usize).ok_or_else(|| wrong("it has no such partition"))?;
            step(Indexed::new(*first))
        }
        NodeKind::Union => Place::Redirect,
        NodeKind::Zip
        | NodeKind::Cartesian
        | NodeKind::Coalesce
        | NodeKind::Combine { .. }
        | NodeKind::Partial { .. }
        | NodeKind::Group(_) => Place::Joint,
    })
}

fn rows(rows: impl Rows + 'static) -> Place {
    Place::Rows(Box::new(rows))
}

fn step(step: impl Step + 'static) -> Place {
    Place::Step(Box::new(step))
}

pub(super) fn find(computation: &Computation, id: NodeId) -> Result<&Node, RddError> {
    let lacking = || RddError::Lineage { node: id, reason: "it is not in the lineage".to_owned() };
    computation.lineage.get(id).ok_or_else(lacking)
}

/// The partitions that a partition is computed from.
pub(super) fn inputs(
    computation: &Computation,
    id: NodeId,
    partition: Partition,
) -> Result<Vec<(NodeId, Partition)>, RddError> {
    match computation.lineage.inputs(id, partition) {
        Some(Inputs::Narrow(inputs)) => Ok(inputs),
        _ => Err(RddError::Lineage { node: id, reason: format!("it has no partition {partition}") }),
    }
}

fn only_input(
    computation: &Computation,
    id: NodeId,
    partition: Partition,
) -> Result<(NodeId, Partition), RddError> {
    match inputs(computation, id, partition)?[..] {
        [input] => Ok(input),
        ref others => {
            let reason = format!("it is computed from {} partitions instead of one", others.len());
            Err(RddError::Lineage { node: id, reason })
        }
    }
}
