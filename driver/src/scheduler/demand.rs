//! Which stages run: those whose output somebody needs and whose input is complete.

use howdah_proto::{JobId, StageId, TaskIndex};

use super::{
    Command, Millis, Output, Scheduler,
    queues::Timer,
    stages::{Phase, Stage},
    tasks::{StageKey, TaskState},
};

impl Scheduler {
    /// Notes that a stage must finish, and with it the parents that it needs; those that can, start.
    ///
    /// A stage that had finished and lost an output since is tried again, for the given reason. Lists take the
    /// place of recursion here and below: a chain of stages may be long.
    pub(super) fn demand(&mut self, key: StageKey, reason: &str, now: Millis, commands: &mut Vec<Command>) {
        let (job, mut wanted, mut ready) = (key.job, vec![key.stage], Vec::new());
        while let Some(id) = wanted.pop() {
            let key = StageKey { job, stage: id };
            let Some(stage) = self.jobs.stage_mut(key) else { continue };
            if stage.demanded || stage.is_complete() {
                continue;
            }
            stage.demanded = true;
            let parents = stage.parents.clone();
            if stage.phase == Phase::Finished {
                stage.attempt += 1;
                let (attempt, reason) = (stage.attempt, reason.to_owned());
                commands.push(Command::StageRetried { job, stage: id, attempt, reason });
                self.jobs.set_phase(key, Phase::Closed);
                self.close_children(key);
            }
            for parent in &parents {
                let Some(found) = self.jobs.stage_mut(StageKey { job, stage: *parent }) else { continue };
                found.demands += 1;
                if !found.is_complete() {
                    wanted.push(*parent);
                    self.jobs.stage_mut(key).map(|stage| stage.unfinished_parents.insert(*parent));
                }
            }
            if self.jobs.stage(key).is_some_and(|stage| stage.unfinished_parents.is_empty()) {
                ready.push(id);
            }
        }
        self.advance(job, ready, now, commands);
    }

    /// Finishes a stage whose tasks are all done, and starts the children that waited for it alone.
    pub(super) fn finish_if_done(&mut self, key: StageKey, now: Millis, commands: &mut Vec<Command>) {
        let done = |stage: &Stage| stage.phase != Phase::Finished && stage.all_done();
        if self.jobs.stage(key).is_some_and(done) {
            let ready = self.finish(key, commands);
            self.advance(key.job, ready, now, commands);
        }
    }

    /// Opens stages whose input is complete, and finishes those that have nothing to do.
    fn advance(&mut self, job: JobId, mut ready: Vec<StageId>, now: Millis, commands: &mut Vec<Command>) {
        while let Some(stage) = ready.pop() {
            let key = StageKey { job, stage };
            self.open(key, now, commands);
            if self.jobs.stage(key).is_some_and(Stage::all_done) {
                ready.extend(self.finish(key, commands));
            }
        }
    }

    fn open(&mut self, key: StageKey, now: Millis, commands: &mut Vec<Command>) {
        self.jobs.set_phase(key, Phase::Open);
        let Some(stage) = self.jobs.stage_mut(key) else { return };
        let (job, tasks) = (key.job, stage.counts.total());
        let blocked: Vec<TaskIndex> = if stage.started {
            stage.missing.iter().copied().collect()
        } else {
            stage.started = true;
            commands.push(Command::StageStarted { job, stage: key.stage, tasks });
            let in_order = (0..).map(TaskIndex).zip(&stage.tasks);
            in_order.filter(|(_, task)| task.state == TaskState::Blocked).map(|(index, _)| index).collect()
        };
        for task in blocked {
            self.queue(key.task(task), now);
        }
        // What was pending when the stage was closed is offered again.
        self.refresh(key);
        self.watch_stragglers(key, now);
    }

    /// Marks a stage as finished; returns the children that can open.
    pub(super) fn finish(&mut self, key: StageKey, commands: &mut Vec<Command>) -> Vec<StageId> {
        self.jobs.set_phase(key, Phase::Finished);
        self.forget_stragglers(key);
        let Some(stage) = self.jobs.stage_mut(key) else { return Vec::new() };
        stage.fetch_failures = 0;
        if stage.output == Output::Returned {
            (stage.tasks, stage.stragglers) = (Vec::new(), None);
        }
        let children = stage.children.clone();
        commands.push(Command::StageFinished { job: key.job, stage: key.stage });
        self.refresh(key);
        self.release_parents(key);
        let opens = |child: &StageId| {
            let child = self.jobs.stage_mut(StageKey { job: key.job, stage: *child });
            child.is_some_and(|child| {
                child.demanded
                    && child.unfinished_parents.remove(&key.stage)
                    && child.unfinished_parents.is_empty()
            })
        };
        children.into_iter().filter(opens).collect()
    }

    /// Closes the children that need a stage which is no longer finished; what they run goes on.
    pub(super) fn close_children(&mut self, key: StageKey) {
        let children = self.jobs.stage(key).map_or_else(Vec::new, |stage| stage.children.clone());
        for child in children.into_iter().map(|stage| StageKey { job: key.job, stage }) {
            let Some(stage) = self.jobs.stage_mut(child).filter(|stage| stage.demanded) else { continue };
            stage.unfinished_parents.insert(key.stage);
            self.jobs.set_phase(child, Phase::Closed);
            self.refresh(child);
        }
    }

    /// Notes that a stage needs its parents no more; those that nobody else needs launch nothing new.
    fn release_parents(&mut self, key: StageKey) {
        let mut released = vec![key.stage];
        while let Some(id) = released.pop() {
            let Some(stage) = self.jobs.stage_mut(StageKey { stage: id, ..key }) else { continue };
            if !std::mem::take(&mut stage.demanded) {
                continue;
            }
            stage.unfinished_parents.clear();
            for parent in stage.parents.clone().into_iter().map(|stage| StageKey { stage, ..key }) {
                let Some(found) = self.jobs.stage_mut(parent) else { continue };
                found.demands -= 1;
                if found.demands == 0 && found.output == Output::Kept && found.demanded {
                    self.jobs.set_phase(parent, Phase::Closed);
                    self.refresh(parent);
                    released.push(parent.stage);
                }
            }
        }
    }

    /// Stops looking for slow attempts of a stage.
    pub(super) fn forget_stragglers(&mut self, key: StageKey) {
        let stragglers = self.jobs.stage_mut(key).and_then(|stage| stage.stragglers.as_mut());
        if let Some(at) = stragglers.and_then(|stragglers| stragglers.next_look.take()) {
            self.index.timers.remove(&(at, Timer::Stragglers(key)));
        }
    }
}
