use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::{Failure, Function, Number, Reduce};

/// Adds numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Sum<N> {
    #[serde(skip)]
    of: PhantomData<fn() -> N>,
}

impl<N: Number> Function for Sum<N> {
    const NAME: &'static str = N::NAMES.sum;
}

impl<N: Number> Reduce for Sum<N> {
    type Value = N;

    fn reduce(&mut self, left: N, right: N) -> Result<N, Failure> {
        left.add(right).ok_or_else(|| {
            Failure::fatal(format!("the sum doesn't fit {}: use a wider type", N::NAMES.number))
        })
    }
}
