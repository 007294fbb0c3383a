use std::sync::Arc;

use howdah_proto::{fence::RoundPart, settings::ShardSpec};

use super::{Array, Image, ImageHeader, PendingRound, bytes::bad};
use crate::{
    rules::OutOfMemory,
    shard::{
        Fences, Seen, Shard, ShardError, Tagged, correction::MeanSquare, fence::Retired,
        staleness::Staleness, state::State, tags::Tags,
    },
};

impl Shard {
    /// Copies everything the shard is, with what it has of a round that isn't complete and the weights before the last
    /// one; not its mirrors, whose replicas are sent everything then, and not the cuts that are planned.
    ///
    /// # Errors
    /// [`ShardError::OutOfMemory`].
    pub fn image(&self, start: u64) -> Result<Image, ShardError> {
        let mut image = Image::of_state(self.state.copy(&self.spec)?, &self.spec, start);
        image.header.written = self.written;
        let contribution =
            |fence: &howdah_proto::fence::Fence| (fence.task(), fence.attempt(), fence.first(), fence.last());
        let pending = |part: RoundPart| PendingRound {
            part,
            contributions: self.rounds.iter().map(|(fence, _)| contribution(fence)).collect(),
        };
        image.header.pending = self.rounds.part().map(pending);
        for (_, values) in self.rounds.iter() {
            image.arrays.push(Array::copy_of(values)?);
        }
        if let Some((version, weights)) = self.rounds.before() {
            image.header.before = Some(version);
            image.arrays.push(Array::Pieces(weights.copy()?));
        }
        image.add_tags(&self.tags)?;
        Ok(image)
    }

    /// Makes a shard of an image.
    ///
    /// # Errors
    /// [`ShardError::Image`] if the image is not of a shard with this spec's rule and course, and
    /// [`ShardError::OutOfMemory`].
    pub fn from_image(image: Image, spec: &ShardSpec) -> Result<Self, ShardError> {
        let Image { header, arrays } = image;
        let (count, given) = (header.check()?, arrays.len());
        if given as u64 != count || arrays.iter().any(|array| array.len() as u64 != header.len) {
            return Err(bad(format!("it has {given} arrays where its header says {count}")));
        }
        if (header.spec.rule, header.spec.average) != (spec.rule, spec.average) {
            return Err(bad(format!(
                "it is of the rule {:?} (average {:?}), not of {:?} (average {:?})",
                header.spec.rule, header.spec.average, spec.rule, spec.average
            )));
        }
        if header.spec.mode.in_rounds() != spec.mode.in_rounds() {
            return Err(bad("training goes on in rounds on one side and not on the other"));
        }
        let mut arrays = arrays.into_iter();
        let mut shard = Self::of(restore_state(&header, &mut arrays, spec)?, spec);
        shard.written = header.written;
        if let Some(pending) = &header.pending {
            if !spec.mode.in_rounds() {
                return Err(bad("it is in the middle of a round, and there are no rounds"));
            }
            for (fence, values) in pending.fences()?.iter().zip(&mut arrays) {
                shard.rounds.put(fence, pending.part, values.into_box()?);
            }
        }
        if let Some(version) = header.before {
            let weights = arrays.next().ok_or_else(|| bad("an array is missing"))?;
            shard.rounds.put_before(version, weights.into_weights()?);
        }
        for ((tag, version), weights) in header.tags.iter().zip(arrays) {
            let weights = Arc::new(weights.into_box()?.into_vec());
            shard.tags.put(*tag, Tagged { weights, version: *version });
        }
        Ok(shard)
    }
}

impl Image {
    /// Makes the image of a state, without copying it.
    pub(in crate::shard) fn of_state(mut state: State, spec: &ShardSpec, start: u64) -> Self {
        let seen = state.fences.iter().map(|(task, seen)| (task, seen.mark, seen.highest));
        let mut seen: Vec<_> = seen.collect();
        seen.sort_unstable();
        let header = ImageHeader {
            start,
            len: state.weights.len() as u64,
            spec: *spec,
            written: true,
            sequence: state.sequence,
            version: state.version,
            seen,
            retired: state.fences.retired().map(|retired| (retired.epoch, retired.steps)),
            counters: state.counters,
            staleness: state.staleness.classes().to_vec(),
            scalars: state.rule.scalars(),
            rule_arrays: state.rule.arrays().len() as u32,
            mean_square: state.mean_square.is_some(),
            pending: None,
            before: None,
            tags: Vec::new(),
        };
        let mut arrays = vec![Array::Pieces(state.weights)];
        arrays.extend(state.rule.arrays_mut().into_iter().map(std::mem::take).map(Array::Whole));
        arrays.extend(state.mean_square.map(MeanSquare::into_array).map(Array::Whole));
        Self { header, arrays }
    }

    /// Copies what is kept under tags behind everything else.
    pub(in crate::shard) fn add_tags(&mut self, tags: &Tags) -> Result<(), OutOfMemory> {
        for (tag, tagged) in tags.iter() {
            self.header.tags.push((tag, tagged.version));
            self.arrays.push(Array::copy_of(&tagged.weights)?);
        }
        Ok(())
    }
}

/// Takes the arrays of a state out of an image that has been checked.
fn restore_state(
    header: &ImageHeader,
    arrays: &mut impl Iterator<Item = Array>,
    spec: &ShardSpec,
) -> Result<State, ShardError> {
    let missing = || bad("an array is missing");
    let mut state = State::of(arrays.next().ok_or_else(missing)?.into_weights()?, spec)?;
    let (places, scalars) = (state.rule.arrays().len(), state.rule.scalars().len());
    if (places, scalars) != (header.rule_arrays as usize, header.scalars.len()) {
        return Err(bad("the state of its rule is not what this program keeps"));
    }
    for place in state.rule.arrays_mut() {
        *place = arrays.next().ok_or_else(missing)?.into_box()?;
    }
    state.rule.scalars_mut().into_iter().zip(&header.scalars).for_each(|(place, scalar)| *place = *scalar);
    if header.mean_square {
        let mean_square = MeanSquare::of(arrays.next().ok_or_else(missing)?.into_box()?);
        state.mean_square = spec.correction.delay_compensation.map(|_| mean_square);
    }
    let seen = header.seen.iter();
    let seen = seen.map(|(task, mark, highest)| (*task, Seen { mark: *mark, highest: *highest }));
    state.fences = Fences::new(seen, header.retired.map(|(epoch, steps)| Retired { epoch, steps }));
    state.version = header.version;
    state.sequence = header.sequence;
    state.counters = header.counters;
    state.staleness = Staleness::new(header.staleness.clone());
    Ok(state)
}
