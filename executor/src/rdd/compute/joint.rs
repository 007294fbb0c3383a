use std::sync::Arc;

use howdah_proto::{
    NodeId, Partition,
    lineage::{Lineage, Node, NodeKind, Order, Reshape},
};

use super::{
    Computation,
    coalesced::Coalesced,
    walk::{inputs, open as open_place},
};
use crate::rdd::{
    RddError, Rows, Transform,
    narrow::{Cartesian, Combined, Glom, KeyOrder, Partial, Zip, group},
};

/// Opens rows that are made of other rows, which lie `depth` deep.
pub(super) fn open(
    computation: &Arc<Computation>,
    id: NodeId,
    node: &Node,
    partition: Partition,
    depth: u32,
) -> Result<Box<dyn Rows>, RddError> {
    let inputs = inputs(computation, id, partition)?;
    let open = |input: Option<&(NodeId, Partition)>| match input {
        Some((node, partition)) => open_place(computation, *node, *partition, depth),
        None => Err(RddError::Lineage { node: id, reason: "it lacks a parent".to_owned() }),
    };
    let combiner = |spec| Ok::<_, RddError>(computation.registry.combiner(spec)?);
    let (first, second) = (inputs.first(), inputs.get(1));
    Ok(match &node.kind {
        NodeKind::Operator(operator) => match computation.registry.transform(operator)? {
            Transform::Partition(function) => function.rows(partition, open(first)?),
            Transform::Step(_) => return Err(no_joint(id)),
        },
        NodeKind::Reshape(Reshape::Glom) => Box::new(Glom::new(open(first)?)),
        NodeKind::Zip => Box::new(Zip::new(id, partition, open(first)?, open(second)?)),
        NodeKind::Cartesian => {
            let Some((node, place)) = second.copied() else { return Err(no_joint(id)) };
            let again = computation.clone();
            let other = Box::new(move || open_place(&again, node, place, depth));
            Box::new(Cartesian::new(open(first)?, other))
        }
        NodeKind::Coalesce => Box::new(Coalesced::new(computation, inputs, depth)),
        NodeKind::Combine { combiner: spec, combined } => {
            Box::new(Combined::new(open(first)?, combiner(spec)?, *combined))
        }
        NodeKind::Partial { combiner: spec, combined } => {
            Box::new(Partial::new(open(first)?, combiner(spec)?, *combined))
        }
        NodeKind::Group(kind) => {
            let order = key_order(&computation.lineage, id);
            let parents = inputs.iter().map(|input| open(Some(input))).collect::<Result<_, _>>()?;
            group(*kind, id, order, parents)
        }
        _ => return Err(no_joint(id)),
    })
}

fn no_joint(node: NodeId) -> RddError {
    RddError::Lineage { node, reason: "it isn't made of other rows".to_owned() }
}

/// In which order the keys below a node come: as the shuffle on the way along first parents sorts them.
fn key_order(lineage: &Lineage, node: NodeId) -> KeyOrder {
    let mut next = Some(node);
    while let Some(node) = next.and_then(|id| lineage.get(id)) {
        if let NodeKind::Shuffle(shuffle) = &node.kind {
            return match shuffle.order {
                Order::KeyDescending => KeyOrder::Descending,
                Order::KeyAscending | Order::Arrival => KeyOrder::Ascending,
            };
        }
        next = node.parents.first().copied();
    }
    KeyOrder::Ascending
}
