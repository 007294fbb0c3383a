use super::{Payload, Push};
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

    fn close(&mut self, replica: &mut Replica, factor: f32, push: Push<'_>) -> Result<(), LearnError> {
        self.step(replica, factor)?;
        std::mem::swap(&mut self.sum, push.payload);
        self.sum.fill(0.0);
        if let Some(pulled) = push.pulled {
            replica.weights_mut().copy_from_slice(pulled);
        }
        Ok(())
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
        replica.step(1, 0).unwrap();
        gradients.step(&mut replica, 1.0).unwrap();
        replica.step(1, 0).unwrap();
        let push = Push { steps: 2, pulled: Some(&[1.0, 2.0, 3.0]), payload: &mut payload };
        gradients.close(&mut replica, 1.0, push).unwrap();
        assert_eq!((payload.as_slice(), replica.weights()), (&[-1.0, -2.0, -1.0][..], &[1.0, 2.0, 3.0][..]));
        assert_eq!(gradients.sum, [0.0; 3]);
    }
}
