use std::sync::Arc;

use howdah_proto::{BlockId, lineage::StoragePlace};

use super::{
    BlockStore,
    sink::{FrameSink, Taken},
};
use crate::rdd::{Batch, RddError, Rows};

/// Rows that are put into the store as they pass by. The block is there when the last of them has passed, and not
/// at all if that never happens.
pub(super) struct Keeping<R> {
    pub(super) id: BlockId,
    pub(super) place: StoragePlace,
    pub(super) rows: R,
    pub(super) sink: Option<FrameSink>,
    pub(super) store: Arc<BlockStore>,
}

impl<R: Rows> Rows for Keeping<R> {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        let batch = match self.rows.next_batch() {
            Ok(batch) => batch,
            Err(error) => {
                self.sink = None;
                return Err(error);
            }
        };
        match (&batch, &mut self.sink) {
            (Some(batch), Some(sink)) => match sink.push(batch) {
                Ok(Taken::Yes) => {}
                Ok(Taken::No) => self.sink = None,
                Err(error) if self.place == StoragePlace::Disk => {
                    self.sink = None;
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(id = %self.id, %error, "a block can't be written to disk and is not kept");
                    self.sink = None;
                }
            },
            (None, sink) => {
                if let Some(sink) = sink.take() {
                    self.store.insert(self.id, self.place, sink.finish());
                }
            }
            (Some(_), None) => {}
        }
        Ok(batch)
    }
}

/// The rows of a block; a damaged block is forgotten, so that it is computed again.
pub(super) struct BlockRows<R> {
    pub(super) id: BlockId,
    pub(super) rows: R,
    pub(super) store: Arc<BlockStore>,
}

impl<R: Rows> Rows for BlockRows<R> {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        self.rows.next_batch().inspect_err(|error| {
            tracing::warn!(id = %self.id, %error, "a block is damaged and forgotten");
            self.store.lose(self.id);
        })
    }
}
