use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::rules::OutOfMemory;

const PERMIT_BYTES: u64 = 1 << 10;
const WAIT: Duration = Duration::from_secs(15);
/// Memory for this many buffers is kept for the next pushes; the budget bounds what they add up to.
const KEPT_BUFFERS: usize = 8;

/// Buffers in which pushes are put together, within a budget of bytes.
#[derive(Debug)]
pub(super) struct Staging {
    budget: Arc<Semaphore>,
    permits: u32,
    behind: Behind,
    free: Arc<Mutex<Vec<Vec<f32>>>>,
}

/// The half of the budget that may wait for standbys that catch up: the other half is for pushes that need nobody.
#[derive(Debug, Clone)]
struct Behind {
    room: Arc<Semaphore>,
    permits: u32,
}

/// A buffer of the length asked for. When it is dropped, its memory serves the next push.
#[derive(Debug)]
pub(super) struct Staged {
    values: Vec<f32>,
    free: Arc<Mutex<Vec<Vec<f32>>>>,
    kept_values: usize,
    permit: OwnedSemaphorePermit,
    behind: Behind,
    /// Its part of what may wait for standbys.
    waits: OnceLock<OwnedSemaphorePermit>,
}

impl Staging {
    pub(super) fn new(bytes: u64) -> Self {
        let permits = u32::try_from(bytes / PERMIT_BYTES).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 4);
        let budget = Arc::new(Semaphore::new(permits as usize));
        let half = permits / 2;
        let behind = Behind { room: Arc::new(Semaphore::new(half as usize)), permits: half };
        Self { budget, permits, behind, free: Arc::default() }
    }

    /// Whether there is ever room for so many values to wait for a standby that catches up.
    pub(super) fn may_wait(&self, values: usize) -> bool {
        permits_for(values) <= u64::from(self.behind.permits)
    }

    /// Waits until there is room for `values` values.
    pub(super) async fn take(&self, values: usize) -> Result<Staged, Status> {
        let permits = u32::try_from(permits_for(values)).unwrap_or(u32::MAX).clamp(1, self.permits);
        // Pushers that wait hold a part of their connection's window, so they wait a bounded time only.
        let permit = tokio::time::timeout(WAIT, Arc::clone(&self.budget).acquire_many_owned(permits))
            .await
            .map_err(|_| Status::unavailable("the parameter server has no room for another push yet"))?
            .map_err(|_| Status::unavailable("the parameter server shuts down"))?;
        let mut buffer = self.reuse(values);
        buffer
            .try_reserve_exact(values.saturating_sub(buffer.len()))
            .map_err(|_| Status::resource_exhausted(OutOfMemory { values }.to_string()))?;
        buffer.resize(values, 0.0);
        let kept_values = (u64::from(self.permits) * PERMIT_BYTES) as usize / size_of::<f32>() / KEPT_BUFFERS;
        let (free, behind) = (Arc::clone(&self.free), self.behind.clone());
        Ok(Staged { values: buffer, free, kept_values, permit, behind, waits: OnceLock::new() })
    }

    fn reuse(&self, values: usize) -> Vec<f32> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        match free.iter().position(|buffer| buffer.capacity() >= values) {
            Some(place) => free.swap_remove(place),
            None => Vec::new(),
        }
    }
}

fn permits_for(values: usize) -> u64 {
    (size_of::<f32>() as u64 * values as u64).div_ceil(PERMIT_BYTES)
}

impl Staged {
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// Whether there is room for it to wait for a standby that catches up.
    pub(super) fn may_wait(&self) -> bool {
        let room = || Arc::clone(&self.behind.room).try_acquire_many_owned(self.permits());
        self.waits.get().is_some() || room().is_ok_and(|permit| self.waits.set(permit).is_ok())
    }

    /// Waits until there is such room: for ever, if it is too large.
    pub(super) async fn room_to_wait(&self) {
        if self.may_wait() {
            return;
        }
        if self.permits() > self.behind.permits {
            std::future::pending().await
        }
        if let Ok(permit) = Arc::clone(&self.behind.room).acquire_many_owned(self.permits()).await {
            let _set = self.waits.set(permit);
        }
    }

    fn permits(&self) -> u32 {
        u32::try_from(self.permit.num_permits()).unwrap_or(u32::MAX)
    }

    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Leaves the first values alone.
    pub(super) fn shorten(&mut self, values: usize) {
        self.values.truncate(values);
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.values)
    }
}

impl AsRef<[f32]> for Staged {
    fn as_ref(&self) -> &[f32] {
        &self.values
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT_BUFFERS && self.values.capacity() <= self.kept_values {
            free.push(std::mem::take(&mut self.values));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_push_beyond_the_budget_waits_and_is_told_to_come_back() {
        let staging = Staging::new(8 << 10);
        let first = staging.take(2048).await.unwrap();
        assert_eq!(staging.take(1).await.unwrap_err().code(), tonic::Code::Unavailable);
        drop(first);
        assert_eq!(staging.take(1_000_000).await.unwrap().values().len(), 1_000_000);
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_the_budget_may_wait_for_standbys_and_a_push_waits_for_a_part_of_it() {
        let staging = Staging::new(8 << 10);
        let first = staging.take(1024).await.unwrap();
        let second = staging.take(256).await.unwrap();
        first.room_to_wait().await;
        assert!(first.may_wait() && !second.may_wait());
        let (waited, ()) =
            tokio::join!(tokio::time::timeout(WAIT, second.room_to_wait()), async { drop(first) });
        assert!(waited.is_ok() && second.may_wait());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_never_room_for_a_push_of_more_than_half_of_the_budget_to_wait() {
        let large = Staging::new(8 << 10).take(1025).await.unwrap();
        assert!(tokio::time::timeout(WAIT, large.room_to_wait()).await.is_err());
    }

    #[tokio::test]
    async fn the_memory_of_a_buffer_serves_the_next_push() {
        let staging = Staging::new(1 << 20);
        let place = staging.take(1000).await.unwrap().values().as_ptr();
        assert_eq!(staging.take(900).await.unwrap().values().as_ptr(), place);
    }
}
