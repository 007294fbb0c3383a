//! Nodes to and from the wire; what arrives is checked.

use super::{
    Copies, Group, Lineage, Node, NodeKind, OperatorSpec, Order, Partitioner, Reshape, Shuffle, Slice,
    StorageLevel, StoragePlace,
};
use crate::{NodeId, ObjectId, WireError, pb, required};
use pb::node::Kind;

impl From<&Lineage> for pb::Lineage {
    fn from(lineage: &Lineage) -> Self {
        let nodes = (0..).map(NodeId).zip(&lineage.nodes);
        Self { nodes: nodes.map(|(id, node)| to_wire(id, node)).collect() }
    }
}

impl TryFrom<pb::Lineage> for Lineage {
    type Error = WireError;

    fn try_from(message: pb::Lineage) -> Result<Self, WireError> {
        let mut lineage = Self::new();
        for (place, node) in message.nodes.into_iter().enumerate() {
            if node.id as usize != place {
                return Err(WireError::invalid(
                    "lineage.nodes.id",
                    format!("node {} stands at {place}", node.id),
                ));
            }
            let (id, node) = from_wire(node)?;
            lineage.define(id, node)?;
        }
        Ok(lineage)
    }
}

/// Writes a node for the wire.
pub fn to_wire(id: NodeId, node: &Node) -> pb::Node {
    let kind = match &node.kind {
        NodeKind::Files => Kind::Files(pb::FilesSource {}),
        NodeKind::Range { start, end, step } => {
            Kind::Range(pb::RangeSource { start: *start, end: *end, step: *step })
        }
        NodeKind::Collection(slices) => {
            Kind::Collection(pb::CollectionSource { slices: slices.iter().map(slice_to_wire).collect() })
        }
        NodeKind::Saved { folder } => Kind::Saved(pb::SavedSource { folder: folder.clone() }),
        NodeKind::Operator(operator) => Kind::Operator(operator.into()),
        NodeKind::Reshape(reshape) => Kind::Reshape(reshape_to_wire(*reshape).into()),
        NodeKind::Sample { with_replacement, fraction, seed } => {
            Kind::Sample(pb::Sample { with_replacement: *with_replacement, fraction: *fraction, seed: *seed })
        }
        NodeKind::Split { from, to, seed } => Kind::Split(pb::Split { from: *from, to: *to, seed: *seed }),
        NodeKind::ZipWithIndex { first } => Kind::ZipWithIndex(pb::ZipWithIndex { first: first.clone() }),
        NodeKind::Union => Kind::Union(pb::UnionOf {}),
        NodeKind::Zip => Kind::Zip(pb::Zip {}),
        NodeKind::Cartesian => Kind::Cartesian(pb::Cartesian {}),
        NodeKind::Coalesce => Kind::Coalesce(pb::Coalesce {}),
        NodeKind::Combine { combiner, combined } => {
            Kind::Combine(pb::Combine { combiner: Some(combiner.into()), combined: *combined })
        }
        NodeKind::Partial { combiner, combined } => {
            Kind::Partial(pb::Partial { combiner: Some(combiner.into()), combined: *combined })
        }
        NodeKind::Group(group) => Kind::Group(pb::Group { kind: group_to_wire(*group).into() }),
        NodeKind::Shuffle(shuffle) => Kind::Shuffle(shuffle_to_wire(shuffle)),
    };
    pb::Node {
        id: id.0,
        parents: node.parents.iter().map(|parent| parent.0).collect(),
        persist: node.persist.map(level_to_wire),
        partitions: node.partitions,
        kind: Some(kind),
    }
}

/// Reads a node; whether it fits its place is checked by [`Lineage::define`].
///
/// # Errors
/// [`WireError`], naming the field.
pub fn from_wire(node: pb::Node) -> Result<(NodeId, Node), WireError> {
    let kind = match required(node.kind, "node.kind")? {
        Kind::Files(_) => NodeKind::Files,
        Kind::Range(range) => NodeKind::Range { start: range.start, end: range.end, step: range.step },
        Kind::Collection(source) => NodeKind::Collection(
            source.slices.into_iter().map(slice_from_wire).collect::<Result<_, WireError>>()?,
        ),
        Kind::Saved(saved) => NodeKind::Saved { folder: saved.folder },
        Kind::Operator(operator) => NodeKind::Operator(operator.try_into()?),
        Kind::Reshape(reshape) => NodeKind::Reshape(reshape_from_wire(reshape)?),
        Kind::Sample(sample) => NodeKind::Sample {
            with_replacement: sample.with_replacement,
            fraction: sample.fraction,
            seed: sample.seed,
        },
        Kind::Split(split) => NodeKind::Split { from: split.from, to: split.to, seed: split.seed },
        Kind::ZipWithIndex(zip) => NodeKind::ZipWithIndex { first: zip.first },
        Kind::Union(_) => NodeKind::Union,
        Kind::Zip(_) => NodeKind::Zip,
        Kind::Cartesian(_) => NodeKind::Cartesian,
        Kind::Coalesce(_) => NodeKind::Coalesce,
        Kind::Combine(combine) => NodeKind::Combine {
            combiner: required(combine.combiner, "node.combine.combiner")?.try_into()?,
            combined: combine.combined,
        },
        Kind::Partial(partial) => NodeKind::Partial {
            combiner: required(partial.combiner, "node.partial.combiner")?.try_into()?,
            combined: partial.combined,
        },
        Kind::Group(group) => NodeKind::Group(group_from_wire(group.kind())?),
        Kind::Shuffle(shuffle) => NodeKind::Shuffle(shuffle_from_wire(shuffle)?),
    };
    let persist = node.persist.map(level_from_wire).transpose()?;
    let parents = node.parents.into_iter().map(NodeId).collect();
    Ok((NodeId(node.id), Node { kind, parents, partitions: node.partitions, persist }))
}

impl From<&OperatorSpec> for pb::Operator {
    fn from(operator: &OperatorSpec) -> Self {
        Self { name: operator.name.clone(), version: operator.version, params: operator.params.to_string() }
    }
}

impl TryFrom<pb::Operator> for OperatorSpec {
    type Error = WireError;

    fn try_from(operator: pb::Operator) -> Result<Self, WireError> {
        let params = serde_json::from_str(&operator.params)
            .map_err(|error| WireError::invalid("operator.params", error))?;
        Ok(Self { name: operator.name, version: operator.version, params })
    }
}

fn slice_to_wire(slice: &Slice) -> pb::Slice {
    use pb::slice::Place;
    pb::Slice {
        place: Some(match slice {
            Slice::Inline(bytes) => Place::Inline(bytes.clone()),
            Slice::Object(object) => Place::Object(object.0),
        }),
    }
}

fn slice_from_wire(slice: pb::Slice) -> Result<Slice, WireError> {
    use pb::slice::Place;
    Ok(match required(slice.place, "node.collection.slices.place")? {
        Place::Inline(bytes) => Slice::Inline(bytes),
        Place::Object(object) => Slice::Object(ObjectId(object)),
    })
}

fn level_to_wire(level: StorageLevel) -> pb::StorageLevel {
    use pb::storage_level::Place;
    let place = match level.place {
        StoragePlace::Memory => Place::Memory,
        StoragePlace::MemoryAndDisk => Place::MemoryAndDisk,
        StoragePlace::Disk => Place::Disk,
    };
    let copies = match level.copies {
        Copies::One => 1,
        Copies::Two => 2,
    };
    pb::StorageLevel { place: place.into(), copies }
}

fn level_from_wire(level: pb::StorageLevel) -> Result<StorageLevel, WireError> {
    use pb::storage_level::Place;
    let place = match level.place() {
        Place::Memory => StoragePlace::Memory,
        Place::MemoryAndDisk => StoragePlace::MemoryAndDisk,
        Place::Disk => StoragePlace::Disk,
        Place::Unspecified => return Err(WireError::Missing("node.persist.place")),
    };
    let copies = match level.copies {
        1 => Copies::One,
        2 => Copies::Two,
        other => return Err(WireError::invalid("node.persist.copies", other)),
    };
    Ok(StorageLevel { place, copies })
}

fn reshape_to_wire(reshape: Reshape) -> pb::Reshape {
    match reshape {
        Reshape::Glom => pb::Reshape::Glom,
        Reshape::Keys => pb::Reshape::Keys,
        Reshape::Values => pb::Reshape::Values,
        Reshape::WholeAsKey => pb::Reshape::WholeAsKey,
        Reshape::Pairs => pb::Reshape::Pairs,
    }
}

fn reshape_from_wire(reshape: i32) -> Result<Reshape, WireError> {
    match pb::Reshape::try_from(reshape) {
        Ok(pb::Reshape::Glom) => Ok(Reshape::Glom),
        Ok(pb::Reshape::Keys) => Ok(Reshape::Keys),
        Ok(pb::Reshape::Values) => Ok(Reshape::Values),
        Ok(pb::Reshape::WholeAsKey) => Ok(Reshape::WholeAsKey),
        Ok(pb::Reshape::Pairs) => Ok(Reshape::Pairs),
        Ok(pb::Reshape::Unspecified) | Err(_) => Err(WireError::invalid("node.reshape", reshape)),
    }
}

fn group_to_wire(group: Group) -> pb::group::Kind {
    use pb::group::Kind as Wire;
    match group {
        Group::Values => Wire::Values,
        Group::Distinct => Wire::Distinct,
        Group::Cogroup => Wire::Cogroup,
        Group::InnerJoin => Wire::InnerJoin,
        Group::LeftOuterJoin => Wire::LeftOuterJoin,
        Group::RightOuterJoin => Wire::RightOuterJoin,
        Group::FullOuterJoin => Wire::FullOuterJoin,
        Group::Intersection => Wire::Intersection,
        Group::Subtract => Wire::Subtract,
    }
}

fn group_from_wire(group: pb::group::Kind) -> Result<Group, WireError> {
    use pb::group::Kind as Wire;
    Ok(match group {
        Wire::Values => Group::Values,
        Wire::Distinct => Group::Distinct,
        Wire::Cogroup => Group::Cogroup,
        Wire::InnerJoin => Group::InnerJoin,
        Wire::LeftOuterJoin => Group::LeftOuterJoin,
        Wire::RightOuterJoin => Group::RightOuterJoin,
        Wire::FullOuterJoin => Group::FullOuterJoin,
        Wire::Intersection => Group::Intersection,
        Wire::Subtract => Group::Subtract,
        Wire::Unspecified => return Err(WireError::Missing("node.group.kind")),
    })
}

fn shuffle_to_wire(shuffle: &Shuffle) -> pb::Shuffle {
    use pb::partitioner::Kind as Wire;
    let partitioner = match &shuffle.partitioner {
        Partitioner::Hash => Wire::Hash(pb::HashPartitioner {}),
        Partitioner::Range { bounds, descending } => {
            Wire::Range(pb::RangePartitioner { bounds: bounds.clone(), descending: *descending })
        }
        Partitioner::RoundRobin { seed } => Wire::RoundRobin(pb::RoundRobin { seed: *seed }),
    };
    let order = match shuffle.order {
        Order::Arrival => pb::shuffle::Order::Arrival,
        Order::KeyAscending => pb::shuffle::Order::KeyAscending,
        Order::KeyDescending => pb::shuffle::Order::KeyDescending,
    };
    pb::Shuffle {
        partitioner: Some(pb::Partitioner { kind: Some(partitioner) }),
        combiner: shuffle.combiner.as_ref().map(Into::into),
        order: order.into(),
    }
}

fn shuffle_from_wire(shuffle: pb::Shuffle) -> Result<Shuffle, WireError> {
    use pb::partitioner::Kind as Wire;
    let order = match shuffle.order() {
        pb::shuffle::Order::Arrival => Order::Arrival,
        pb::shuffle::Order::KeyAscending => Order::KeyAscending,
        pb::shuffle::Order::KeyDescending => Order::KeyDescending,
    };
    let partitioner = required(shuffle.partitioner, "node.shuffle.partitioner")?;
    let partitioner = match required(partitioner.kind, "node.shuffle.partitioner.kind")? {
        Wire::Hash(_) => Partitioner::Hash,
        Wire::Range(range) => {
            if !range.bounds.is_sorted() {
                return Err(WireError::invalid("node.shuffle.partitioner.bounds", "they don't ascend"));
            }
            let bounds = range.bounds;
            Partitioner::Range { bounds, descending: range.descending }
        }
        Wire::RoundRobin(deal) => Partitioner::RoundRobin { seed: deal.seed },
    };
    let combiner = shuffle.combiner.map(TryInto::try_into).transpose()?;
    Ok(Shuffle { partitioner, combiner, order })
}
