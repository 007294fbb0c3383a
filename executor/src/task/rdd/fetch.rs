use howdah_proto::{MemberId, NodeId, Partition, lineage::Order};

use crate::{
    rdd::{FetchFailure, RddError},
    shuffle::{MapOutputAt, Reduce},
    task::ContextView,
};

/// Says where the map outputs for a reduce partition are.
///
/// # Errors
/// [`RddError::Fetch`], with no executor, if some are nowhere: the driver must have them computed.
pub(super) fn wanted(
    view: &ContextView,
    shuffle: NodeId,
    partition: Partition,
    order: Order,
    here: MemberId,
) -> Result<Reduce, RddError> {
    let missing = |partitions: Vec<Partition>| FetchFailure {
        shuffle,
        executor: MemberId(0),
        address: String::new(),
        partitions,
        reason: "they have not been computed".to_owned(),
    };
    let places = view.outputs.get(&shuffle).ok_or_else(|| missing(Vec::new()))?;
    let nowhere: Vec<Partition> =
        places.iter().filter(|(_, holder)| holder.is_none()).map(|(map, _)| map).collect();
    if !nowhere.is_empty() {
        return Err(missing(nowhere).into());
    }
    let at = |(map, holder): (Partition, Option<&crate::task::Holder>)| {
        let holder = holder?;
        Some(MapOutputAt { map, executor: holder.member, address: holder.address.clone() })
    };
    let outputs = places.iter().filter_map(at).collect();
    Ok(Reduce { context: view.context, shuffle, partition, order, outputs, here })
}

#[cfg(test)]
mod tests {
    use howdah_proto::{ContextId, pb};

    use super::*;

    fn reduce(places: Option<Vec<u32>>) -> Result<Reduce, RddError> {
        let mut view = ContextView::new(ContextId(1));
        if let Some(places) = places {
            let holders = vec![pb::OutputHolder { member_id: 7, address: "http://there".to_owned() }];
            view.put_outputs(pb::PutMapOutputs { context_id: 1, shuffle: 2, holders, places });
        }
        wanted(&view, NodeId(2), Partition(0), Order::Arrival, MemberId(1))
    }

    #[test]
    fn outputs_that_are_nowhere_are_named() {
        let failed = |places| match reduce(places) {
            Err(RddError::Fetch(failure)) => (failure.executor, failure.partitions),
            other => panic!("{other:?}"),
        };
        assert_eq!(failed(None), (MemberId(0), vec![]));
        assert_eq!(failed(Some(vec![0, u32::MAX, 0])), (MemberId(0), vec![Partition(1)]));
        assert_eq!(reduce(Some(vec![0, 0])).unwrap().outputs.len(), 2);
    }
}
