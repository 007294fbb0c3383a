use std::{sync::Arc, time::Duration};

use howdah_proto::{
    ContextId, MemberId, NodeId, Partition, WireError,
    pb::{self, fetch_chunk::Part, shuffles_client::ShufflesClient},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::arrivals::Arrival;
use crate::{
    rdd::{FetchFailure, RddError},
    service::{PeerError, Peers, within},
    store::{Assembled, Assembler},
};

/// How often a peer is tried.
const TRIES: u32 = 3;

/// How long is waited between tries.
const PAUSE: Duration = Duration::from_millis(100);

/// The largest message that is taken: a chunk of data, and some more.
const MESSAGE_BYTES: usize = 1 << 20;

/// The largest segment that is believed.
const MAX_SEGMENT_BYTES: u64 = 1 << 40;

/// The segments that are wanted.
#[derive(Debug, Clone, Copy)]
pub(in crate::shuffle) struct Wanted {
    pub(in crate::shuffle) context: ContextId,
    pub(in crate::shuffle) shuffle: NodeId,
    pub(in crate::shuffle) partition: Partition,
}

/// What is to be had from an executor.
#[derive(Debug)]
pub(in crate::shuffle) struct FromPeer {
    pub(in crate::shuffle) executor: MemberId,
    pub(in crate::shuffle) address: String,
    /// The places that the segments take, and the map partitions they are of.
    pub(in crate::shuffle) maps: Vec<(usize, Partition)>,
}

/// Where batches go, and how many bytes of them may be on their way.
pub(super) struct Flow {
    pub(super) permits: Arc<Semaphore>,
    pub(super) in_flight: usize,
    pub(super) largest_frame: u64,
    pub(super) batches: mpsc::Sender<Arrival>,
}

/// Why fetching from a peer ended early.
enum Stopped {
    Peer(PeerError),
    Task(RddError),
}

impl<E: Into<PeerError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Peer(error.into())
    }
}

/// Fetches everything that is to be had from an executor, with a few tries.
pub(super) async fn from_peer(
    peers: &Peers,
    wanted: Wanted,
    from: FromPeer,
    flow: &Flow,
) -> Result<(), RddError> {
    let mut done = 0;
    let mut tries = 0;
    loop {
        tries += 1;
        let error = match receive(peers, wanted, &from, &mut done, flow).await {
            Ok(()) => return Ok(()),
            Err(Stopped::Task(error)) => return Err(error),
            Err(Stopped::Peer(error)) => error,
        };
        peers.forget(&from.address);
        if tries == TRIES || !error.may_pass() {
            return Err(RddError::Fetch(FetchFailure {
                shuffle: wanted.shuffle,
                executor: from.executor,
                address: from.address,
                partitions: from.maps.iter().map(|(_, map)| *map).collect(),
                reason: error.to_string(),
            }));
        }
        tracing::debug!(address = from.address, %error, "a fetch broke off and is tried again");
        if let Some((source, _)) = from.maps.get(done) {
            flow.send(Arrival::Again { source: *source }).await.map_err(Stopped::into_task)?;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Receives the segments that aren't `done`, in order.
async fn receive(
    peers: &Peers,
    wanted: Wanted,
    from: &FromPeer,
    done: &mut usize,
    flow: &Flow,
) -> Result<(), Stopped> {
    let channel = peers.channel(&from.address).await?;
    let mut client = ShufflesClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
    let request = pb::FetchRequest {
        context_id: wanted.context.0,
        shuffle: wanted.shuffle.0,
        partition: wanted.partition.0,
        maps: from.maps[*done..].iter().map(|(_, map)| map.0).collect(),
    };
    let mut chunks = within(client.fetch(request)).await??.into_inner();
    let mut segment: Option<Assembler> = None;
    let mut permit = None;
    while let Some(chunk) = within(chunks.message()).await?? {
        let (source, map) =
            *from.maps.get(*done).ok_or_else(|| WireError::invalid("part", "more than was asked for"))?;
        let assembler = match chunk.part.ok_or(WireError::Missing("part"))? {
            Part::Header(header) => {
                if segment.is_some() || header.map != map.0 {
                    return Err(WireError::invalid("header", "a segment comes out of its turn").into());
                }
                if header.bytes > MAX_SEGMENT_BYTES {
                    return Err(WireError::invalid("header", "a segment of absurd length").into());
                }
                segment.insert(Assembler::new(header.bytes))
            }
            Part::Data(data) => {
                let assembler = segment.as_mut().ok_or(WireError::Missing("header"))?;
                assembler.push(&data)?;
                assembler
            }
        };
        flow.pass_on(assembler, source, &mut permit).await?;
        if assembler.is_done() {
            segment = None;
            *done += 1;
        }
    }
    if *done < from.maps.len() {
        return Err(PeerError::Refused("it stopped in the middle".to_owned()).into());
    }
    Ok(())
}

impl Flow {
    /// Passes on the frames that are complete, and makes sure that the next one has its share of what may be in
    /// flight before more of it is taken.
    async fn pass_on(
        &self,
        assembler: &mut Assembler,
        source: usize,
        permit: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<(), Stopped> {
        loop {
            match assembler.next_frame()? {
                Assembled::Batch(batch) => {
                    let permit = permit.take();
                    self.send(Arrival::Batch { source, batch, permit }).await?;
                }
                Assembled::Incomplete(Some(bytes)) if permit.is_none() => {
                    if bytes as u64 > self.largest_frame {
                        return Err(Stopped::Task(RddError::Memory {
                            what: "a batch with a large record".to_owned(),
                            bytes: bytes as u64,
                            hint: "give executors more with --memory, or make records smaller",
                        }));
                    }
                    // The semaphore is never closed.
                    let permits = bytes.min(self.in_flight) as u32;
                    *permit = Arc::clone(&self.permits).acquire_many_owned(permits).await.ok();
                    return Ok(());
                }
                Assembled::Incomplete(_) => return Ok(()),
            }
        }
    }

    async fn send(&self, arrival: Arrival) -> Result<(), Stopped> {
        // Nobody takes them when the task has ended.
        self.batches.send(arrival).await.map_err(|_| Stopped::Task(RddError::Cancelled))
    }
}

impl Stopped {
    fn into_task(self) -> RddError {
        match self {
            Self::Task(error) => error,
            Self::Peer(_) => RddError::Cancelled,
        }
    }
}
