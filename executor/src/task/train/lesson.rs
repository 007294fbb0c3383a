use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use howdah_proto::{BlockId, Epoch, NodeId, Step, fence::TrainTask, pb, settings::Progress};

use super::{
    Outcome, Run, TaskError,
    loader::{Loader, Source},
};
use crate::{
    learn::Replica,
    random::Random,
    rdd::{Chain, RecordContext},
    task::{
        CancelFlag,
        batches::Batches,
        block::{self, Plan},
        job::TrainContext,
        payload::Payload,
    },
};

/// What a training task learns from.
#[derive(Debug, Clone, Copy)]
pub(in crate::task) struct Input {
    /// The node whose rows are the network's input.
    pub(in crate::task) node: NodeId,
    /// The epoch.
    pub(in crate::task) epoch: Epoch,
    /// How many samples the partition has.
    pub(in crate::task) samples: u64,
}

/// The batches of a training task, and the steps over them.
///
/// What a step computes is a function of the weights, the seed, the epoch, the partition and the number of the step:
/// its batch, its augmentation and its dropout are drawn from these. It is the same bit for bit in every slot whose
/// executor has the same kind of processor, as the order in which matrix products add up may depend on that.
pub(super) struct Lesson<'a> {
    pub(super) context: &'a TrainContext,
    pub(super) task: TrainTask,
    pub(super) features: usize,
    pub(super) batches: Arc<Batches>,
    pub(super) report: pb::EpochTrained,
    loader: Loader,
    /// The step that the replica has looked ahead to.
    ahead: Option<Step>,
    /// How long it took to compute the last gradient.
    step_took: Duration,
    cancel: &'a CancelFlag,
    stored: Option<BlockId>,
}

impl<'a> Lesson<'a> {
    pub(super) fn prepare(run: &Run<'a>, input: Input) -> Result<Self, TaskError> {
        let context = run.job.train.as_ref().ok_or(TaskError::Missing("parameters"))?;
        let plan = Plan::to(&run.job.lineage, input.node)?;
        let found = block::find(run, &plan)?;
        let got = found.samples.len() as u64;
        if got != input.samples {
            return Err(TaskError::Changed { expected: input.samples, got });
        }
        let settings = &context.settings;
        let mut feed = Chain::build(&run.environment.registry, plan.feed)?;
        let first = found.samples.row(0, 0).ok_or(TaskError::Missing("samples in this partition"))?;
        let features = feed.width(&first)?;
        let (epoch, partition) = (input.epoch, run.task.partition);
        let batches =
            Arc::new(Batches::new(settings.seed, partition, epoch, found.samples.len(), settings.batch));
        let source = Source {
            batches: Arc::clone(&batches),
            samples: found.samples,
            feed,
            augmentation: RecordContext::augmented(settings.seed, epoch),
            seed: settings.seed,
            epoch,
        };
        Ok(Self {
            context,
            task: TrainTask { epoch, partition },
            features,
            batches,
            report: pb::EpochTrained::default(),
            loader: Loader::new(source, run.environment.runtime.clone()),
            ahead: None,
            step_took: Duration::MAX,
            cancel: run.cancel,
            stored: found.stored,
        })
    }

    /// Takes one step on the replica, and gives its gradient to the payload.
    pub(super) fn step(
        &mut self,
        step: Step,
        replica: &mut Replica,
        payload: &mut dyn Payload,
    ) -> Result<(), TaskError> {
        let factor = self.compute(step, replica, payload)?;
        self.look_ahead(step, replica, payload)?;
        let started = Instant::now();
        payload.step(replica, factor)?;
        self.computed_since(started);
        Ok(())
    }

    /// Computes a step's gradient on the replica, if the payload wants one; gives the factor of its learning rate.
    pub(super) fn compute(
        &mut self,
        step: Step,
        replica: &mut Replica,
        payload: &dyn Payload,
    ) -> Result<f32, TaskError> {
        let rows = self.batches.rows(step).len();
        self.report.samples += rows as u64;
        let (epoch, last) = (self.task.epoch.0, self.batches.last().0);
        let progress = Progress::before(epoch, step.0, last, self.context.settings.schedule_epochs());
        let factor = self.context.settings.learning.schedule.factor(progress);
        if !payload.learns() {
            return Ok(factor);
        }
        let started = Instant::now();
        let is_there = self.ahead.take() == Some(step) && replica.advance();
        if !is_there {
            self.loader.load(step, replica, self.cancel)?;
        }
        if step.0 < self.report.last_step && self.loader.pays(self.step_took) {
            self.loader.load_ahead(Step(step.0 + 1), replica)?;
        }
        let prepared = Instant::now();
        let batch = replica.step(rows, self.dropout_seed(step))?;
        self.report.loss_sum += batch.loss_sum;
        self.report.correct += batch.correct;
        self.report.input_seconds += (prepared - started).as_secs_f64();
        self.step_took = prepared.elapsed();
        self.computed_since(prepared);
        Ok(factor)
    }

    /// Prepares the batch after that of a step whose gradient is computed, so that as the weights move, what it gives in the
    /// first layer is computed from them at once. For nothing if they are replaced then.
    pub(super) fn look_ahead(
        &mut self,
        step: Step,
        replica: &mut Replica,
        payload: &dyn Payload,
    ) -> Result<(), TaskError> {
        if !payload.learns() || step.0 >= self.report.last_step {
            return Ok(());
        }
        let (started, next) = (Instant::now(), Step(step.0 + 1));
        if self.loader.look_ahead(next, replica) {
            replica.look_ahead(self.batches.rows(next).len(), self.dropout_seed(next))?;
            self.ahead = Some(next);
        }
        self.report.input_seconds += started.elapsed().as_secs_f64();
        Ok(())
    }

    fn dropout_seed(&self, step: Step) -> u64 {
        let (epoch, partition) = (u64::from(self.task.epoch.0), u64::from(self.task.partition.0));
        Random::new(&[self.context.settings.seed, epoch, partition, step.0]).next_u64()
    }

    /// Adds the time since `started` to that of computing.
    pub(super) fn computed_since(&mut self, started: Instant) {
        self.report.compute_seconds += started.elapsed().as_secs_f64();
    }

    /// Adds the time since `started` to that of the exchange with the shards.
    pub(super) fn exchanged_since(&mut self, started: Instant) {
        self.report.exchange_seconds += started.elapsed().as_secs_f64();
    }

    pub(super) fn outcome(self) -> Outcome {
        let report = &self.report;
        tracing::debug!(
            task = %self.task,
            samples = report.samples,
            compute_seconds = report.compute_seconds,
            exchange_seconds = report.exchange_seconds,
            input_seconds = report.input_seconds,
            "trained"
        );
        Outcome {
            result: pb::attempt_succeeded::Result::Trained(self.report),
            stored: self.stored.into_iter().collect(),
        }
    }
}
