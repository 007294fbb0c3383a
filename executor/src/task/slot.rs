use howdah_proto::JobId;

use super::{TaskError, exchange::Buffers, job::TrainContext, updates::Gathered};
use crate::learn::{LearnError, Network, Replica};

/// What a task slot keeps from one training task of a job to the next: the replica with its optimizer, and the
/// buffers of the exchange.
#[derive(Default)]
pub struct Slot {
    threads: usize,
    kept: Option<Kept>,
}

/// A replica and what belongs to it.
pub(super) struct Kept {
    job: JobId,
    features: usize,
    pub(super) replica: Replica,
    pub(super) gathered: Gathered,
    /// None while they travel, or if they were lost with an exchange that failed.
    pub(super) buffers: Option<Buffers>,
}

impl Slot {
    /// Makes a slot that computes on `threads` threads.
    pub fn new(threads: usize) -> Self {
        Self { threads, kept: None }
    }

    /// Lets go of what belongs to a job.
    pub fn drop_job(&mut self, job: JobId) {
        self.kept.take_if(|kept| kept.job == job);
    }

    /// The replica for a job, made anew if the slot has none that fits.
    pub(super) fn replica(
        &mut self,
        job: JobId,
        train: &TrainContext,
        features: usize,
    ) -> Result<&mut Kept, TaskError> {
        let settings = &train.settings;
        let fits = self.kept.as_ref().is_some_and(|kept| (kept.job, kept.features) == (job, features));
        if !fits {
            // The old one goes before the new one comes.
            self.kept = None;
        }
        let network = Network::new(&settings.network, features, train.classes as usize)?;
        let parameters = network.parameters();
        if parameters as u64 != train.parameters.len() {
            return Err(
                LearnError::Weights { expected: parameters, got: train.parameters.len() as usize }.into()
            );
        }
        match &mut self.kept {
            Some(kept) => Ok(kept),
            none => {
                let replica = Replica::new(network, settings.batch as usize, self.threads)?;
                let gathered = Gathered::new(&settings.updates, parameters, train.replicas);
                Ok(none.insert(Kept { job, features, replica, gathered, buffers: None }))
            }
        }
    }
}
