//! A small executor for tests: memory, scratch files, map outputs and a server for them.

use std::{collections::VecDeque, sync::Arc};

use howdah_proto::{
    ContextId, MemberId, NodeId, Partition,
    lineage::{Order, Partitioner, Shuffle},
    pb::shuffles_server::ShufflesServer,
    transport,
};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_stream::wrappers::TcpListenerStream;

use super::*;
use crate::{
    memory::Memory,
    rdd::{AnyCombiner, Batch, RddError, Row, Rows, Slot},
    service::{Peers, ShufflesService},
    store::Scratch,
    task::CancelFlag,
};

pub(super) const HERE: MemberId = MemberId(1);
pub(super) const THERE: MemberId = MemberId(2);

pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// Rows of batches that are there already, or an error at the end.
pub(super) struct Given(pub(super) VecDeque<Batch>, pub(super) Option<RddError>);

impl Rows for Given {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        match (self.0.pop_front(), self.1.take()) {
            (Some(batch), error) => {
                self.1 = error;
                Ok(Some(batch))
            }
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }
}

/// Pairs as rows, in batches of so many.
pub(super) fn rows(pairs: &[Pair], in_a_batch: usize) -> Given {
    let batches = pairs.chunks(in_a_batch.max(1)).map(|pairs| {
        let mut batch = Batch::new();
        pairs.iter().for_each(|(key, value)| batch.push_pair(key, &[value]).unwrap());
        batch
    });
    Given(batches.collect(), None)
}

pub(super) fn pairs(mut rows: impl Rows) -> Result<Vec<Pair>, RddError> {
    let mut all = Vec::new();
    while let Some(batch) = rows.next_batch()? {
        assert!(!batch.is_empty());
        all.extend(batch.rows().map(|row: Row<'_>| (row.key().to_vec(), row.value().to_vec())));
    }
    Ok(all)
}

/// Pairs whose keys repeat and whose values tell where they stood.
pub(super) fn drawn(count: u64, keys: u64, value_bytes: usize) -> Vec<Pair> {
    let pair = |index: u64| {
        let key = (index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % keys;
        let key = if key.is_multiple_of(3) {
            format!("{key:09}").into_bytes()
        } else {
            key.to_be_bytes()[5..].to_vec()
        };
        let mut value = index.to_be_bytes().to_vec();
        value.resize(value_bytes.max(8), index as u8);
        (key, value)
    };
    (0..count).map(pair).collect()
}

pub(super) fn shuffle(order: Order) -> Shuffle {
    Shuffle { partitioner: Partitioner::Hash, combiner: None, order }
}

/// Joins values one after the other: an accumulator that shows the order and number of its values.
#[derive(Default)]
pub(super) struct Join {
    slots: Vec<Vec<u8>>,
    free: Vec<u32>,
}

impl AnyCombiner for Join {
    fn begin(&mut self, value: &[u8]) -> Result<Slot, RddError> {
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        self.slots.resize(self.slots.len().max(slot as usize + 1), Vec::new());
        self.slots[slot as usize] = value.to_vec();
        Ok(Slot(slot))
    }

    fn add(&mut self, slot: Slot, value: &[u8]) -> Result<(), RddError> {
        self.slots[slot.0 as usize].extend_from_slice(value);
        Ok(())
    }

    fn begin_combined(&mut self, combined: &[u8]) -> Result<Slot, RddError> {
        self.begin(combined)
    }

    fn merge(&mut self, slot: Slot, combined: &[u8]) -> Result<(), RddError> {
        self.add(slot, combined)
    }

    fn finish(&mut self, slot: Slot, out: &mut Vec<u8>) -> Result<(), RddError> {
        out.extend_from_slice(&std::mem::take(&mut self.slots[slot.0 as usize]));
        self.free.push(slot.0);
        Ok(())
    }
}

pub(super) fn join() -> Option<Box<dyn AnyCombiner>> {
    Some(Box::new(Join::default()))
}

pub(super) struct Executor {
    pub(super) workspace: Workspace,
    pub(super) outputs: Arc<OutputStore>,
    pub(super) runtime: Runtime,
}

impl Executor {
    pub(super) fn new(memory_bytes: u64) -> Self {
        let (memory, scratch) = (Memory::new(memory_bytes), Scratch::new(None).unwrap());
        let outputs = OutputStore::new(&memory, &scratch);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { workspace: Workspace { memory, scratch, cancel: CancelFlag::default() }, outputs, runtime }
    }

    pub(super) fn id(map: u32) -> OutputId {
        OutputId { context: ContextId(1), shuffle: NodeId(5), map: Partition(map) }
    }

    pub(super) fn write(
        &self,
        map: u32,
        shuffle: &Shuffle,
        partitions: u32,
        combiner: Option<Box<dyn AnyCombiner>>,
        rows: &mut dyn Rows,
    ) -> Result<MapOutput, RddError> {
        let side = MapSide { id: Self::id(map), shuffle, partitions };
        let mut writer = MapOutputWriter::new(side, combiner, &self.workspace)?;
        writer.push_all(rows)?;
        writer.finish()
    }

    pub(super) fn scratch_files(&self) -> usize {
        // The lock is there, too.
        std::fs::read_dir(self.workspace.scratch.folder()).unwrap().count() - 1
    }

    /// Serves the map outputs and says where.
    pub(super) fn serve(&self) -> String {
        let listener = self.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let service = ShufflesServer::new(ShufflesService::new(self.outputs.clone()));
        let serving = transport::server().add_service(service);
        self.runtime.spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }

    pub(super) fn reducing(&self) -> Reducing {
        Reducing {
            workspace: self.workspace.clone(),
            outputs: self.outputs.clone(),
            peers: Peers::default(),
            runtime: self.runtime.handle().clone(),
        }
    }
}

/// All records of an output as they lie there.
pub(super) fn bytes(output: &MapOutput) -> Vec<u8> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < output.bytes() {
        let chunk = output.frames().chunk(at..output.bytes(), 1 << 20).unwrap();
        at += chunk.len() as u64;
        all.extend_from_slice(&chunk);
    }
    all
}

/// The reduction of a partition whose map outputs are at these places.
pub(super) fn reduction(partition: u32, order: Order, places: &[(MemberId, &str)]) -> Reduce {
    let outputs = places.iter().enumerate().map(|(map, (executor, address))| MapOutputAt {
        map: Partition(map as u32),
        executor: *executor,
        address: (*address).to_owned(),
    });
    Reduce {
        context: ContextId(1),
        shuffle: NodeId(5),
        partition: Partition(partition),
        order,
        outputs: outputs.collect(),
        here: HERE,
    }
}
