use std::{collections::BTreeMap, sync::Arc};

use howdah_proto::{
    ContextId, MemberId, NodeId, Partition,
    lineage::{Order, StoragePlace},
};
use tokio::runtime::Handle;

use super::{
    MapOutput, OutputId, OutputStore, Workspace,
    combined::Combined,
    fetch::{Fetched, FromPeer, Wanted, fetch},
    key::Direction,
    merge::Merge,
    passes,
    segments::{Segments, SegmentsWriter},
    writer::effective_order,
};
use crate::{
    memory::{KeptName, Reservation},
    rdd::{AnyCombiner, Batch, FetchFailure, RddError, Rows, batch::Several},
    service::Peers,
    store::{Demand, FrameReader, FrameSink},
};

/// Where a map output is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapOutputAt {
    /// The map partition.
    pub map: Partition,
    /// Who has it.
    pub executor: MemberId,
    /// Where that is.
    pub address: String,
}

/// What the reduce side of a shuffle is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduce {
    /// Whose lineage has the shuffle.
    pub context: ContextId,
    /// The node of the shuffle.
    pub shuffle: NodeId,
    /// The reduce partition.
    pub partition: Partition,
    /// In which order records come out; by key if they are combined, whatever it says.
    pub order: Order,
    /// Where the outputs of all map partitions are.
    pub outputs: Vec<MapOutputAt>,
    /// Who this executor is: what it has itself needs no fetching.
    pub here: MemberId,
}

/// What reducing needs of its executor.
#[derive(Clone)]
pub struct Reducing {
    /// Where it merges.
    pub workspace: Workspace,
    /// The map outputs that are here.
    pub outputs: Arc<OutputStore>,
    /// The other executors.
    pub peers: Peers,
    /// Where requests to them run.
    pub runtime: Handle,
}

/// Fetches the segments of a reduce partition and merges them. It blocks the calling thread, which must not be one of
/// the runtime; what doesn't fit into memory waits in scratch files.
///
/// # Errors
/// [`RddError::Fetch`] if map outputs can't be had, now or while the rows are read; [`RddError::Cancelled`],
/// [`RddError::File`], [`RddError::Memory`].
pub fn reduce(
    reduce: &Reduce,
    combiner: Option<Box<dyn AnyCombiner>>,
    reducing: &Reducing,
) -> Result<Box<dyn Rows>, RddError> {
    let workspace = &reducing.workspace;
    let mut reservation = workspace.memory.nothing();
    let mut sources = gather(reduce, reducing, &mut reservation)?;
    let Some(direction) = Direction::of(effective_order(reduce.order, combiner.is_some())) else {
        let rows = Several::new(sources);
        return Ok(Box::new(Reduced {
            rows,
            workspace: workspace.clone(),
            _held: [reservation, workspace.memory.nothing()],
        }));
    };
    let mut merging = workspace.memory.nothing();
    loop {
        let costs: Vec<u64> = sources.iter().map(Source::cost).collect();
        let budget = passes::reserve(&costs, &workspace.memory, &mut merging)?;
        let groups = passes::groups(&costs, budget);
        if groups.len() <= 1 {
            break;
        }
        let mut rest = sources.into_iter();
        let mut merged = Vec::with_capacity(groups.len());
        for group in groups {
            let rows = Merge::new(rest.by_ref().take(group.len()), direction);
            merged.push(Source::Run(pass(rows, reduce, workspace)?));
        }
        sources = merged;
        // What had been fetched into memory is in files now.
        reservation.clear();
        merging.clear();
    }
    let merged = Merge::new(sources, direction);
    let (workspace, _held) = (workspace.clone(), [reservation, merging]);
    Ok(match combiner {
        Some(combiner) => Box::new(Reduced { rows: Combined::new(merged, combiner), workspace, _held }),
        None => Box::new(Reduced { rows: merged, workspace, _held }),
    })
}

/// The segments of the reduce partition, by map partition.
fn gather(
    reduce: &Reduce,
    reducing: &Reducing,
    reservation: &mut Reservation,
) -> Result<Vec<Source>, RddError> {
    let Reduce { context, shuffle, partition, here, .. } = *reduce;
    let mut places: Vec<&MapOutputAt> = reduce.outputs.iter().collect();
    places.sort_by_key(|place| place.map);
    let mut local = BTreeMap::new();
    let mut remote: BTreeMap<(MemberId, &str), Vec<(usize, Partition)>> = BTreeMap::new();
    let mut missing: Vec<&MapOutputAt> = Vec::new();
    for (source, place) in places.iter().enumerate() {
        if place.executor != here {
            remote.entry((place.executor, &place.address)).or_default().push((source, place.map));
            continue;
        }
        match reducing.outputs.get(OutputId { context, shuffle, map: place.map }) {
            Some(output) if output.segment(partition).is_some() => {
                local.insert(source, output);
            }
            _ => missing.push(place),
        }
    }
    if let Some(first) = missing.first() {
        return Err(RddError::Fetch(FetchFailure {
            shuffle,
            executor: here,
            address: first.address.clone(),
            partitions: missing.iter().map(|place| place.map).collect(),
            reason: "it lost them".to_owned(),
        }));
    }
    let from = |((executor, address), maps): ((MemberId, &str), _)| FromPeer {
        executor,
        address: address.to_owned(),
        maps,
    };
    let from = remote.into_iter().map(from).collect();
    let wanted = Wanted { context, shuffle, partition };
    let fetched = fetch(wanted, from, places.len(), reducing, reservation)?;
    let sources = fetched.into_iter().zip(&places).enumerate().map(|(source, (fetched, place))| match local
        .remove(&source)
    {
        None => Source::Fetched(fetched),
        Some(output) => Source::Local(Local {
            rows: output.read(partition),
            output,
            store: Arc::clone(&reducing.outputs),
            place: (*place).clone(),
        }),
    });
    Ok(sources.filter(|source| !source.is_empty(partition)).collect())
}

/// Merges some sources into a file.
fn pass(mut rows: impl Rows, reduce: &Reduce, workspace: &Workspace) -> Result<Segments, RddError> {
    let name = OutputId { context: reduce.context, shuffle: reduce.shuffle, map: reduce.partition };
    let Workspace { memory, scratch, .. } = workspace;
    let sink = FrameSink::new(KeptName::Output(name), StoragePlace::Disk, Demand::Modest, memory, scratch);
    let mut out = SegmentsWriter::new(sink, 1);
    while let Some(batch) = rows.next_batch()? {
        workspace.check()?;
        out.push_cut(0, &batch)?;
    }
    out.finish()
}

/// Where records of the reduce partition come from.
enum Source {
    Fetched(Fetched),
    Local(Local),
    Run(Segments),
    Reading(FrameReader),
}

/// A segment that is here.
struct Local {
    rows: FrameReader,
    output: Arc<MapOutput>,
    store: Arc<OutputStore>,
    place: MapOutputAt,
}

impl Source {
    fn is_empty(&self, partition: Partition) -> bool {
        match self {
            Self::Fetched(fetched) => fetched.is_empty(),
            Self::Local(local) => local.output.segment(partition).is_none_or(|range| range.is_empty()),
            Self::Run(_) | Self::Reading(_) => false,
        }
    }

    /// What merging it takes beside what is in memory already.
    fn cost(&self) -> u64 {
        match self {
            Self::Fetched(fetched) if fetched.largest_in_file() == 0 => 0,
            Self::Fetched(fetched) => passes::cost(fetched.largest_in_file()),
            Self::Local(local) => passes::cost(local.output.largest_frame()),
            Self::Run(run) => passes::cost(run.largest_frame),
            Self::Reading(_) => 0,
        }
    }
}

impl Rows for Source {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        match self {
            Self::Fetched(fetched) => fetched.next_batch(),
            Self::Local(local) => local.next_batch(),
            Self::Run(run) => {
                *self = Self::Reading(run.read(Partition(0)));
                self.next_batch()
            }
            Self::Reading(rows) => rows.next_batch(),
        }
    }
}

impl Rows for Local {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        self.rows.next_batch().map_err(|error| {
            let id = self.output.id();
            self.store.lose(id);
            RddError::Fetch(FetchFailure {
                shuffle: id.shuffle,
                executor: self.place.executor,
                address: self.place.address.clone(),
                partitions: vec![id.map],
                reason: error.to_string(),
            })
        })
    }
}

/// The rows of a reduce partition, and the memory that they take.
struct Reduced<R> {
    rows: R,
    workspace: Workspace,
    _held: [Reservation; 2],
}

impl<R: Rows> Rows for Reduced<R> {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        self.workspace.check()?;
        self.rows.next_batch()
    }
}
