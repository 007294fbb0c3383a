//! What a replica gathers between two pushes, one file for each kind.

mod deltas;
mod gradients;
mod ones;
mod weights;

use howdah_paramserver::{client::Draft, codec::Source};
use howdah_proto::settings::{Course, TrainSettings, UpdateRule, Updates};

use crate::learn::{LearnError, Network, Replica};
use deltas::{Deltas, Interval, Scale};
use gradients::Gradients;
use ones::Ones;
use weights::Weights;

/// The push that ends with a step.
pub(super) struct Push<'a> {
    /// The steps that it carries.
    pub(super) steps: u64,
    /// The weights that were pulled meanwhile.
    pub(super) pulled: Option<Source<'a>>,
    /// Where what was gathered is written.
    pub(super) payload: Draft<'a>,
}

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
    fn start(&mut self, weights: &mut [f32], pulled: Source<'_>) {
        pulled.copy_to(weights);
        self.begin(weights);
    }

    /// Gathers anew, from weights that hold everything that was pushed.
    fn begin(&mut self, weights: &[f32]);

    /// Takes in the gradient of a step, at the learning rate times `factor`.
    ///
    /// # Errors
    /// [`LearnError`] if the gradient can't be computed.
    fn step(&mut self, replica: &mut Replica, factor: f32) -> Result<(), LearnError>;

    /// Takes in the gradient of the last step before a push, writes what was gathered as the payload, and goes
    /// on from the weights that were pulled, if any were: they hold every payload but this one.
    ///
    /// # Errors
    /// [`LearnError`] if the gradient can't be computed.
    fn close(&mut self, replica: &mut Replica, factor: f32, push: Push<'_>) -> Result<(), LearnError>;

    /// Goes on from weights that were pulled after the payload just written was pushed.
    fn resume(&mut self, weights: &mut [f32], pulled: Source<'_>) {
        pulled.copy_to(weights);
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
                let (share, steps) = match settings.mode.course() {
                    Course::Stream { interval } => (1.0 / replicas.max(1) as f32, interval),
                    Course::Rounds { steps, .. } => (1.0, steps),
                };
                let sign = if settings.rule.descends() { -1.0 } else { 1.0 };
                Box::new(Deltas::new(optimizer, network, Scale { share, sign }, Interval::of(steps)))
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
    replica.samples_mut().input_row(0).unwrap().copy_from_slice(&[1.0, 2.0]);
    replica.samples_mut().set_label(0, 1).unwrap();
    replica
}
