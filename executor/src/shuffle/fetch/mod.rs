//! Fetches segments from other executors: several at once, with a bound on what is in flight.

mod arrivals;
mod peer;

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::{Reducing, Workspace};
use crate::{memory::Reservation, rdd::RddError};
use arrivals::Arrivals;
use peer::{Flow, from_peer};

pub(super) use arrivals::Fetched;
pub(super) use peer::{FromPeer, Wanted};

/// Executors that are asked at the same time, as Spark's `maxSizeInFlight` assumes.
const PEERS_AT_ONCE: usize = 5;

/// The most that is in flight (Spark's `spark.reducer.maxSizeInFlight`).
const MAX_IN_FLIGHT_BYTES: u64 = 48 << 20;

/// The least that is in flight, whatever memory there is: a batch, and another on its way.
const MIN_IN_FLIGHT_BYTES: u64 = 512 << 10;

/// Batches that wait to be put away.
const WAITING_BATCHES: usize = 64;

/// How long a task waits before it looks whether it is still wanted.
const LOOK_UP: std::time::Duration = std::time::Duration::from_millis(50);

/// Ends when it is dropped.
struct Fetching<T>(JoinHandle<T>);

impl<T> Drop for Fetching<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Fetches all segments, in the calling thread, which must not be one of the runtime. `sources` is the number of
/// segments; those that aren't fetched stay empty.
pub(super) fn fetch(
    wanted: Wanted,
    from: Vec<FromPeer>,
    sources: usize,
    reducing: &Reducing,
    reservation: &mut Reservation,
) -> Result<Vec<Fetched>, RddError> {
    let Reducing { workspace, peers, runtime, .. } = reducing;
    let mut arrivals = Arrivals::new(sources, workspace, reservation);
    if from.is_empty() {
        return Ok(arrivals.finish());
    }
    let (in_flight, _held) = bound(workspace);
    let (batches, mut arriving) = mpsc::channel(WAITING_BATCHES);
    let flow = Flow {
        permits: Arc::new(Semaphore::new(in_flight as usize)),
        in_flight: in_flight as usize,
        largest_frame: workspace.memory.total_bytes(),
        batches,
    };
    let peers = peers.clone();
    let mut fetching = Fetching(runtime.spawn(async move {
        let fetches = from.into_iter().map(|from| from_peer(&peers, wanted, from, &flow));
        stream::iter(fetches).buffer_unordered(PEERS_AT_ONCE).try_collect::<()>().await
    }));
    loop {
        workspace.check()?;
        match runtime.block_on(async { tokio::time::timeout(LOOK_UP, arriving.recv()).await }) {
            Ok(Some(arrival)) => arrivals.take(arrival)?,
            Ok(None) => break,
            Err(_) => {}
        }
    }
    match runtime.block_on(&mut fetching.0) {
        Ok(fetched) => fetched?,
        // It is aborted only when this function has ended, and a panic is passed on to where tasks are caught.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => return Err(RddError::Cancelled),
    }
    Ok(arrivals.finish())
}

/// How much may be in flight, and the memory that is held for it.
fn bound(workspace: &Workspace) -> (u64, Option<Reservation>) {
    let mut bytes = MAX_IN_FLIGHT_BYTES.min(workspace.memory.total_bytes() / 4);
    while bytes > MIN_IN_FLIGHT_BYTES {
        if let Some(held) = workspace.memory.try_reserve(bytes) {
            return (bytes, Some(held));
        }
        bytes /= 2;
    }
    (MIN_IN_FLIGHT_BYTES, None)
}
