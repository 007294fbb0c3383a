use std::sync::atomic::Ordering;

use howdah_proto::{Attempt, Epoch, Version, fence::TrainTask};

use super::HogwildShard;
use crate::{
    rules,
    shard::{Fences, Image, Retired, Seen, ShardError, Tagged, finite::check_finite, state::State},
};

/// What is asked of a shard beside pushes and pulls. Only pushes that are over are surely in what is copied here.
impl HogwildShard {
    /// Sets the initial weights, as [`Shard::write`](crate::shard::Shard::write) does.
    ///
    /// # Errors
    /// [`ShardError::Length`], [`ShardError::NotFinite`] and [`ShardError::NotInitial`].
    pub fn write(&self, values: &[f32]) -> Result<(), ShardError> {
        self.check_len(values)?;
        // Two writers that come together take turns; pushes come after both.
        let _turn = self.tags();
        if self.written.load(Ordering::Acquire) {
            let mut there = rules::zeros(values.len())?;
            self.weights.read(0, &mut there);
            return if *there == *values { Ok(()) } else { Err(ShardError::NotInitial) };
        }
        if self.version() > Version(0) {
            return Err(ShardError::NotInitial);
        }
        check_finite(values)?;
        self.weights.set(values);
        self.written.store(true, Ordering::Release);
        Ok(())
    }

    /// Keeps a copy of the weights under a tag. A tag that exists stays as it is.
    ///
    /// # Errors
    /// [`ShardError::TooManyTags`] and [`ShardError::OutOfMemory`].
    pub fn tag(&self, tag: u64) -> Result<(), ShardError> {
        let (version, values) = (self.version(), self.weights.len());
        self.tags().keep(tag, version, values, |copy| {
            copy.resize(values, 0.0);
            self.weights.read(0, copy);
        })
    }

    /// Drops a tag, if it is there.
    pub fn untag(&self, tag: u64) {
        self.tags().remove(tag);
    }

    /// Looks a tag up.
    pub fn tagged(&self, tag: u64) -> Option<Tagged> {
        self.tags().get(tag).cloned()
    }

    /// Copies the marks and attempts. Pushes that are being applied are not in them.
    pub fn fences(&self) -> Fences {
        let epochs = self.retired_epochs.load(Ordering::Acquire);
        let steps = self.retired_steps.load(Ordering::Acquire);
        let retired = epochs.checked_sub(1).map(|epoch| Retired { epoch: Epoch(epoch as u32), steps });
        let seen: Vec<(TrainTask, Seen)> =
            self.tasks.pin().iter().map(|(task, fence)| (*task, fence.seen())).collect();
        Fences::new(seen, retired)
    }

    /// Forgets the marks of the epochs up to this one; pushes of them are then acknowledged and not applied.
    pub fn retire(&self, epoch: Epoch) {
        let _turn = self.tags();
        // Set first: a push that begins its task anew from here on sees it.
        self.retired_epochs.fetch_max(u64::from(epoch.0) + 1, Ordering::SeqCst);
        let tasks = self.tasks.pin();
        for task in tasks.keys().filter(|task| task.epoch <= epoch) {
            if let Some(fence) = tasks.remove(task) {
                self.retired_steps.fetch_add(fence.see(Attempt(0)).mark.0, Ordering::AcqRel);
            }
        }
    }

    /// Copies everything the shard is, at a time when nobody pushes.
    ///
    /// # Errors
    /// [`ShardError::OutOfMemory`].
    pub fn image(&self, start: u64) -> Result<Image, ShardError> {
        let mut state = State::new(self.weights.len(), &self.spec)?;
        state.weights.change(|range, weights| self.weights.read(range.start, weights));
        state.fences = self.fences();
        state.version = self.version();
        state.sequence = state.version.0;
        state.counters = self.counters();
        let mut image = Image::of_state(state, &self.spec, start);
        image.header.written = self.written.load(Ordering::Acquire);
        image.add_tags(&self.tags())?;
        Ok(image)
    }
}
