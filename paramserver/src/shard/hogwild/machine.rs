use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use howdah_proto::{
    Attempt, Step, Version,
    fence::{Fence, TrainTask},
    settings::{ShardSpec, UpdateRule},
};

use super::{
    cuts::Plans,
    task::{TaskFence, check_range},
    weights::AtomicWeights,
};
use crate::shard::{
    Counters, Decision, Image, PushOutcome, Seen, Shard, ShardError, error::MAX_TASKS, fence::RETIRED_MARK,
    finite::check_finite, tags::Tags,
};

/// A shard that threads push to at the same time, for the rules that add.
///
/// On the way of a push there is no lock: the weights are atomic, and so is the word of each task, in a lock-free map
/// (`papaya`: tasks come and go, so a fixed table would either be far too large or run full). What needs a
/// quiet time (the initial weights, images, cuts, tags that are to be of one moment) is done between epochs.
#[derive(Debug)]
pub struct HogwildShard {
    pub(super) spec: ShardSpec,
    // What a push is multiplied with before it is added.
    factor: f32,
    pub(super) weights: AtomicWeights<AtomicU64>,
    pub(super) tasks: papaya::HashMap<TrainTask, TaskFence<AtomicU64>>,
    // The number of the last retired epoch and one; 0 is none.
    pub(super) retired_epochs: AtomicU64,
    pub(super) retired_steps: AtomicU64,
    pub(super) written: AtomicBool,
    pub(super) applied: AtomicU64,
    pub(super) repeated: AtomicU64,
    pub(super) superseded: AtomicU64,
    pub(super) out_of_order: AtomicU64,
    pub(super) tags: Mutex<Tags>,
    pub(super) plans: Plans,
}

impl HogwildShard {
    /// Makes a shard of zeros.
    ///
    /// # Errors
    /// [`ShardError::Size`], [`ShardError::NeedsLock`] and [`ShardError::OutOfMemory`].
    pub fn new(values: u64, spec: &ShardSpec) -> Result<Self, ShardError> {
        Self::of(Shard::new(values, spec)?)
    }

    /// Makes a shard of an image.
    ///
    /// # Errors
    /// [`ShardError::Image`], [`ShardError::NeedsLock`] and [`ShardError::FenceRange`].
    pub fn from_image(image: Image, spec: &ShardSpec) -> Result<Self, ShardError> {
        Self::of(Shard::from_image(image, spec)?)
    }

    fn of(shard: Shard) -> Result<Self, ShardError> {
        let factor = match shard.spec.rule {
            UpdateRule::Sum => 1.0,
            UpdateRule::Sgd { learning_rate } => -learning_rate,
            rule => return Err(ShardError::NeedsLock { rule }),
        };
        let tasks = papaya::HashMap::new();
        for (task, seen) in shard.fences().iter() {
            check_range(seen.highest, seen.mark)?;
            tasks.pin().insert(task, TaskFence::new(seen));
        }
        let (retired, counters) = (shard.fences().retired(), shard.counters());
        Ok(Self {
            spec: shard.spec,
            factor,
            weights: AtomicWeights::of(shard.weights())?,
            tasks,
            retired_epochs: AtomicU64::new(retired.map_or(0, |retired| u64::from(retired.epoch.0) + 1)),
            retired_steps: AtomicU64::new(retired.map_or(0, |retired| retired.steps)),
            written: AtomicBool::new(shard.written),
            applied: AtomicU64::new(counters.applied),
            repeated: AtomicU64::new(counters.repeated),
            superseded: AtomicU64::new(counters.superseded),
            out_of_order: AtomicU64::new(counters.out_of_order),
            tags: Mutex::new(shard.tags),
            plans: Plans::new(),
        })
    }

    /// Applies a push unless its fence says otherwise. A copy of the push that comes meanwhile waits for it.
    ///
    /// # Errors
    /// [`ShardError::Length`], [`ShardError::NotFinite`], [`ShardError::TooManyTasks`] and
    /// [`ShardError::FenceRange`].
    pub fn apply(&self, fence: &Fence, values: &[f32]) -> Result<PushOutcome, ShardError> {
        self.check_len(values)?;
        check_range(fence.attempt(), fence.last())?;
        check_finite(values)?;
        let task = fence.task();
        if self.is_retired(task) {
            return Ok(self.repeated(fence.last()));
        }
        let tasks = self.tasks.pin();
        let known = self.task(&tasks, task)?;
        let claim = match known.claim(fence) {
            Ok(claim) => claim,
            Err(Decision::Superseded { highest }) => {
                self.superseded.fetch_add(1, Ordering::Relaxed);
                return Ok(PushOutcome::Superseded { highest });
            }
            Err(Decision::Gap { mark }) => {
                self.out_of_order.fetch_add(1, Ordering::Relaxed);
                return Ok(PushOutcome::Gap { mark });
            }
            Err(Decision::AlreadyApplied { mark }) => return Ok(self.repeated(mark)),
            Err(Decision::Apply) => return Ok(PushOutcome::Gap { mark: Step(fence.first().0 - 1) }),
        };
        // The epoch may have been retired since, and the task with it: its fence was then begun anew just now.
        if self.is_retired(task) {
            known.abandoned(claim);
            return Ok(self.repeated(fence.last()));
        }
        self.weights.add(values, self.factor);
        known.applied(claim);
        self.applied.fetch_add(1, Ordering::Release);
        Ok(PushOutcome::Applied { mark: fence.last() })
    }

    /// Tells the mark of a task; the attempt that asks supersedes lower ones. Waits for the push of the task that is
    /// being applied.
    ///
    /// # Errors
    /// [`ShardError::TooManyTasks`] and [`ShardError::FenceRange`].
    pub fn mark(&self, task: TrainTask, attempt: Attempt) -> Result<Seen, ShardError> {
        check_range(attempt, Step(0))?;
        if self.is_retired(task) {
            return Ok(Seen { mark: RETIRED_MARK, highest: attempt });
        }
        let tasks = self.tasks.pin();
        Ok(self.task(&tasks, task)?.see(attempt))
    }

    /// Copies the weights from the place `start` on into `out`, while pushes go on.
    pub fn read(&self, start: usize, out: &mut [f32]) {
        self.weights.read(start, out);
    }

    /// Counts the weights.
    pub fn values(&self) -> usize {
        self.weights.len()
    }

    /// The number of pushes applied.
    pub fn version(&self) -> Version {
        Version(self.applied.load(Ordering::Acquire))
    }

    /// Gives the counters.
    pub fn counters(&self) -> Counters {
        Counters {
            applied: self.applied.load(Ordering::Relaxed),
            repeated: self.repeated.load(Ordering::Relaxed),
            superseded: self.superseded.load(Ordering::Relaxed),
            out_of_order: self.out_of_order.load(Ordering::Relaxed),
            late: 0,
        }
    }

    /// Tells how many bytes the weights and the tags take.
    pub fn bytes(&self) -> u64 {
        (self.weights.len() * size_of::<f32>()) as u64 + self.tags().bytes()
    }

    fn task<'a>(
        &self,
        tasks: &'a papaya::HashMapRef<
            '_,
            TrainTask,
            TaskFence<AtomicU64>,
            std::hash::RandomState,
            papaya::LocalGuard<'_>,
        >,
        task: TrainTask,
    ) -> Result<&'a TaskFence<AtomicU64>, ShardError> {
        if let Some(known) = tasks.get(&task) {
            return Ok(known);
        }
        if tasks.len() >= MAX_TASKS {
            return Err(ShardError::TooManyTasks);
        }
        Ok(tasks.get_or_insert_with(task, || TaskFence::new(Seen::default())))
    }

    fn repeated(&self, mark: Step) -> PushOutcome {
        self.repeated.fetch_add(1, Ordering::Relaxed);
        PushOutcome::AlreadyApplied { mark }
    }

    fn is_retired(&self, task: TrainTask) -> bool {
        u64::from(task.epoch.0) < self.retired_epochs.load(Ordering::SeqCst)
    }

    pub(super) fn check_len(&self, values: &[f32]) -> Result<(), ShardError> {
        let there = self.weights.len();
        if values.len() == there {
            Ok(())
        } else {
            Err(ShardError::Length { given: values.len(), values: there })
        }
    }

    // Nothing is left half done under this lock, so a poisoned one is as good as a whole one.
    pub(super) fn tags(&self) -> MutexGuard<'_, Tags> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
