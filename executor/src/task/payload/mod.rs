//! What a replica gathers between two pushes, one file for each kind.

mod deltas;
mod gradients;
mod ones;
mod weights;

use howdah_proto::settings::{Course, TrainSettings, UpdateRule, Updates};

use crate::learn::{LearnError, Network, Replica};
use deltas::Deltas;
use gradients::Gradients;
use ones::Ones;
use weights::Weights;

/// What a replica gathers between two pushes, and how it goes on after one.
pub(super) trait Payload: Send {
    /// Whether a step computes a gradient.
    fn learns(&self) -> bool {
        true
    }

    /// Whether pushes of it are added up, so that what one of them lacks can come with the next.
    fn adds_up(&self) -> bool {
        true
    }

    /// Forgets what steps of earlier tasks have left behind.
    fn reset(&mut self) {}

    /// Starts a task from the shards' weights.
    fn start(&mut self, weights: &mut [f32], pulled: &[f32]) {
        weights.copy_from_slice(pulled);
        self.begin(weights);
    }

    /// Gathers anew, from weights that hold everything that was pushed.
    fn begin(&mut self, weights: &[f32]);

    /// Takes in the gradient of a step, at the learning rate times `factor`.
    ///
    /// # Errors
    /// [`LearnError`] if the gradient can't be computed.
    fn step(&mut self, replica: &mut Replica, factor: f32) -> Result<(), LearnError>;

    /// Writes what was gathered over `steps` steps in the place of an old payload.
    fn take(&mut self, weights: &[f32], steps: u64, payload: &mut Vec<f32>);

    /// Goes on from the weights that were pulled, if any were: they hold every payload but the one just taken.
    fn merge(&mut self, weights: &mut [f32], pulled: Option<&[f32]>, payload: &[f32]);

    /// Takes what was gathered and goes on, in one pass where that can be.
    fn take_and_merge(
        &mut self,
        weights: &mut [f32],
        pulled: Option<&[f32]>,
        steps: u64,
        payload: &mut Vec<f32>,
    ) {
        self.take(weights, steps, payload);
        self.merge(weights, pulled, payload);
    }

    /// Goes on from weights that were pulled after the payload just taken was pushed.
    fn resume(&mut self, weights: &mut [f32], pulled: &[f32]) {
        weights.copy_from_slice(pulled);
        self.begin(weights);
    }

    /// Ends a task.
    fn finish(&mut self, weights: &[f32]) {
        let _ = weights;
    }
}

impl dyn Payload {
    /// Makes what the settings ask for, for one of so many replicas.
    ///
    /// What replicas do at the same time points the same way, and would be one step of several times the length if
    /// it were added up; so it is averaged (McMahan et al. 2017). In rounds the shards do that.
    pub(super) fn of(settings: &TrainSettings, network: &Network, replicas: u32) -> Box<Self> {
        match &settings.updates {
            Updates::Deltas { optimizer } => {
                let share = match settings.mode.course() {
                    Course::Stream { .. } => 1.0 / replicas.max(1) as f32,
                    Course::Rounds { .. } => 1.0,
                };
                let sign = if settings.rule.descends() { -1.0 } else { 1.0 };
                Box::new(Deltas::new(optimizer, network, share, sign))
            }
            Updates::Weights { optimizer } => {
                let rate = match settings.rule {
                    UpdateRule::Elastic { rate } => rate,
                    _ => 0.0,
                };
                Box::new(Weights::new(optimizer, network, rate))
            }
            Updates::Gradients => Box::new(Gradients::new(network.parameters())),
            Updates::Ones => Box::new(Ones),
        }
    }
}

/// A replica of two weights and a bias, all 0, with one sample.
#[cfg(test)]
fn replica() -> Replica {
    let settings = howdah_proto::settings::NetworkSettings::default();
    let mut replica = Replica::new(Network::new(&settings, 2, 2).unwrap(), 1, 1).unwrap();
    replica.input_row(0).unwrap().copy_from_slice(&[1.0, 2.0]);
    replica.set_label(0, 1).unwrap();
    replica
}
