use howdah_proto::{
    BlockId,
    lineage::{Copies, StorageLevel, StoragePlace},
};

use crate::{
    rdd::Rows,
    service::{read_block, write_block},
    store::{BlockContent, Taken},
    task::{ContextView, Environment},
};

/// Sends second copies of the blocks that are to have one; gives those that the other executor took. A copy that
/// can't be made is no failure of the task: the block is there.
pub(super) fn send(
    environment: &Environment,
    view: &ContextView,
    stored: &[BlockId],
    address: &str,
) -> Vec<BlockId> {
    let place = |id: &BlockId| {
        let level = view.lineage.get(id.node)?.persist?;
        (level.copies == Copies::Two).then_some(level.place)
    };
    let wanted = stored.iter().filter_map(|id| Some((*id, place(id)?)));
    let send = |(id, place): (BlockId, StoragePlace)| {
        let BlockContent::Batches(frames, pin) = environment.store.content(id)? else { return None };
        let written = write_block(&environment.peers, address, id, place, (frames, pin));
        match environment.runtime.block_on(written) {
            Ok(Taken::Yes) => Some(id),
            Ok(Taken::No) => None,
            Err(error) => {
                tracing::info!(%id, address, %error, "a second copy can't be made");
                None
            }
        }
    };
    wanted.filter_map(send).collect()
}

/// Fetches a block from a peer and keeps it as a node with this level is kept; none if the peer hasn't it.
pub(super) fn fetch(
    environment: &Environment,
    id: BlockId,
    address: &str,
    level: Option<StorageLevel>,
) -> Option<Box<dyn Rows>> {
    let place = level.map_or(StoragePlace::Memory, |level| level.place);
    let read = read_block(&environment.peers, address, id, &environment.store);
    match environment.runtime.block_on(read) {
        Ok(filled) => {
            environment.store.insert(id, place, filled);
            environment.store.rows(id).map(|rows| Box::new(rows) as Box<dyn Rows>)
        }
        Err(error) => {
            tracing::info!(%id, address, %error, "a peer does not have the block; going on without");
            None
        }
    }
}
