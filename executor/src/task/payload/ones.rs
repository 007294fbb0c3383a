use super::Payload;
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

    fn take(&mut self, _weights: &[f32], steps: u64, payload: &mut Vec<f32>) {
        payload.fill(steps as f32);
    }

    fn merge(&mut self, _weights: &mut [f32], _pulled: Option<&[f32]>, _payload: &[f32]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_pushes_the_number_of_steps() {
        let mut payload = vec![9.0; 3];
        Ones.take(&[0.0; 3], 4, &mut payload);
        assert_eq!(payload, [4.0; 3]);
    }
}
