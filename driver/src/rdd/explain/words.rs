use howdah_proto::lineage::{
    Copies, Group, Node, NodeKind, OperatorSpec, Order, Partitioner, Reshape, StorageLevel, StoragePlace,
};

/// Says what a node is.
pub(super) fn describe(node: &Node) -> String {
    match &node.kind {
        NodeKind::Files => "pictures".to_owned(),
        NodeKind::Range { start, end, step: 1 } => format!("range {start}..{end}"),
        NodeKind::Range { start, end, step } => format!("range {start}..{end} by {step}"),
        NodeKind::Collection(_) => "collection".to_owned(),
        NodeKind::Saved { folder } => format!("saved in {folder}"),
        NodeKind::Operator(function) => named(function),
        NodeKind::Reshape(reshape) => match reshape {
            Reshape::Glom => "glom",
            Reshape::Keys => "keys",
            Reshape::Values => "values",
            Reshape::WholeAsKey => "records as keys",
            Reshape::Pairs => "records as pairs",
        }
        .to_owned(),
        NodeKind::Sample { with_replacement, fraction, seed } => {
            let how = if *with_replacement { " with replacement" } else { "" };
            format!("sample {fraction}{how}, seed {seed}")
        }
        NodeKind::Split { from, to, seed } => format!("split {from}..{to}, seed {seed}"),
        NodeKind::ZipWithIndex { .. } => "zip with index".to_owned(),
        NodeKind::Union => "union".to_owned(),
        NodeKind::Zip => "zip".to_owned(),
        NodeKind::Cartesian => "cartesian product".to_owned(),
        NodeKind::Coalesce => format!("coalesce to {}", node.partitions),
        NodeKind::Combine { combiner, .. } => {
            format!("merge the values of each key with {}", named(combiner))
        }
        NodeKind::Partial { combiner, .. } => format!("merge each partition with {}", named(combiner)),
        NodeKind::Group(group) => match group {
            Group::Values => "group by key",
            Group::Distinct => "distinct",
            Group::Cogroup => "cogroup",
            Group::InnerJoin => "join",
            Group::LeftOuterJoin => "left outer join",
            Group::RightOuterJoin => "right outer join",
            Group::FullOuterJoin => "full outer join",
            Group::Intersection => "intersection",
            Group::Subtract => "subtract",
        }
        .to_owned(),
        NodeKind::Shuffle(shuffle) => {
            let how = match &shuffle.partitioner {
                Partitioner::Hash => "by hash",
                Partitioner::Range { .. } => "by range",
                Partitioner::RoundRobin { .. } => "in turn",
            };
            let order = match shuffle.order {
                Order::Arrival => "",
                Order::KeyAscending => ", sorted",
                Order::KeyDescending => ", sorted downwards",
            };
            let merging = shuffle
                .combiner
                .as_ref()
                .map(|with| format!(", merging with {}", named(with)))
                .unwrap_or_default();
            format!("shuffle into {}, {how}{order}{merging}", count(node.partitions, "partition"))
        }
    }
}

/// Says how a node is kept.
pub(super) fn level(level: StorageLevel) -> &'static str {
    match (level.place, level.copies) {
        (StoragePlace::Memory, Copies::One) => "memory",
        (StoragePlace::Memory, Copies::Two) => "memory x2",
        (StoragePlace::MemoryAndDisk, Copies::One) => "memory and disk",
        (StoragePlace::MemoryAndDisk, Copies::Two) => "memory and disk x2",
        (StoragePlace::Disk, Copies::One) => "disk",
        (StoragePlace::Disk, Copies::Two) => "disk x2",
    }
}

/// A number of things.
pub(super) fn count(number: u32, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn named(function: &OperatorSpec) -> String {
    let OperatorSpec { name, version, .. } = function;
    if *version == 1 { format!("`{name}`") } else { format!("`{name}` version {version}") }
}
