use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use howdah_proto::{Epoch, Step};
use tokio::{runtime::Handle, task::JoinHandle};

use super::TaskError;
use crate::{
    learn::{Minibatch, Replica},
    rdd::{Chain, RecordContext, SampleRow, Samples, Views},
    task::{CancelFlag, batches::Batches, wait::wait},
};

/// Preparing a batch ahead pays if it takes more than this part of a step: what another core has written must be fetched
/// from it, and where none is free the batch is in the way of other steps.
const WORTHWHILE_PART: u32 = 5;

/// Puts the batches of a training task into the replica. While it computes on one, the next is prepared on another thread,
/// if that takes long enough.
pub(super) struct Loader {
    state: State,
    /// What the next batch is prepared in.
    spare: Option<Minibatch>,
    runtime: Handle,
    /// How long it took to prepare the last batch.
    took: Duration,
}

/// Where the batches of a training task come from: rows of a block, sent through the rest of the pipeline.
pub(super) struct Source {
    pub(super) batches: Arc<Batches>,
    pub(super) samples: Arc<Samples>,
    pub(super) feed: Chain,
    pub(super) augmentation: RecordContext,
    pub(super) seed: u64,
    pub(super) epoch: Epoch,
}

enum State {
    Here(Box<Source>),
    Away {
        step: Step,
        loading: JoinHandle<Loaded>,
    },
    /// Loading broke off by a bug.
    Lost,
}

struct Loaded {
    source: Box<Source>,
    batch: Minibatch,
    filled: Result<(), TaskError>,
    took: Duration,
}

/// A batch that was prepared ahead, and is in the spare one.
struct Prepared {
    step: Step,
    filled: Result<(), TaskError>,
}

impl Loader {
    pub(super) fn new(source: Source, runtime: Handle) -> Self {
        Self { state: State::Here(Box::new(source)), spare: None, runtime, took: Duration::ZERO }
    }

    /// Gives the replica the batch of a step, which may be prepared already.
    pub(super) fn load(
        &mut self,
        step: Step,
        replica: &mut Replica,
        cancel: &CancelFlag,
    ) -> Result<(), TaskError> {
        let into = replica.samples_mut();
        if let Some(prepared) = self.land(cancel)?
            && prepared.step == step
        {
            prepared.filled?;
            return Ok(self.spare.as_mut().map_or(Ok(()), |batch| into.swap(batch))?);
        }
        match &mut self.state {
            State::Here(source) => {
                let started = Instant::now();
                let filled = source.fill(step, into);
                self.took = started.elapsed();
                filled
            }
            State::Away { .. } | State::Lost => Err(broke_off("it is not here")),
        }
    }

    /// Whether it pays to prepare batches ahead, where a step takes so long.
    pub(super) fn pays(&self, step: Duration) -> bool {
        self.took.saturating_mul(WORTHWHILE_PART) > step
    }

    /// Begins to prepare the batch of a step.
    pub(super) fn load_ahead(&mut self, step: Step, replica: &Replica) -> Result<(), TaskError> {
        let mut batch = match self.spare.take() {
            Some(batch) => batch,
            None => Minibatch::new(replica.network(), replica.batch())?,
        };
        self.state = match std::mem::replace(&mut self.state, State::Lost) {
            State::Here(mut source) => {
                let load = move || {
                    let started = Instant::now();
                    let filled = source.fill(step, &mut batch);
                    Loaded { source, batch, filled, took: started.elapsed() }
                };
                State::Away { step, loading: self.runtime.spawn_blocking(load) }
            }
            State::Away { .. } | State::Lost => return Err(broke_off("another one was on its way")),
        };
        Ok(())
    }

    /// Prepares the batch of the step after the next one in the replica, unless one is being prepared elsewhere; tells whether
    /// it is there. What is wrong with it shows when it is loaded.
    pub(super) fn look_ahead(&mut self, step: Step, replica: &mut Replica) -> bool {
        let State::Here(source) = &mut self.state else { return false };
        let Ok(into) = replica.next_samples_mut() else { return false };
        let started = Instant::now();
        let filled = source.fill(step, into);
        self.took = started.elapsed();
        filled.is_ok()
    }

    /// Waits for the batch that is being prepared, if one is.
    fn land(&mut self, cancel: &CancelFlag) -> Result<Option<Prepared>, TaskError> {
        let State::Away { step, loading } = &mut self.state else { return Ok(None) };
        let (step, loaded) = (*step, wait(&self.runtime, cancel, loading)?);
        self.state = State::Lost;
        let Loaded { source, batch, filled, took } = loaded.map_err(|error| broke_off(&error.to_string()))?;
        self.state = State::Here(source);
        (self.spare, self.took) = (Some(batch), took);
        Ok(Some(Prepared { step, filled }))
    }
}

fn broke_off(why: &str) -> TaskError {
    TaskError::Panicked(format!("preparing a batch broke off: {why}"))
}

impl Source {
    fn fill(&mut self, step: Step, batch: &mut Minibatch) -> Result<(), TaskError> {
        for (place, row) in self.batches.rows(step).iter().enumerate() {
            let row = row_in_epoch(&self.samples, *row as usize, self.seed, self.epoch);
            let row = row.ok_or(TaskError::Missing("row of that number"))?;
            self.feed.feed(&row, &self.augmentation, batch.input_row(place)?)?;
            batch.set_label(place, row.label)?;
        }
        Ok(())
    }
}

/// The view of a picture that an epoch takes.
fn row_in_epoch(samples: &Samples, picture: usize, seed: u64, epoch: Epoch) -> Option<SampleRow<'_>> {
    let view = Views::in_epoch(samples.views(), seed, samples.key(picture)?, epoch);
    samples.row(picture, view)
}

#[cfg(test)]
mod tests {
    use howdah_proto::{Partition, settings::NetworkSettings};
    use tokio::runtime::Runtime;

    use super::*;
    use crate::{
        learn::Network,
        rdd::{Picture, PictureMeta, Record, Registry, spec_of},
        vision::{Flatten, Flip, register},
    };

    /// Ten pictures in batches of four, one of them of no class.
    fn source(bad: Option<u32>) -> Source {
        let mut samples = Samples::with_capacity(10);
        for key in 0..10u8 {
            let pixels = (0..4).map(|place| key * 10 + place).collect();
            let picture = Picture { width: 2, height: 2, channels: 1, pixels };
            let label = if bad == Some(key.into()) { 7 } else { u32::from(key % 2) };
            let meta = PictureMeta { key: key.into(), label };
            samples.push("", &[Record::Picture { meta, picture }]).unwrap();
        }
        let mut registry = Registry::new();
        register(&mut registry);
        let specs = [spec_of(&Flip { probability: 0.5 }), spec_of(&Flatten {})];
        Source {
            batches: Arc::new(Batches::new(1, Partition(0), Epoch(1), 10, 4)),
            samples: Arc::new(samples),
            feed: Chain::build(&registry, &specs).unwrap(),
            augmentation: RecordContext::augmented(1, Epoch(1)),
            seed: 1,
            epoch: Epoch(1),
        }
    }

    fn replica() -> Replica {
        Replica::new(Network::new(&NetworkSettings::default(), 4, 2).unwrap(), 4, 1).unwrap()
    }

    fn features(replica: &mut Replica, rows: usize) -> Vec<f32> {
        (0..rows).flat_map(|row| replica.samples_mut().input_row(row).unwrap().to_vec()).collect()
    }

    #[test]
    fn a_batch_that_was_prepared_ahead_is_the_one_that_would_be_prepared_when_it_is_needed() {
        let (runtime, cancel, mut replica) = (Runtime::new().unwrap(), CancelFlag::default(), replica());
        let mut at_once = Loader::new(source(None), runtime.handle().clone());
        let mut expected = Vec::new();
        for (step, rows) in [(1, 4), (2, 4), (3, 2)] {
            at_once.load(Step(step), &mut replica, &cancel).unwrap();
            expected.push(features(&mut replica, rows));
        }
        assert!(expected[0] != expected[1]);

        let mut ahead = Loader::new(source(None), runtime.handle().clone());
        // Also where an attempt goes back, so that what was prepared is of no use.
        for (step, next) in [(1, 2), (2, 3), (3, 1), (2, 3), (1, 2), (2, 3), (3, 4)] {
            ahead.load(Step(step), &mut replica, &cancel).unwrap();
            ahead.load_ahead(Step(next), &replica).unwrap();
            assert!(matches!(ahead.state, State::Away { step, .. } if step == Step(next)));
            let expected = &expected[step as usize - 1];
            assert_eq!(&features(&mut replica, expected.len() / 4), expected, "step {step}");
        }
    }

    #[test]
    fn a_batch_that_is_looked_ahead_to_is_the_one_that_would_be_prepared_when_it_is_needed() {
        let (runtime, cancel, mut replica) = (Runtime::new().unwrap(), CancelFlag::default(), replica());
        let mut loader = Loader::new(source(None), runtime.handle().clone());
        loader.load(Step(2), &mut replica, &cancel).unwrap();
        let expected = features(&mut replica, 4);
        loader.load(Step(1), &mut replica, &cancel).unwrap();
        assert!(loader.look_ahead(Step(2), &mut replica));
        replica.look_ahead(4, 0).unwrap();
        assert!(replica.advance());
        assert_eq!(features(&mut replica, 4), expected);
        loader.load_ahead(Step(3), &replica).unwrap();
        assert!(!loader.look_ahead(Step(3), &mut replica), "it is on its way elsewhere");
    }

    #[test]
    fn batches_are_prepared_ahead_if_that_takes_long_enough() {
        let runtime = Runtime::new().unwrap();
        let mut loader = Loader::new(source(None), runtime.handle().clone());
        assert!(!loader.pays(Duration::ZERO), "nothing is known yet");
        loader.took = Duration::from_millis(3);
        assert!(loader.pays(Duration::from_millis(14)) && !loader.pays(Duration::from_millis(15)));
    }

    #[test]
    fn a_picture_that_can_not_be_prepared_fails_the_step_that_wants_it_and_no_other() {
        let (runtime, cancel, mut replica) = (Runtime::new().unwrap(), CancelFlag::default(), replica());
        let bad = source(None).batches.rows(Step(2))[0];
        let mut loader = Loader::new(source(Some(bad)), runtime.handle().clone());
        for _ in 0..2 {
            loader.load(Step(1), &mut replica, &cancel).unwrap();
            loader.load_ahead(Step(2), &replica).unwrap();
            let failed = loader.load(Step(2), &mut replica, &cancel).unwrap_err();
            assert!(failed.to_string().contains("label 7"), "{failed}");
            // What nobody asks for fails nobody.
            loader.load_ahead(Step(2), &replica).unwrap();
            loader.load(Step(3), &mut replica, &cancel).unwrap();
        }
    }
}
