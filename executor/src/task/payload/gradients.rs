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

    fn close(&mut self, replica: &mut Replica, factor: f32, mut push: Push<'_>) -> Result<(), LearnError> {
        self.step(replica, factor)?;
        push.payload.put_all(&mut self.sum);
        self.sum.fill(0.0);
        if let Some(pulled) = push.pulled {
            pulled.copy_to(replica.weights_mut());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use howdah_paramserver::{client::Draft, codec::Source};

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
        let pulled = Some(Source::Plain(&[1.0, 2.0, 3.0]));
        let push = Push { steps: 2, pulled, payload: Draft::plain(&mut payload) };
        gradients.close(&mut replica, 1.0, push).unwrap();
        assert_eq!((payload.as_slice(), replica.weights()), (&[-1.0, -2.0, -1.0][..], &[1.0, 2.0, 3.0][..]));
        assert_eq!(gradients.sum, [0.0; 3]);
    }
}
