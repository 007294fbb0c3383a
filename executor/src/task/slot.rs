use howdah_paramserver::client::{ReplicaClient, ReplicaOptions};
use howdah_proto::{JobId, ReplicaId};

use super::{
    TaskError,
    job::TrainContext,
    payload::Payload,
    train::{Exchange, Turns},
};
use crate::learn::{LearnError, Network, Replica};

/// So many jobs can take turns on a slot before their optimizers begin anew each time.
const JOBS_KEPT: usize = 4;

/// What a task slot keeps from one training task of a job to the next: the replica, its optimizer, and its side of
/// the exchange with the shards.
pub struct Slot {
    number: u32,
    threads: usize,
    /// A few jobs, the one that was trained last at the end.
    kept: Vec<Kept>,
}

/// A replica and what belongs to it.
pub(super) struct Kept {
    job: JobId,
    features: usize,
    pub(super) replica: Replica,
    trainer: Option<Trainer>,
}

/// What a replica needs for training.
pub(super) struct Trainer {
    pub(super) payload: Box<dyn Payload>,
    pub(super) exchange: Exchange,
    pub(super) turns: Turns,
}

impl Slot {
    /// Makes slot `number` of an executor, which computes on `threads` threads.
    pub fn new(number: u32, threads: usize) -> Self {
        Self { number, threads, kept: Vec::new() }
    }

    /// The same slot with nothing kept.
    pub fn emptied(&self) -> Self {
        Self::new(self.number, self.threads)
    }

    /// Its number in the executor.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Lets go of what belongs to a job.
    pub fn drop_job(&mut self, job: JobId) {
        self.kept.retain(|kept| kept.job != job);
    }

    /// The replica for a job, made anew if the slot has none that fits.
    pub(super) fn replica(
        &mut self,
        job: JobId,
        train: &TrainContext,
        features: usize,
    ) -> Result<&mut Kept, TaskError> {
        let settings = &train.settings;
        let network = Network::new(&settings.network, features, train.classes as usize)?;
        let parameters = network.parameters();
        if parameters as u64 != train.parameters.len() {
            return Err(
                LearnError::Weights { expected: parameters, got: train.parameters.len() as usize }.into()
            );
        }
        let known = self.kept.iter().position(|kept| (kept.job, kept.features) == (job, features));
        let kept = match known {
            Some(place) => self.kept.remove(place),
            None => {
                // The old ones go before the new one comes.
                self.kept.retain(|kept| kept.job != job);
                let surplus = (self.kept.len() + 1).saturating_sub(JOBS_KEPT);
                self.kept.drain(..surplus);
                let mut replica = Replica::new(network, settings.batch as usize, self.threads)?;
                replica.set_objective(train.objective.clone())?;
                Kept { job, features, replica, trainer: None }
            }
        };
        self.kept.push(kept);
        self.kept.last_mut().ok_or(TaskError::Missing("replica"))
    }
}

impl Kept {
    /// The replica, and what it needs for training with these shards.
    pub(super) fn training(&mut self, train: &TrainContext, id: ReplicaId) -> (&mut Replica, &mut Trainer) {
        let fits = |trainer: &Trainer| trainer.exchange.is_of(id, &train.parameters);
        if !self.trainer.as_ref().is_some_and(fits) {
            self.trainer = None;
        }
        let network = self.replica.network();
        let trainer = self.trainer.get_or_insert_with(|| {
            let settings = &train.settings;
            let payload = <dyn Payload>::of(settings, network, train.replicas);
            let options = ReplicaOptions {
                id,
                compression: settings.compression,
                mirrored: settings.correction.delay_compensation.is_some(),
                adds_up: payload.adds_up(),
            };
            let client = ReplicaClient::new((*train.parameters).clone(), options);
            Trainer { payload, exchange: Exchange::new(client), turns: Turns::default() }
        });
        (&mut self.replica, trainer)
    }
}
