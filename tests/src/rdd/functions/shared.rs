//! Functions that use accumulators and broadcast values.

use howdah_driver::rdd::{Accumulator, Broadcast, Failure, ForEach, Function, Map};
use serde::{Deserialize, Serialize};

/// Adds each number to an accumulator, and gives it on.
#[derive(Debug, Serialize, Deserialize)]
pub struct Adds(pub Accumulator<i64>);

impl Function for Adds {
    const NAME: &'static str = "adds";
}

impl Map for Adds {
    type Input = i64;
    type Output = i64;

    fn map(&mut self, number: i64) -> Result<i64, Failure> {
        self.0.add(number);
        Ok(number)
    }
}

/// Adds each number to an accumulator.
#[derive(Debug, Serialize, Deserialize)]
pub struct AddsEach(pub Accumulator<i64>);

impl Function for AddsEach {
    const NAME: &'static str = "adds_each";
}

impl ForEach for AddsEach {
    type Record = i64;

    fn for_each(&mut self, number: i64) -> Result<(), Failure> {
        self.0.add(number);
        Ok(())
    }
}

/// Finds the word at a number's place in a list that was broadcast, over and over.
#[derive(Debug, Serialize, Deserialize)]
pub struct LooksUp(pub Broadcast<Vec<String>>);

impl Function for LooksUp {
    const NAME: &'static str = "looks_up";
}

impl Map for LooksUp {
    type Input = i64;
    type Output = String;

    fn map(&mut self, number: i64) -> Result<String, Failure> {
        let words = self.0.value()?;
        let place = usize::try_from(number).unwrap_or_default() % words.len().max(1);
        words.get(place).cloned().ok_or_else(|| Failure::fatal("there is no word"))
    }
}
