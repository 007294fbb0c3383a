use std::{sync::Arc, time::Instant};

use howdah_paramserver::client::{PushKind, Wanted};
use howdah_proto::{
    Attempt, Step,
    fence::Fence,
    settings::{Course, Mode},
};

use super::{
    Outcome, Run, Slot, TaskError,
    exchange::{Answer, Exchange, Flight, Then},
    gate::{Attendance, Gate},
    lesson::{Input, Lesson},
};
use crate::{
    learn::Replica,
    task::{
        batches::push_end,
        payload::{Payload, Push},
        slot::Trainer,
        wait::wait,
    },
};

/// Trains the slot's replica for one epoch on a partition: from the lowest mark of the shards on, until every
/// shard's mark is the last step. Shards that are ahead get nothing that they have.
pub(in crate::task) fn stream(run: &Run<'_>, input: Input, slot: &mut Slot) -> Result<Outcome, TaskError> {
    let lesson = Lesson::prepare(run, input)?;
    let context = lesson.context;
    let Course::Stream { interval } = context.settings.mode.course() else {
        return Err(TaskError::Missing("tasks of whole epochs: it trains in rounds"));
    };
    let kept = slot.replica(run.job.job, context, lesson.features)?;
    let (replica, trainer) = kept.training(context, run.replica);
    let attempt = run.task.attempt.attempt;
    let Trainer { payload, exchange, turns } = trainer;
    let attendance = Attendance { gate: None, turns, runtime: &run.environment.runtime };
    let payload = payload.as_mut();
    let mut stream = Stream { run, lesson, attempt, interval, replica, payload, exchange, attendance };
    stream.train()?;
    Ok(stream.lesson.outcome())
}

/// One attempt at a task of a whole epoch.
struct Stream<'a> {
    run: &'a Run<'a>,
    lesson: Lesson<'a>,
    attempt: Attempt,
    interval: u64,
    replica: &'a mut Replica,
    payload: &'a mut dyn Payload,
    exchange: &'a mut Exchange,
    attendance: Attendance<'a>,
}

impl Stream<'_> {
    fn train(&mut self) -> Result<(), TaskError> {
        let (runtime, cancel) = (&self.run.environment.runtime, self.run.cancel);
        let client = self.exchange.client(runtime, cancel)?;
        // Asking for the marks also tells the shards that older attempts are superseded.
        let marks = wait(runtime, cancel, client.begin(self.lesson.task, self.attempt))??;
        if marks.superseded_by.is_some() {
            return Err(TaskError::Superseded);
        }
        let last = self.lesson.batches.last();
        self.lesson.report.first_step = (marks.lowest.0 + 1).min(last.0);
        self.lesson.report.last_step = last.0;
        let mut mark = marks.lowest;
        if mark < last && matches!(self.lesson.context.settings.mode, Mode::BoundedStaleness { .. }) {
            let (parameters, turns) = (&self.lesson.context.parameters, &mut *self.attendance.turns);
            let entered = Gate::enter(Arc::clone(parameters), self.run.replica, turns, runtime, cancel)?;
            self.attendance.gate = Some(entered);
        }
        while mark < last {
            mark = self.from(Step(mark.0 + 1))?;
        }
        Ok(())
    }

    /// Trains from a step on; returns the mark that the shards are known to have reached: the last step, or an
    /// earlier one from which to go on.
    fn from(&mut self, first: Step) -> Result<Step, TaskError> {
        let last = self.lesson.batches.last();
        self.pull()?;
        let mut step = first;
        while step <= last {
            let end = push_end(step, self.interval, last);
            for step in step.0..end.0 {
                self.run.cancel.check()?;
                self.lesson.step(Step(step), self.replica, self.payload)?;
            }
            self.run.cancel.check()?;
            let factor = self.lesson.compute(end, self.replica, self.payload)?;
            if let Some(mark) = self.exchange(step, end, factor)? {
                return Ok(mark);
            }
            (self.run.progress)(end.0, last.0);
            step = Step(end.0 + 1);
        }
        if let Answer::Gap(mark) = self.landed()? {
            return Ok(mark);
        }
        self.payload.finish(self.replica.weights());
        Ok(last)
    }

    /// Takes the last of these steps, whose gradient is computed, and pushes what they have gathered; gives a mark to go back
    /// to if the push before has come to nothing.
    fn exchange(&mut self, first: Step, last: Step, factor: f32) -> Result<Option<Step>, TaskError> {
        let (runtime, cancel) = (&self.run.environment.runtime, self.run.cancel);
        let then = self.then(last);
        let is_last = last == self.lesson.batches.last();
        if then == Then::PullAhead {
            self.lesson.look_ahead(last, self.replica, self.payload)?;
        }
        let has_pulled = match self.landed()? {
            Answer::Nothing => false,
            Answer::Accepted => true,
            Answer::Gap(mark) => return Ok(Some(mark)),
        };
        let fence = Fence::new(self.lesson.task, self.attempt, first, last)
            .map_err(|_| TaskError::Missing("steps in this push"))?;
        let kind = if is_last { PushKind::Last } else { PushKind::Stream };
        let (draft, pulled) = self.exchange.client(runtime, cancel)?.draft(kind);
        let pulled = Some(pulled).filter(|_| has_pulled && then != Then::Pull);
        let started = Instant::now();
        self.payload.close(self.replica, factor, Push { steps: fence.steps(), pulled, payload: draft })?;
        self.lesson.computed_since(started);
        // Nobody needs to wait who stops here.
        let gate = self.attendance.gate.as_mut().map(Gate::next).filter(|_| !is_last);
        self.exchange.start(runtime, cancel, Flight { fence, then, gate });
        if then == Then::Pull {
            if let Answer::Gap(mark) = self.landed()? {
                return Ok(Some(mark));
            }
            let client = self.exchange.client(runtime, cancel)?;
            self.payload.resume(self.replica.weights_mut(), client.pulled());
        }
        Ok(None)
    }

    /// What follows a push. Where it counts which weights a push was computed on, the replica waits for the pull
    /// after the push before: in bounded staleness, and where shards compare with the weights that it holds.
    fn then(&self, last: Step) -> Then {
        let settings = &self.lesson.context.settings;
        if last == self.lesson.batches.last() || !self.payload.learns() {
            Then::Nothing
        } else if self.attendance.gate.is_some() || settings.correction.delay_compensation.is_some() {
            Then::Pull
        } else {
            Then::PullAhead
        }
    }

    /// Waits for the exchange that is on its way.
    fn landed(&mut self) -> Result<Answer, TaskError> {
        let started = Instant::now();
        let answer = self.exchange.wait(&self.run.environment.runtime, self.run.cancel);
        self.lesson.exchanged_since(started);
        answer
    }

    fn pull(&mut self) -> Result<(), TaskError> {
        if !self.payload.learns() {
            return Ok(());
        }
        let started = Instant::now();
        let (runtime, cancel) = (&self.run.environment.runtime, self.run.cancel);
        let client = self.exchange.client(runtime, cancel)?;
        wait(runtime, cancel, client.pull(Wanted::Latest))??;
        client.adopt();
        self.payload.start(self.replica.weights_mut(), client.pulled());
        self.lesson.exchanged_since(started);
        Ok(())
    }
}
