use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::check;
use crate::{WireError, fence::Fence};

/// How the learning rate goes through a training. All of them are factors of the rate that was set.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "snake_case", deny_unknown_fields)]
pub enum RateShape {
    /// It stays.
    #[default]
    Constant,
    /// It falls to a share of what it was, again and again.
    Step {
        /// After so many epochs, at least 1.
        every_epochs: u32,
        /// To this share, above 0 and at most 1.
        share: f32,
    },
    /// It falls to 0 along half a cosine (Loshchilov and Hutter 2017, "SGDR", equation 5, without restarts).
    Cosine,
    /// It rises from 1/25 along half a cosine, and falls to next to nothing along another one (Smith and Topin 2017,
    /// "Super-convergence"; with the constants of PyTorch's `OneCycleLR`).
    OneCycle {
        /// The share of the training in which it rises, above 0 and below 1.
        rise: f32,
    },
}

/// The learning rate as a function of how much of the training is done.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Its shape.
    pub shape: RateShape,
    /// The share of the training in which the rate rises evenly to what the shape says, from 0 to below 1 (Goyal et al.
    /// 2017, section 2.2).
    #[serde(default)]
    pub warm_up: f32,
}

/// How far a training is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Epochs that are done, with the part of the one that is under way.
    pub done: f64,
    /// Epochs in all.
    pub epochs: u32,
}

/// Where one-cycle begins, as a share of its peak.
const CYCLE_START: f64 = 1.0 / 25.0;
/// Where it ends, as a share of where it began.
const CYCLE_END: f64 = 1e-4;

impl Progress {
    /// How far it is before the step `step`, counted from 1, of the `steps` of epoch `epoch`, counted from 1.
    pub fn before(epoch: u32, step: u64, steps: u64, epochs: u32) -> Self {
        let part = (step.saturating_sub(1) as f64 / steps.max(1) as f64).min(1.0);
        Self { done: f64::from(epoch.saturating_sub(1)) + part, epochs }
    }

    /// The share of the whole that is done, from 0 to 1.
    fn share(self) -> f64 {
        (self.done / f64::from(self.epochs.max(1))).clamp(0.0, 1.0)
    }
}

impl Schedule {
    /// What the learning rate is multiplied with: a function of the progress alone, so that every attempt at a step
    /// takes it at the same rate.
    pub fn factor(&self, progress: Progress) -> f32 {
        let share = progress.share();
        let shape = match self.shape {
            RateShape::Constant => 1.0,
            RateShape::Step { every_epochs, share } => {
                f64::from(share).powf((progress.done / f64::from(every_epochs.max(1))).floor())
            }
            RateShape::Cosine => between(1.0, 0.0, share),
            RateShape::OneCycle { rise } => {
                let rise = f64::from(rise);
                if share < rise {
                    between(CYCLE_START, 1.0, share / rise)
                } else {
                    between(1.0, CYCLE_START * CYCLE_END, (share - rise) / (1.0 - rise))
                }
            }
        };
        let warm = f64::from(self.warm_up);
        let warming = if share < warm { share / warm } else { 1.0 };
        (shape * warming) as f32
    }

    pub(super) fn validate(&self) -> Result<(), WireError> {
        check((0.0..1.0).contains(&self.warm_up), "warm_up", "it must be at least 0 and below 1")?;
        match self.shape {
            RateShape::Constant | RateShape::Cosine => Ok(()),
            RateShape::Step { every_epochs, share } => {
                check(every_epochs >= 1, "rate_step_epochs", "at least 1 is needed")?;
                check(share > 0.0 && share <= 1.0, "rate_step", "it must be above 0 and at most 1")
            }
            RateShape::OneCycle { rise } => {
                check(rise > 0.0 && rise < 1.0, "rise", "it must be above 0 and below 1")
            }
        }
    }
}

/// The value at `share` of half a cosine from `from` to `to`.
fn between(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * (1.0 + (PI * share).cos()) / 2.0
}

/// The schedule of a job, for a shard that follows gradients: the fence of a push says how far the training is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// The schedule.
    pub schedule: Schedule,
    /// Epochs in all.
    pub epochs: u32,
    /// Steps that a partition takes in an epoch, about.
    pub steps: u64,
}

impl Pace {
    /// The rate that was set, from beginning to end.
    pub const CONSTANT: Self =
        Self { schedule: Schedule { shape: RateShape::Constant, warm_up: 0.0 }, epochs: 0, steps: 0 };

    /// What the learning rate is multiplied with for a push.
    pub fn factor(&self, fence: &Fence) -> f32 {
        let (epoch, first) = (fence.task().epoch.0, fence.first().0);
        self.schedule.factor(Progress::before(epoch, first, self.steps, self.epochs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(schedule: Schedule) -> Vec<f32> {
        (0..=20).map(|done| schedule.factor(Progress { done: f64::from(done) / 2.0, epochs: 10 })).collect()
    }

    fn of(shape: RateShape) -> Schedule {
        Schedule { shape, warm_up: 0.0 }
    }

    #[test]
    fn a_constant_rate_stays_and_a_cosine_falls_to_nothing() {
        assert!(factors(of(RateShape::Constant)).iter().all(|factor| *factor == 1.0));
        let cosine = factors(of(RateShape::Cosine));
        assert_eq!((cosine[0], cosine[10]), (1.0, 0.5));
        assert!(cosine[20].abs() < 1e-6 && cosine.windows(2).all(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn steps_come_after_so_many_epochs() {
        let steps = factors(of(RateShape::Step { every_epochs: 3, share: 0.1 }));
        for (half_epochs, expected) in [(0, 1.0), (5, 1.0), (6, 0.1), (11, 0.1), (12, 0.01), (18, 0.001)] {
            assert!((steps[half_epochs] - expected).abs() < 1e-6, "{half_epochs}: {}", steps[half_epochs]);
        }
    }

    #[test]
    fn one_cycle_rises_to_its_peak_and_falls_further_than_it_began() {
        let cycle = factors(of(RateShape::OneCycle { rise: 0.25 }));
        assert!((cycle[0] - 0.04).abs() < 1e-6 && (cycle[5] - 1.0).abs() < 1e-6);
        assert!(cycle[20] > 0.0 && (cycle[20] - 4e-6).abs() < 1e-7, "{}", cycle[20]);
        assert!(cycle[..=5].windows(2).all(|pair| pair[0] < pair[1]));
        assert!(cycle[5..].windows(2).all(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn a_warm_up_rises_evenly_into_any_shape() {
        let warm = factors(Schedule { shape: RateShape::Constant, warm_up: 0.5 });
        assert_eq!((warm[0], warm[5], warm[10], warm[20]), (0.0, 0.5, 1.0, 1.0));
    }

    #[test]
    fn progress_counts_the_steps_of_the_epoch_under_way() {
        let progress = |epoch, step| Progress::before(epoch, step, 10, 4).done;
        assert_eq!((progress(1, 1), progress(1, 6), progress(4, 1)), (0.0, 0.5, 3.0));
        // A partition may turn out to have more steps than were planned.
        assert_eq!(progress(2, 99), 2.0);
    }

    #[test]
    fn schedules_that_make_no_sense_are_refused() {
        for shape in [
            RateShape::Step { every_epochs: 0, share: 0.5 },
            RateShape::Step { every_epochs: 1, share: 0.0 },
            RateShape::OneCycle { rise: 1.0 },
            RateShape::OneCycle { rise: f32::NAN },
        ] {
            assert!(of(shape).validate().is_err(), "{shape:?}");
        }
        assert!(Schedule { shape: RateShape::Cosine, warm_up: 1.0 }.validate().is_err());
        assert!(of(RateShape::OneCycle { rise: 0.3 }).validate().is_ok());
    }

    #[test]
    fn a_schedule_is_read_as_it_was_written() {
        let schedule = Schedule { shape: RateShape::OneCycle { rise: 0.25 }, warm_up: 0.0 };
        let json = serde_json::to_string(&schedule).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), schedule);
    }
}
