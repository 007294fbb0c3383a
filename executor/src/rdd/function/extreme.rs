use std::{cmp::Ordering, marker::PhantomData};

use serde::{Deserialize, Serialize};

use super::{Failure, Function, Number, Reduce};

/// Finds the smallest of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Min<N> {
    #[serde(skip)]
    of: PhantomData<fn() -> N>,
}

/// Finds the largest of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Max<N> {
    #[serde(skip)]
    of: PhantomData<fn() -> N>,
}

impl<N: Number> Function for Min<N> {
    const NAME: &'static str = N::NAMES.min;
}

impl<N: Number> Function for Max<N> {
    const NAME: &'static str = N::NAMES.max;
}

impl<N: Number> Reduce for Min<N> {
    type Value = N;

    fn reduce(&mut self, left: N, right: N) -> Result<N, Failure> {
        Ok(if left.order(&right) == Ordering::Greater { right } else { left })
    }
}

impl<N: Number> Reduce for Max<N> {
    type Value = N;

    fn reduce(&mut self, left: N, right: N) -> Result<N, Failure> {
        Ok(if left.order(&right) == Ordering::Less { right } else { left })
    }
}
