use super::{Payload, Push};
use crate::learn::{LearnError, Replica};

/// The number of steps, for every weight.
pub(super) struct Ones;

impl Payload for Ones {
    fn learns(&self) -> bool {
        false
    }

    fn begin(&mut self, _weights: &[f32]) {}

    fn step(&mut self, _replica: &mut Replica, _factor: f32) -> Result<(), LearnError> {
        Ok(())
    }

    fn close(&mut self, _replica: &mut Replica, _factor: f32, mut push: Push<'_>) -> Result<(), LearnError> {
        push.payload.fill(push.steps as f32);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use howdah_paramserver::client::Draft;

    use super::{super::replica, *};

    #[test]
    fn counting_pushes_the_number_of_steps() {
        let mut payload = vec![9.0; 3];
        let push = Push { steps: 4, pulled: None, payload: Draft::plain(&mut payload) };
        Ones.close(&mut replica(), 1.0, push).unwrap();
        assert_eq!(payload, [4.0; 3]);
    }
}
