//! Rounds as those who watch see them: all rounds of an epoch are one stage.

use howdah_proto::{
    Epoch, JobId, StageId,
    event::{Event, StageKind},
};

use super::{Engine, state::PROGRESS_INTERVAL};
use crate::scheduler::Millis;

/// The rounds of an epoch.
#[derive(Debug)]
pub(super) struct EpochRounds {
    /// The stage of the first of them, which stands for all.
    stage: StageId,
    kind: StageKind,
    started: Millis,
    reported: Millis,
}

impl Engine {
    /// A round began; only the first of an epoch is told.
    pub(super) fn round_started(
        &mut self,
        job: JobId,
        stage: StageId,
        kind: StageKind,
        tasks: u32,
        now: Millis,
    ) {
        let Some(state) = self.jobs.get_mut(&job) else { return };
        if state.rounds.as_ref().is_some_and(|rounds| rounds.kind == kind) {
            return;
        }
        state.rounds = Some(EpochRounds { stage, kind, started: now, reported: now });
        self.emit(job, Event::StageStarted { stage, kind, tasks });
    }

    /// A round is complete; tells how far the epoch is, but not too often.
    pub(super) fn round_finished(&mut self, job: JobId, now: Millis) {
        let Some(state) = self.jobs.get_mut(&job) else { return };
        let Some(rounds) = &mut state.rounds else { return };
        if now.since(rounds.reported) < PROGRESS_INTERVAL {
            return;
        }
        rounds.reported = now;
        let (stage, kind) = (rounds.stage, rounds.kind);
        let (done, total) = state.train.round_progress();
        self.emit(job, Event::Progress { stage, kind, done, total });
    }

    /// All rounds of an epoch are complete.
    pub(super) fn rounds_done(&mut self, job: JobId, epoch: Epoch, now: Millis) {
        let Some(state) = self.jobs.get_mut(&job) else { return };
        let kind = StageKind::Train { epoch };
        let Some(rounds) = state.rounds.take_if(|rounds| rounds.kind == kind) else { return };
        let seconds = now.since(rounds.started).as_secs_f64();
        self.emit(job, Event::StageFinished { stage: rounds.stage, kind, seconds });
    }
}
