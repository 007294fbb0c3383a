use howdah_proto::{
    Partition,
    lineage::{Order, Partitioner, Shuffle, StoragePlace},
};

use super::{
    MapOutput, OutputId, Workspace,
    combined::Combined,
    key::Direction,
    merge::Merge,
    passes,
    segments::{Segments, SegmentsWriter},
    sort::SortBuffer,
    table::CombineTable,
};
use crate::{
    memory::{KeptName, Reservation},
    rdd::{AnyCombiner, Batch, RddError, Rows, batch::TARGET_BYTES},
    store::{Demand, FrameSink},
};

/// Memory is reserved in steps of at least so much, and of an eighth of what is held.
const STEP_BYTES: u64 = 1 << 20;

/// What a task may hold even if it is refused: else it could not go on beside others that have everything.
const FLOOR_BYTES: u64 = 4 * TARGET_BYTES as u64;

/// What the map side of a shuffle is to do.
#[derive(Debug, Clone, Copy)]
pub struct MapSide<'a> {
    /// What the output will be known as.
    pub id: OutputId,
    /// Where records go and in which order. If there is a combiner, an output has the pairs of a segment by key even
    /// if the order is that of arrival.
    pub shuffle: &'a Shuffle,
    /// The number of reduce partitions.
    pub partitions: u32,
}

/// Sorts a map partition by reduce partition and key, in bounded memory: what doesn't fit goes to scratch files in
/// sorted runs, which are merged in the end. The output doesn't depend on how often that happened.
pub struct MapOutputWriter<'a> {
    side: MapSide<'a>,
    order: Order,
    workspace: &'a Workspace,
    reservation: Reservation,
    buffer: Buffer,
    runs: Vec<Segments>,
    rows: u64,
}

enum Buffer {
    Sort(SortBuffer),
    Combine(CombineTable),
}

impl<'a> MapOutputWriter<'a> {
    /// Begins an output; with a combiner, the values of each key are merged.
    ///
    /// # Errors
    /// [`RddError::Lineage`] if keys don't decide where records go although they are to be combined.
    pub fn new(
        side: MapSide<'a>,
        combiner: Option<Box<dyn AnyCombiner>>,
        workspace: &'a Workspace,
    ) -> Result<Self, RddError> {
        if combiner.is_some() && matches!(side.shuffle.partitioner, Partitioner::RoundRobin { .. }) {
            let reason = "values can't be combined by key when records are dealt in turn".to_owned();
            return Err(RddError::Lineage { node: side.id.shuffle, reason });
        }
        let order = effective_order(side.shuffle.order, combiner.is_some());
        let buffer = match combiner {
            Some(combiner) => Buffer::Combine(CombineTable::new(combiner)),
            None => Buffer::Sort(SortBuffer::new(order)),
        };
        let reservation = workspace.memory.nothing();
        Ok(Self { side, order, workspace, reservation, buffer, runs: Vec::new(), rows: 0 })
    }

    /// Adds all rows.
    ///
    /// # Errors
    /// What the rows say, [`RddError::Cancelled`], [`RddError::File`] if a run can't be written, and
    /// [`RddError::Memory`] if a record is larger than the memory.
    pub fn push_all(&mut self, rows: &mut dyn Rows) -> Result<(), RddError> {
        while let Some(batch) = rows.next_batch()? {
            self.push(batch)?;
        }
        Ok(())
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// See [`Self::push_all`].
    pub fn push(&mut self, batch: Batch) -> Result<(), RddError> {
        self.workspace.check()?;
        let MapSide { id, shuffle, partitions } = self.side;
        if partitions == 0 {
            let reason = "there are records, and no partition that they could belong to".to_owned();
            return Err(RddError::Lineage { node: id.shuffle, reason });
        }
        self.make_room(&batch)?;
        match &mut self.buffer {
            Buffer::Combine(table) => table.add(&batch),
            Buffer::Sort(buffer) => {
                let rows = &mut self.rows;
                buffer.push(batch, |key| {
                    let partition = shuffle.partitioner.partition(key, id.map, *rows, partitions);
                    *rows += 1;
                    partition.0
                })
            }
        }
    }

    /// Ends the output. It is in memory if there is room, and in a file otherwise.
    ///
    /// # Errors
    /// See [`Self::push_all`].
    pub fn finish(mut self) -> Result<MapOutput, RddError> {
        if self.runs.is_empty() {
            let mut out = self.output();
            self.drain(&mut out)?;
            return Ok(MapOutput::new(self.side.id, out.finish()?));
        }
        self.spill()?;
        let mut runs = std::mem::take(&mut self.runs);
        loop {
            self.reservation.clear();
            let costs: Vec<u64> = runs.iter().map(|run| passes::cost(run.largest_frame)).collect();
            let budget = passes::reserve(&costs, &self.workspace.memory, &mut self.reservation)?;
            let groups = passes::groups(&costs, budget);
            if groups.len() == 1 {
                let out = self.output();
                return Ok(MapOutput::new(self.side.id, self.merge(&runs, out)?));
            }
            let mut merged = Vec::with_capacity(groups.len());
            let mut rest = runs.into_iter();
            for group in groups {
                let group: Vec<Segments> = rest.by_ref().take(group.len()).collect();
                merged.push(self.merge(&group, self.run())?);
            }
            runs = merged;
        }
    }

    /// Reserves what the buffer takes with `batch`, and spills what is there if there isn't so much.
    fn make_room(&mut self, batch: &Batch) -> Result<(), RddError> {
        if self.covers(batch) {
            return Ok(());
        }
        if let Buffer::Combine(table) = &mut self.buffer {
            table.measure()?;
            if self.covers(batch) {
                return Ok(());
            }
        }
        let needed = self.bytes_with(&Batch::new());
        if needed + batch.bytes() as u64 > FLOOR_BYTES {
            self.spill()?;
        }
        let needed = self.bytes_with(batch);
        if self.covers(batch) || needed <= 2 * FLOOR_BYTES {
            return Ok(());
        }
        Err(self.workspace.memory.too_little("sorting a batch with a large record", needed))
    }

    fn covers(&mut self, batch: &Batch) -> bool {
        let needed = self.bytes_with(batch);
        self.reservation.try_cover(needed, STEP_BYTES.max(needed / 8))
    }

    fn bytes_with(&self, batch: &Batch) -> u64 {
        match &self.buffer {
            Buffer::Sort(buffer) => buffer.bytes_with(batch),
            Buffer::Combine(table) => table.bytes_with(batch),
        }
    }

    /// Writes what is in memory to a file and gives its memory back.
    fn spill(&mut self) -> Result<(), RddError> {
        let is_empty = match &self.buffer {
            Buffer::Sort(buffer) => buffer.is_empty(),
            Buffer::Combine(table) => table.is_empty(),
        };
        if !is_empty {
            let mut run = self.run();
            self.drain(&mut run)?;
            let run = run.finish()?;
            tracing::debug!(id = %self.side.id, bytes = run.frames.bytes(), "spilled a sorted run");
            self.runs.push(run);
            self.reservation.clear();
        }
        Ok(())
    }

    fn drain(&mut self, out: &mut SegmentsWriter) -> Result<(), RddError> {
        let MapSide { id, shuffle, partitions } = self.side;
        let workspace = self.workspace;
        match &mut self.buffer {
            Buffer::Sort(buffer) => buffer.drain(|partition, row| out.push(partition, row)),
            Buffer::Combine(table) => {
                workspace.check()?;
                let direction = Direction::of(self.order).unwrap_or(Direction::Up);
                let partition_of = |key: &[u8]| shuffle.partitioner.partition(key, id.map, 0, partitions).0;
                table.drain(direction, partition_of, out)
            }
        }
    }

    /// Merges runs, partition by partition.
    fn merge(&mut self, runs: &[Segments], mut out: SegmentsWriter) -> Result<Segments, RddError> {
        for partition in 0..self.side.partitions {
            let sources = runs.iter().map(|run| run.read(Partition(partition)));
            let Some(direction) = Direction::of(self.order) else {
                for mut source in sources {
                    while let Some(batch) = source.next_batch()? {
                        self.workspace.check()?;
                        batch.rows().try_for_each(|row| out.push(partition, row))?;
                    }
                }
                continue;
            };
            let merged = Merge::new(sources, direction);
            let mut merged: Box<dyn Rows + '_> = match &mut self.buffer {
                Buffer::Sort(_) => Box::new(merged),
                Buffer::Combine(table) => Box::new(Combined::new(merged, table.combiner())),
            };
            while let Some(batch) = merged.next_batch()? {
                self.workspace.check()?;
                out.push_cut(partition, &batch)?;
            }
        }
        out.finish()
    }

    fn output(&self) -> SegmentsWriter {
        self.segments(StoragePlace::MemoryAndDisk)
    }

    fn run(&self) -> SegmentsWriter {
        self.segments(StoragePlace::Disk)
    }

    fn segments(&self, place: StoragePlace) -> SegmentsWriter {
        let Workspace { memory, scratch, .. } = self.workspace;
        let name = KeptName::Output(self.side.id);
        SegmentsWriter::new(
            FrameSink::new(name, place, Demand::Modest, memory, scratch),
            self.side.partitions,
        )
    }
}

/// The order of the records in a segment: combining needs those of a key side by side.
pub(super) fn effective_order(order: Order, combines: bool) -> Order {
    match order {
        Order::Arrival if combines => Order::KeyAscending,
        order => order,
    }
}
