use howdah_proto::settings::Updates;

use crate::learn::{Replica, ReplicaOptimizer};

/// What a replica gathers between two pushes.
pub(super) enum Gathered {
    /// The replica's share of its own updates: of the weights now, less the weights at the last push.
    Updates { optimizer: Box<dyn ReplicaOptimizer>, base: Vec<f32>, share: f32 },
    /// The sum of the gradients, all taken at the weights of the last pull.
    Gradients { sum: Vec<f32> },
    /// Nothing but the number of steps.
    Steps,
}

impl Gathered {
    /// Starts a replica, one of so many. What replicas do at the same time points the same way, and would be one
    /// step of several times the length if it were added up; so it is averaged (McMahan et al. 2017).
    pub(super) fn new(updates: &Updates, parameters: usize, replicas: u32) -> Self {
        match updates {
            Updates::AtReplica(optimizer) => Self::Updates {
                optimizer: <dyn ReplicaOptimizer>::of(optimizer, parameters),
                base: vec![0.0; parameters],
                share: 1.0 / replicas.max(1) as f32,
            },
            Updates::AtServer(_) => Self::Gradients { sum: vec![0.0; parameters] },
            Updates::Count => Self::Steps,
        }
    }

    /// Whether a step computes a gradient.
    pub(super) fn learns(&self) -> bool {
        !matches!(self, Self::Steps)
    }

    /// Starts anew from the weights that were pulled.
    pub(super) fn begin(&mut self, weights: &[f32]) {
        match self {
            Self::Updates { base, .. } => base.copy_from_slice(weights),
            Self::Gradients { sum } => sum.fill(0.0),
            Self::Steps => {}
        }
    }

    /// Takes in the gradient of a step.
    pub(super) fn step(&mut self, replica: &mut Replica) {
        match self {
            Self::Updates { optimizer, .. } => replica.update(optimizer.as_mut()),
            Self::Gradients { sum } => {
                for (sum, gradient) in sum.iter_mut().zip(replica.gradient()) {
                    *sum += gradient;
                }
            }
            Self::Steps => {}
        }
    }

    /// Turns what was gathered over `steps` steps into a payload, in the place of an old one.
    pub(super) fn take(&mut self, weights: &[f32], steps: u64, payload: &mut Vec<f32>) {
        match self {
            Self::Updates { base, share, .. } => {
                for (base, weight) in base.iter_mut().zip(weights) {
                    *base = *share * (weight - *base);
                }
                std::mem::swap(base, payload);
            }
            Self::Gradients { sum } => {
                std::mem::swap(sum, payload);
                sum.fill(0.0);
            }
            Self::Steps => payload.fill(steps as f32),
        }
    }

    /// Goes on from the weights that were pulled, if any were: they hold every payload but the one just taken.
    pub(super) fn merge(&mut self, weights: &mut [f32], pulled: Option<&[f32]>, payload: &[f32]) {
        match (self, pulled) {
            (Self::Updates { base, .. }, None) => base.copy_from_slice(weights),
            (Self::Updates { base, .. }, Some(pulled)) => {
                for (((weight, base), pulled), update) in
                    weights.iter_mut().zip(base.iter_mut()).zip(pulled).zip(payload)
                {
                    *weight = pulled + update;
                    *base = *weight;
                }
            }
            (Self::Gradients { .. }, Some(pulled)) => weights.copy_from_slice(pulled),
            (Self::Gradients { .. }, None) | (Self::Steps, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::settings::{NetworkSettings, Optimizer, UpdateRule};

    use super::*;
    use crate::learn::Network;

    fn replica() -> Replica {
        let settings = NetworkSettings { hidden: vec![], dropout: 0.0 };
        let mut replica = Replica::new(Network::new(&settings, 2, 2).unwrap(), 1, 1).unwrap();
        replica.input_row(0).unwrap().copy_from_slice(&[1.0, 2.0]);
        replica.set_label(0, 1).unwrap();
        replica
    }

    #[test]
    fn updates_of_the_replica_are_what_its_weights_moved_by_and_a_pull_does_not_count_them_twice() {
        let mut gathered = Gathered::new(&Updates::AtReplica(Optimizer::Sgd { learning_rate: 1.0 }), 3, 1);
        let mut replica = replica();
        let mut payload = vec![9.0; 3];
        gathered.begin(replica.weights());
        replica.step(1, 0).unwrap();
        gathered.step(&mut replica);
        gathered.take(replica.weights(), 1, &mut payload);
        // The slope of the loss at a logit of 0 is -1/2.
        assert_eq!(payload, [0.5, 1.0, 0.5]);
        gathered.merge(replica.weights_mut(), Some(&[10.0, 10.0, 10.0]), &payload);
        assert_eq!(replica.weights(), [10.5, 11.0, 10.5]);
        gathered.take(replica.weights(), 1, &mut payload);
        assert_eq!(payload, [0.0; 3]);
    }

    #[test]
    fn gradients_for_the_server_add_up_and_leave_the_weights_alone() {
        let mut gathered = Gathered::new(&Updates::AtServer(UpdateRule::Sgd { learning_rate: 1.0 }), 3, 1);
        let mut replica = replica();
        let mut payload = vec![9.0; 3];
        gathered.begin(replica.weights());
        for _ in 0..2 {
            replica.step(1, 0).unwrap();
            gathered.step(&mut replica);
        }
        gathered.take(replica.weights(), 2, &mut payload);
        assert_eq!((payload.as_slice(), replica.weights()), (&[-1.0, -2.0, -1.0][..], &[0.0; 3][..]));
        gathered.merge(replica.weights_mut(), Some(&[1.0, 2.0, 3.0]), &payload);
        gathered.take(replica.weights(), 0, &mut payload);
        assert_eq!((payload.as_slice(), replica.weights()), (&[0.0; 3][..], &[1.0, 2.0, 3.0][..]));
    }

    #[test]
    fn counting_pushes_the_number_of_steps() {
        let mut payload = vec![9.0; 3];
        Gathered::new(&Updates::Count, 3, 1).take(&[0.0; 3], 4, &mut payload);
        assert_eq!(payload, [4.0; 3]);
    }
}
