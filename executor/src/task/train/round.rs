use std::{ops::RangeInclusive, time::Instant};

use howdah_paramserver::client::{Combined, ParametersError, PushKind, ReplicaClient, Wanted};
use howdah_proto::{
    Attempt, Step, Version, WireError,
    fence::{Fence, RoundPart, TrainTask},
    settings::Course,
};
use tonic::Code;

use super::{
    Outcome, Run, Slot, TaskError,
    lesson::{Input, Lesson},
};
use crate::task::{payload::Push, slot::Trainer, wait::wait};

/// All attempts at a contribution compute the same, so there is nothing to tell them apart by.
const ATTEMPT: Attempt = Attempt(1);

/// Computes a partition's contribution to a round, on the weights that the round before has made, and pushes it.
///
/// The contribution is a function of those weights and of what [`Lesson`] names: nothing that the slot did before has
/// a part in it.
pub(in crate::task) fn round(
    run: &Run<'_>,
    input: Input,
    part: RoundPart,
    steps: RangeInclusive<Step>,
    slot: &mut Slot,
) -> Result<Outcome, TaskError> {
    let mut lesson = Lesson::prepare(run, input)?;
    let context = lesson.context;
    if !matches!(context.settings.mode.course(), Course::Rounds { .. }) {
        return Err(TaskError::Missing("rounds: its tasks are whole epochs"));
    }
    let (first, last) = (*steps.start(), *steps.end());
    if last > lesson.batches.last() {
        return Err(WireError::invalid("round.last_step", "the partition has fewer steps").into());
    }
    let fence = Fence::new(lesson.task, ATTEMPT, first, last)?;
    lesson.report.first_step = first.0;
    lesson.report.last_step = last.0;
    let kept = slot.replica(run.job.job, context, lesson.features)?;
    let (replica, trainer) = kept.training(context, run.replica);
    let (runtime, cancel) = (&run.environment.runtime, run.cancel);
    let Trainer { payload, exchange, .. } = trainer;
    let client = exchange.client(runtime, cancel)?;
    let started = Instant::now();
    if payload.learns() {
        let before = Wanted::At(Version(part.round.0 - 1));
        match wait(runtime, cancel, client.pull(before))? {
            Ok(()) => client.adopt(),
            Err(ParametersError::Rejected { code: Code::FailedPrecondition, .. }) => {
                return match wait(runtime, cancel, standing(client, part, lesson.task, last))?? {
                    Standing::Contributed => Ok(lesson.outcome()),
                    Standing::Over => Err(TaskError::Superseded),
                    Standing::Behind => Err(TaskError::Behind(part.round)),
                };
            }
            Err(error) => return Err(error.into()),
        }
        client.pulled().copy_to(replica.weights_mut());
    }
    lesson.exchanged_since(started);
    payload.reset();
    payload.begin(replica.weights());
    for step in first.0..last.0 {
        cancel.check()?;
        lesson.step(Step(step), replica, payload.as_mut())?;
        (run.progress)(step - first.0 + 1, fence.steps());
    }
    cancel.check()?;
    let factor = lesson.compute(last, replica, payload.as_ref())?;
    let started = Instant::now();
    let (draft, _) = client.draft(PushKind::Round(part));
    let push = Push { steps: fence.steps(), pulled: None, payload: draft };
    payload.close(replica, factor, push)?;
    lesson.computed_since(started);
    (run.progress)(fence.steps(), fence.steps());
    let started = Instant::now();
    let pushed = wait(runtime, cancel, client.push(&fence))??;
    lesson.exchanged_since(started);
    match pushed {
        Combined::Accepted => Ok(lesson.outcome()),
        Combined::Superseded { .. } => Err(TaskError::Superseded),
        Combined::Gap { .. } => Err(TaskError::Behind(part.round)),
    }
}

/// How the shards stand to a round whose weights they don't give any more.
enum Standing {
    /// They have this contribution already.
    Contributed,
    /// They have completed the round without it.
    Over,
    /// They are not that far.
    Behind,
}

async fn standing(
    client: &mut ReplicaClient,
    part: RoundPart,
    task: TrainTask,
    last: Step,
) -> Result<Standing, ParametersError> {
    let marks = client.begin(task, ATTEMPT).await?;
    if marks.lowest >= last {
        return Ok(Standing::Contributed);
    }
    let status = client.parameters().status().await?;
    let is_over = status.iter().all(|shard| shard.version >= part.round.0);
    Ok(if is_over { Standing::Over } else { Standing::Behind })
}
