use std::collections::BTreeMap;

use howdah_proto::{
    Attempt, Epoch, MemberId, ReplicaId, Step, Version,
    fence::TrainTask,
    settings::{Encoding, ShardSpec},
};

use super::{
    Counters, Fences, Image, PlanError, PulledFor, Seen, ShardError, Tagged,
    cut::{CutId, Cuts},
    error::{MAX_TASKS, MAX_VALUES},
    finite::check_finite,
    mirrors::Mirrors,
    rounds::Rounds,
    state::State,
    tags::Tags,
};
use crate::rules::Weights;

/// A contiguous range of the parameters, with all that decides about its next change.
#[derive(Debug)]
pub struct Shard {
    pub(super) spec: ShardSpec,
    pub(super) state: State,
    pub(super) rounds: Rounds,
    pub(super) cuts: Cuts,
    pub(super) mirrors: Mirrors,
    pub(super) tags: Tags,
    pub(super) written: bool,
}

impl Shard {
    /// Makes a shard of zeros.
    ///
    /// # Errors
    /// [`ShardError::Size`] and [`ShardError::OutOfMemory`].
    pub fn new(values: u64, spec: &ShardSpec) -> Result<Self, ShardError> {
        Ok(Self::of(State::new(check_size(values)?, spec)?, spec))
    }

    pub(super) fn of(state: State, spec: &ShardSpec) -> Self {
        Self {
            spec: *spec,
            state,
            rounds: Rounds::default(),
            cuts: Cuts::default(),
            mirrors: Mirrors::default(),
            tags: Tags::default(),
            written: false,
        }
    }

    /// Sets the initial weights. Setting the same ones again is fine, so that a lost answer does no harm.
    ///
    /// # Errors
    /// [`ShardError::Length`], [`ShardError::NotFinite`], [`ShardError::NotInitial`] and [`ShardError::OutOfMemory`].
    pub fn write(&mut self, values: &[f32]) -> Result<(), ShardError> {
        self.check_len(values)?;
        if self.written && self.state.weights.are(values) {
            return Ok(());
        }
        if self.written || self.sequence() > 0 {
            return Err(ShardError::NotInitial);
        }
        check_finite(values)?;
        self.state.weights.own()?;
        self.state.weights.change(|range, weights| weights.copy_from_slice(&values[range]));
        self.written = true;
        Ok(())
    }

    /// Tells the mark of a task; the attempt that asks supersedes lower ones. Of a task in a retired epoch the mark is
    /// beyond all steps.
    ///
    /// # Errors
    /// [`ShardError::TooManyTasks`].
    pub fn mark(&mut self, task: TrainTask, attempt: Attempt) -> Result<Seen, ShardError> {
        self.check_task(task)?;
        Ok(self.state.fences.see(task, attempt))
    }

    /// Keeps a copy of the weights, or of their average if there is one, under a tag. A tag that exists stays as it is.
    ///
    /// # Errors
    /// [`ShardError::TooManyTags`] and [`ShardError::OutOfMemory`].
    pub fn tag(&mut self, tag: u64) -> Result<(), ShardError> {
        let State { rule, weights, version, .. } = &self.state;
        self.tags.keep(tag, *version, weights.len(), |copy| match rule.average() {
            Some(average) => copy.extend_from_slice(average),
            None => weights.pieces().for_each(|(_, piece)| copy.extend_from_slice(piece)),
        })
    }

    /// Drops a tag, if it is there.
    pub fn untag(&mut self, tag: u64) {
        self.tags.remove(tag);
    }

    /// Looks a tag up.
    pub fn tagged(&self, tag: u64) -> Option<&Tagged> {
        self.tags.get(tag)
    }

    /// The number of pushes accepted: those in the weights, and the contributions to the round that comes next.
    pub fn sequence(&self) -> u64 {
        self.state.sequence + self.rounds.len()
    }

    /// How often the weights have changed.
    pub fn version(&self) -> Version {
        self.state.version
    }

    /// How many pushes were so many versions behind: 0, 1, 2, 3, 4 to 7, 8 to 15 and so on.
    pub fn staleness(&self) -> &[u64] {
        self.state.staleness.classes()
    }

    /// Forgets the marks of the epochs up to this one; pushes of them are then acknowledged and not applied.
    pub fn retire(&mut self, epoch: Epoch) {
        self.state.fences.retire(epoch);
        self.cuts.retire(epoch);
    }

    /// Encodes the newest weights for a replica whose copy is mirrored here, in the place of what `out` has: as the
    /// difference to what it holds, if it holds what the mirror says.
    ///
    /// # Errors
    /// [`ShardError::OutOfMemory`].
    pub fn pull_for(
        &mut self,
        replica: ReplicaId,
        held: Option<Version>,
        encoding: Encoding,
        out: &mut Vec<u8>,
    ) -> Result<PulledFor, ShardError> {
        let newest = (&self.state.weights, self.state.version);
        Ok(self.mirrors.pull(newest, (replica, held), encoding, out)?)
    }

    /// Forgets what is kept of an executor's replicas.
    pub fn forget_replicas(&mut self, member: MemberId) {
        self.mirrors.forget(member);
    }

    /// Plans a snapshot that has every task up to the given mark, and nothing of the others. It takes the place
    /// of all plans before it.
    ///
    /// # Errors
    /// [`PlanError`] in the inner result if a task has gone further already; [`ShardError::TooManyCuts`], or
    /// [`ShardError::PlannedAnew`] if a later plan of the snapshot is there.
    pub fn plan_cut(
        &mut self,
        id: CutId,
        marks: BTreeMap<TrainTask, Step>,
    ) -> Result<Result<(), PlanError>, ShardError> {
        self.cuts.plan(id, marks, &self.state.fences)
    }

    /// Whether a planned snapshot has all its pushes; none if there is no such plan, as when it was dropped because a
    /// push reached across it or there was no memory for it.
    pub fn is_cut_complete(&self, id: CutId) -> Option<bool> {
        self.cuts.is_complete(id, &self.state.fences)
    }

    /// Takes a snapshot that is complete, and forgets its plan. It has no tags, and nothing of a round that isn't
    /// complete.
    ///
    /// # Errors
    /// [`ShardError::OutOfMemory`].
    pub fn take_cut(&mut self, id: CutId, start: u64) -> Result<Option<Image>, ShardError> {
        let state = self.cuts.take(id, &self.state, &self.spec)?;
        Ok(state.map(|state| Image::of_state(state, &self.spec, start)))
    }

    /// Drops a plan, and those of the same snapshot before it.
    pub fn drop_cut(&mut self, id: CutId) {
        self.cuts.drop(id);
    }

    /// Gives the newest weights.
    pub fn weights(&self) -> &Weights {
        &self.state.weights
    }

    /// Gives the weights of a version: the newest, or in rounds also those before the last round.
    pub fn weights_at(&self, version: Version) -> Option<&Weights> {
        if version == self.state.version {
            return Some(&self.state.weights);
        }
        self.rounds.before().filter(|(before, _)| *before == version).map(|(_, weights)| weights)
    }

    /// Gives the counters.
    pub fn counters(&self) -> Counters {
        self.state.counters
    }

    /// Gives the marks and attempts.
    pub fn fences(&self) -> &Fences {
        &self.state.fences
    }

    /// Tells how many bytes the weights, the rule's state and all copies take.
    pub fn bytes(&self) -> u64 {
        self.state.bytes()
            + self.rounds.bytes()
            + self.cuts.bytes()
            + self.mirrors.bytes()
            + self.tags.bytes()
    }

    pub(super) fn check_len(&self, values: &[f32]) -> Result<(), ShardError> {
        if values.len() == self.state.weights.len() {
            Ok(())
        } else {
            Err(ShardError::Length { given: values.len(), values: self.state.weights.len() })
        }
    }

    pub(super) fn check_task(&self, task: TrainTask) -> Result<(), ShardError> {
        let fences = &self.state.fences;
        if fences.tasks() < MAX_TASKS || fences.knows(task) { Ok(()) } else { Err(ShardError::TooManyTasks) }
    }
}

/// Checks how many values a shard is to have.
pub(super) fn check_size(values: u64) -> Result<usize, ShardError> {
    let size = || ShardError::Size { values };
    if (1..=MAX_VALUES).contains(&values) { usize::try_from(values).map_err(|_| size()) } else { Err(size()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::{
        error::MAX_TAGS,
        fixture::{SPEC, fence, push},
    };

    fn shard() -> Shard {
        Shard::new(3, &SPEC).unwrap()
    }

    #[test]
    fn a_tag_keeps_the_weights_it_was_set_on() {
        let mut shard = shard();
        shard.tag(4).unwrap();
        push(&mut shard, &fence(0, 1, 1), &[1.0; 3]).unwrap();
        shard.tag(4).unwrap();
        assert_eq!(**shard.tagged(4).unwrap().weights, [0.0; 3]);
        assert_eq!(shard.tagged(4).unwrap().version, Version(0));
        assert_eq!(shard.bytes(), 24);
        shard.untag(4);
        assert!(shard.tagged(4).is_none());
        assert_eq!(shard.bytes(), 12);
    }

    #[test]
    fn initial_weights_are_set_once_and_before_any_push() {
        let mut shard = shard();
        shard.write(&[5.0; 3]).unwrap();
        shard.write(&[5.0; 3]).unwrap();
        assert_eq!(shard.write(&[6.0; 3]), Err(ShardError::NotInitial));
        let mut pushed = self::shard();
        push(&mut pushed, &fence(0, 1, 1), &[1.0; 3]).unwrap();
        assert_eq!(pushed.write(&[5.0; 3]), Err(ShardError::NotInitial));
    }

    #[test]
    fn a_shard_has_a_sensible_size_and_so_many_tags() {
        for values in [0, MAX_VALUES + 1, u64::MAX] {
            let error = Shard::new(values, &SPEC).unwrap_err();
            assert_eq!(error, ShardError::Size { values });
        }
        let mut shard = shard();
        (0..MAX_TAGS as u64).for_each(|tag| shard.tag(tag).unwrap());
        assert_eq!(shard.tag(u64::MAX), Err(ShardError::TooManyTags));
    }
}
