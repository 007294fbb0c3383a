use super::Payload;
use crate::learn::{LearnError, Replica};

/// The sum of the gradients of steps that were all taken at the weights of the last pull.
pub(super) struct Gradients {
    sum: Vec<f32>,
}

impl Gradients {
    pub(super) fn new(parameters: usize) -> Self {
        Self { sum: vec![0.0; parameters] }
    }
}

impl Payload for Gradients {
    fn begin(&mut self, _weights: &[f32]) {
        self.sum.fill(0.0);
    }

    fn step(&mut self, replica: &mut Replica, _factor: f32) -> Result<(), LearnError> {
        for (sum, gradient) in self.sum.iter_mut().zip(replica.gradient()?) {
            *sum += gradient;
        }
        Ok(())
    }

    fn take(&mut self, _weights: &[f32], _steps: u64, payload: &mut Vec<f32>) {
        std::mem::swap(&mut self.sum, payload);
        self.sum.fill(0.0);
    }

    fn merge(&mut self, weights: &mut [f32], pulled: Option<&[f32]>, _payload: &[f32]) {
        if let Some(pulled) = pulled {
            weights.copy_from_slice(pulled);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::replica, *};

    #[test]
    fn gradients_for_the_server_add_up_and_leave_the_weights_alone() {
        let mut gradients = Gradients::new(3);
        let mut replica = replica();
        let mut payload = vec![9.0; 3];
        gradients.begin(replica.weights());
        for _ in 0..2 {
            replica.step(1, 0).unwrap();
            gradients.step(&mut replica, 1.0).unwrap();
        }
        gradients.take(replica.weights(), 2, &mut payload);
        assert_eq!((payload.as_slice(), replica.weights()), (&[-1.0, -2.0, -1.0][..], &[0.0; 3][..]));
        gradients.merge(replica.weights_mut(), Some(&[1.0, 2.0, 3.0]), &payload);
        gradients.take(replica.weights(), 0, &mut payload);
        assert_eq!((payload.as_slice(), replica.weights()), (&[0.0; 3][..], &[1.0, 2.0, 3.0][..]));
    }
}
