use std::{sync::Arc, time::Instant};

use howdah_paramserver::client::Version;
use howdah_proto::{
    Attempt, Epoch, NodeId, Step,
    fence::{Fence, TrainTask},
    pb,
};

use super::{
    Outcome, Run, Slot, TaskError,
    batches::{Batches, push_end},
    block::{self, Plan},
    compute::{augmented, features_of},
    exchange::{Answer, Buffers, Exchange},
    job::TrainContext,
    slot::Kept,
};
use crate::{
    random::Random,
    rdd::{Chain, RecordContext, Samples},
};

/// Trains the slot's replica for one epoch on a partition: from the lowest mark of the shards on, until every
/// shard's mark is the last step.
pub(super) fn run(
    run: &Run<'_>,
    node: NodeId,
    epoch: Epoch,
    samples: u64,
    slot: &mut Slot,
) -> Result<Outcome, TaskError> {
    let context = run.job.train.as_ref().ok_or(TaskError::Missing("parameters"))?;
    let plan = Plan::to(&run.job.lineage, node)?;
    let found = block::find(run, &plan)?;
    if found.samples.len() as u64 != samples {
        return Err(TaskError::Changed { expected: samples, got: found.samples.len() as u64 });
    }
    let settings = &context.settings;
    let mut feed = Chain::build(&run.environment.registry, plan.feed)?;
    let features = match found.samples.row(0) {
        Some(row) => features_of(&mut feed, &found.samples, row, &RecordContext::default())?.len(),
        None => return Err(TaskError::Missing("samples in this partition")),
    };
    let partition = run.task.partition;
    let mut training = Training {
        run,
        context,
        task: TrainTask { epoch, partition },
        attempt: run.task.attempt.attempt,
        batches: Batches::new(settings.seed, partition, epoch, found.samples.len(), settings.batch),
        samples: &found.samples,
        feed,
        augmentation: augmented(settings.seed, epoch),
        kept: slot.replica(run.job.job, context, features)?,
        report: pb::EpochTrained::default(),
    };
    training.train_to_the_end()?;
    let report = &training.report;
    tracing::debug!(
        task = %training.task,
        samples = report.samples,
        compute_seconds = report.compute_seconds,
        exchange_seconds = report.exchange_seconds,
        input_seconds = report.input_seconds,
        "trained"
    );
    Ok(Outcome {
        result: pb::attempt_succeeded::Result::Trained(training.report),
        stored: found.stored.into_iter().collect(),
        evicted: found.evicted,
    })
}

/// One attempt at a training task.
struct Training<'a> {
    run: &'a Run<'a>,
    context: &'a TrainContext,
    task: TrainTask,
    attempt: Attempt,
    batches: Batches,
    samples: &'a Arc<Samples>,
    feed: Chain,
    augmentation: RecordContext,
    kept: &'a mut Kept,
    report: pb::EpochTrained,
}

impl Training<'_> {
    fn train_to_the_end(&mut self) -> Result<(), TaskError> {
        let runtime = &self.run.environment.runtime;
        // Asking for the marks also tells the shards that older attempts are superseded.
        let marks = runtime.block_on(self.context.parameters.marks(self.task, self.attempt))?;
        if marks.superseded_by.is_some() {
            return Err(TaskError::Superseded);
        }
        let last = self.batches.last();
        self.report.first_step = (marks.lowest.0 + 1).min(last.0);
        self.report.last_step = last.0;
        let mut mark = marks.lowest;
        while mark < last {
            mark = self.from(Step(mark.0 + 1))?;
        }
        Ok(())
    }

    /// Trains from a step on; returns the mark that the shards are known to have reached: the last step, or an
    /// earlier one from which to go on.
    fn from(&mut self, first: Step) -> Result<Step, TaskError> {
        let runtime = &self.run.environment.runtime;
        let interval = self.context.settings.mode.push_every();
        let last = self.batches.last();
        self.pull()?;
        let mut spare = self.kept.buffers.take();
        let mut exchange = Exchange::new(&self.context.parameters, runtime);
        let mut step = first;
        while step <= last {
            let end = push_end(step, interval, last);
            for step in step.0..=end.0 {
                self.run.cancel.check()?;
                self.step(Step(step))?;
            }
            let started = Instant::now();
            let answer = exchange.wait()?;
            self.report.exchange_seconds += started.elapsed().as_secs_f64();
            let parameters = self.kept.replica.weights().len();
            let (mut buffers, has_pulled) = match answer {
                Answer::Nothing => (spare.take().unwrap_or_else(|| Buffers::new(parameters)), false),
                Answer::Accepted(buffers) => (buffers, true),
                Answer::Gap(mark, buffers) => {
                    self.kept.buffers = Some(buffers);
                    return Ok(mark);
                }
            };
            let fence = Fence::new(self.task, self.attempt, step, end)
                .map_err(|_| TaskError::Missing("steps in this push"))?;
            let Kept { replica, gathered, .. } = &mut *self.kept;
            gathered.take(replica.weights(), fence.steps(), &mut buffers.payload);
            let pulled = has_pulled.then_some(buffers.pulled.as_slice());
            gathered.merge(replica.weights_mut(), pulled, &buffers.payload);
            let more = end < last && self.kept.gathered.learns();
            exchange.start(buffers, fence, more);
            (self.run.progress)(end.0, last.0);
            step = Step(end.0 + 1);
        }
        let started = Instant::now();
        let answer = exchange.wait()?;
        self.report.exchange_seconds += started.elapsed().as_secs_f64();
        match answer {
            Answer::Accepted(buffers) => self.kept.buffers = Some(buffers),
            Answer::Gap(mark, buffers) => {
                self.kept.buffers = Some(buffers);
                return Ok(mark);
            }
            Answer::Nothing => {}
        }
        Ok(last)
    }

    fn pull(&mut self) -> Result<(), TaskError> {
        if !self.kept.gathered.learns() {
            return Ok(());
        }
        let started = Instant::now();
        let runtime = &self.run.environment.runtime;
        runtime.block_on(self.context.parameters.pull(self.kept.replica.weights_mut(), Version::Latest))?;
        self.kept.gathered.begin(self.kept.replica.weights());
        self.report.exchange_seconds += started.elapsed().as_secs_f64();
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), TaskError> {
        let rows = self.batches.rows(step);
        self.report.samples += rows.len() as u64;
        if !self.kept.gathered.learns() {
            return Ok(());
        }
        let started = Instant::now();
        let replica = &mut self.kept.replica;
        for (place, row) in rows.iter().enumerate() {
            let row = self.samples.row(*row as usize).ok_or(TaskError::Missing("row of that number"))?;
            let values = features_of(&mut self.feed, self.samples, row, &self.augmentation)?;
            fill(replica.input_row(place)?, &values)?;
            replica.set_label(place, row.1)?;
        }
        let prepared = Instant::now();
        let (epoch, partition) = (u64::from(self.task.epoch.0), u64::from(self.task.partition.0));
        let seed = Random::new(&[self.context.settings.seed, epoch, partition, step.0]).next_u64();
        let batch = replica.step(rows.len(), seed)?;
        self.kept.gathered.step(replica);
        self.report.loss_sum += batch.loss_sum;
        self.report.correct += batch.correct;
        self.report.input_seconds += (prepared - started).as_secs_f64();
        self.report.compute_seconds += prepared.elapsed().as_secs_f64();
        Ok(())
    }
}

/// Copies the features of a sample into their row of the batch.
pub(super) fn fill(row: &mut [f32], values: &[f32]) -> Result<(), TaskError> {
    if row.len() != values.len() {
        return Err(TaskError::Missing("fixed number of features: the pipeline needs a `resize`"));
    }
    row.copy_from_slice(values);
    Ok(())
}
