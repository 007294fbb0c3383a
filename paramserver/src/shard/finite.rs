//! Whether values are finite: neither infinite nor NaN.

use super::ShardError;

/// Values that are looked at without an early exit, which makes vector instructions of it.
const BLOCK: usize = 4_096;

/// What is known of the values of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finite {
    /// All of them are.
    Known,
    /// Nothing is known yet.
    Unknown,
}

/// A look at values while they come in and are in the caches.
#[derive(Debug, Clone, Copy)]
pub struct Scan {
    seen: Finite,
}

impl Default for Scan {
    fn default() -> Self {
        Self { seen: Finite::Known }
    }
}

impl Scan {
    /// Looks at some of the values.
    pub fn look(&mut self, values: &[f32]) {
        if !are_finite(values) {
            self.seen = Finite::Unknown;
        }
    }

    /// What is known when all of them have been looked at. Where one isn't finite, whoever needs to say which looks again.
    pub fn known(self) -> Finite {
        self.seen
    }
}

fn are_finite(values: &[f32]) -> bool {
    let block = |block: &[f32]| block.iter().fold(true, |good, value| good & value.is_finite());
    values.chunks(BLOCK).all(block)
}

/// Checks values of which nothing is known.
pub(super) fn check_finite(values: &[f32]) -> Result<(), ShardError> {
    if are_finite(values) {
        return Ok(());
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(ShardError::NotFinite { index, value: values[index] }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_that_is_not_finite_is_seen_wherever_it_comes() {
        let mut scan = Scan::default();
        scan.look(&[1.0; 5000]);
        assert_eq!(scan.known(), Finite::Known);
        scan.look(&[2.0, f32::NAN]);
        scan.look(&[3.0]);
        assert_eq!(scan.known(), Finite::Unknown);
    }
}
