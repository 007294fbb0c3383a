use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use howdah_proto::{
    WireError,
    transport::{ConnectError, connect},
};
use tonic::{Status, transport::Channel};

use crate::rdd::FrameError;

/// A peer that sends nothing for so long hangs, or its machine is gone.
const SILENCE: Duration = Duration::from_secs(3);

/// Connections to other executors, which stay open; a clone is the same pool.
#[derive(Debug, Clone, Default)]
pub struct Peers(Arc<Mutex<HashMap<String, Channel>>>);

/// Something that could not be had from a peer, or given to it.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It can't be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It doesn't have what was asked for.
    #[error("{0}")]
    Missing(String),
    /// It refused, or the connection broke.
    #[error("{0}")]
    Refused(String),
    /// It sent nothing for a while.
    #[error("nothing arrived for {} s", SILENCE.as_secs())]
    Silent,
    /// It sent what makes no sense.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// What it sent was damaged.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl From<Status> for PeerError {
    fn from(status: Status) -> Self {
        match status.code() {
            tonic::Code::NotFound => Self::Missing(status.message().to_owned()),
            _ => Self::Refused(status.message().to_owned()),
        }
    }
}

impl PeerError {
    /// Whether another try, at once, could do better.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Refused(_) | Self::Frame(_) => true,
            Self::Missing(_) | Self::Silent | Self::Wire(_) => false,
        }
    }
}

impl Peers {
    /// A connection to the executor at `address`.
    ///
    /// # Errors
    /// [`PeerError`] if nobody answers there.
    pub async fn channel(&self, address: &str) -> Result<Channel, PeerError> {
        if let Some(channel) = self.lock().get(address) {
            return Ok(channel.clone());
        }
        let channel = within(connect(address)).await??;
        self.lock().insert(address.to_owned(), channel.clone());
        Ok(channel)
    }

    /// Connects anew the next time.
    pub fn forget(&self, address: &str) {
        self.lock().remove(address);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Channel>> {
        // The map is whole between any two statements, so a panic elsewhere while it was locked does no harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for the next sign of a peer.
pub(crate) async fn within<T>(answer: impl Future<Output = T>) -> Result<T, PeerError> {
    tokio::time::timeout(SILENCE, answer).await.map_err(|_| PeerError::Silent)
}
