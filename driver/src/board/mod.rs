//! What clients can see of jobs: their events, the pictures they read, and the models they gave.

mod entry;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use howdah_proto::JobId;

pub use entry::JobEntry;

/// Jobs that have ended are kept until this many newer ones have.
const ENDED_JOBS_KEPT: usize = 16;

/// The jobs of a driver, shared between its engine and its services.
#[derive(Debug, Clone, Default)]
pub struct Board {
    jobs: Arc<Mutex<BTreeMap<JobId, Arc<JobEntry>>>>,
}

impl Board {
    /// Adds a job, and forgets the oldest of those that have ended.
    pub fn add(&self, job: JobId) -> Arc<JobEntry> {
        let entry = Arc::new(JobEntry::default());
        let mut jobs = self.lock();
        let ended: Vec<JobId> =
            jobs.iter().filter(|(_, entry)| entry.has_ended()).map(|(job, _)| *job).collect();
        for old in ended.iter().take(ended.len().saturating_sub(ENDED_JOBS_KEPT - 1)) {
            jobs.remove(old);
        }
        jobs.insert(job, entry.clone());
        entry
    }

    /// The job, if it is known.
    pub fn get(&self, job: JobId) -> Option<Arc<JobEntry>> {
        self.lock().get(&job).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, Arc<JobEntry>>> {
        // A map of Arcs is whole between any two of its operations.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::event::Event;

    use super::*;

    #[test]
    fn jobs_that_ended_are_forgotten_when_enough_newer_ones_have() {
        let board = Board::default();
        let running = JobId(0);
        board.add(running);
        for job in 1..=40 {
            board.add(JobId(job)).record(Event::JobCancelled { reason: String::new() }, 0);
        }
        assert!(board.get(running).is_some());
        assert!(board.get(JobId(1)).is_none());
        assert!(board.get(JobId(40)).is_some());
        assert_eq!(board.lock().len(), ENDED_JOBS_KEPT + 1);
    }
}
