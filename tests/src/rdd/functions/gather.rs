//! Functions that bring values together.

use howdah_driver::rdd::{Aggregate, Combine, Failure, Function};
use serde::{Deserialize, Serialize};

/// Adds numbers to one that it begins with.
#[derive(Debug, Serialize, Deserialize)]
pub struct SumFrom(pub i64);

impl Function for SumFrom {
    const NAME: &'static str = "sum_from";
}

impl Aggregate for SumFrom {
    type Value = i64;
    type Accumulator = i64;

    fn zero(&mut self) -> Result<i64, Failure> {
        Ok(self.0)
    }

    fn add(&mut self, sum: &mut i64, number: i64) -> Result<(), Failure> {
        *sum += number;
        Ok(())
    }

    fn merge(&mut self, sum: &mut i64, other: i64) -> Result<(), Failure> {
        *sum += other;
        Ok(())
    }
}

/// Gathers numbers in a list.
#[derive(Debug, Serialize, Deserialize)]
pub struct Append;

impl Function for Append {
    const NAME: &'static str = "append";
}

impl Aggregate for Append {
    type Value = i64;
    type Accumulator = Vec<i64>;

    fn zero(&mut self) -> Result<Vec<i64>, Failure> {
        Ok(Vec::new())
    }

    fn add(&mut self, list: &mut Vec<i64>, number: i64) -> Result<(), Failure> {
        list.push(number);
        Ok(())
    }

    fn merge(&mut self, list: &mut Vec<i64>, other: Vec<i64>) -> Result<(), Failure> {
        list.extend(other);
        Ok(())
    }
}

/// Gathers how many numbers there are, and their sum.
#[derive(Debug, Serialize, Deserialize)]
pub struct Gather;

impl Function for Gather {
    const NAME: &'static str = "gather";
}

impl Combine for Gather {
    type Value = i64;
    type Combined = (u64, i64);

    fn create(&mut self, number: i64) -> Result<(u64, i64), Failure> {
        Ok((1, number))
    }

    fn add(&mut self, (count, sum): &mut (u64, i64), number: i64) -> Result<(), Failure> {
        *count += 1;
        *sum += number;
        Ok(())
    }

    fn merge(&mut self, (count, sum): &mut (u64, i64), other: (u64, i64)) -> Result<(), Failure> {
        *count += other.0;
        *sum += other.1;
        Ok(())
    }
}
