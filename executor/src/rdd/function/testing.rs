//! Functions for tests, one of each kind.

use howdah_proto::Partition;
use serde::{Deserialize, Serialize};

use super::{
    Aggregate, Combine, Failure, Filter, FlatMap, FlatMapValues, ForEach, Function, KeyBy, Map,
    MapPartitions, MapValues, Records,
};
use crate::rdd::{
    Registry,
    scope::{Accumulator, AccumulatorId},
};

macro_rules! functions {
    ($($name:ident = $text:literal;)*) => {$(
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub(crate) struct $name {}

        impl Function for $name {
            const NAME: &'static str = $text;
        }
    )*};
}

functions! {
    Even = "even";
    Repeat = "repeat";
    LastDigit = "last_digit";
    Negate = "negate";
    UpTo = "up_to";
    Total = "total";
    Average = "average";
    Gather = "gather";
    Visit = "visit";
}

/// Adds a number, and fails at 13 million.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Add {
    pub(crate) number: i64,
}

impl Function for Add {
    const NAME: &'static str = "add";
}

impl Map for Add {
    type Input = i64;
    type Output = i64;

    fn map(&mut self, input: i64) -> Result<i64, Failure> {
        if input == 13_000_000 { Err("this is no good number".into()) } else { Ok(input + self.number) }
    }
}

impl Filter for Even {
    type Record = i64;

    fn keeps(&mut self, record: &i64) -> Result<bool, Failure> {
        Ok(record % 2 == 0)
    }
}

impl FlatMap for Repeat {
    type Input = i64;
    type Output = i64;

    fn flat_map(&mut self, input: i64) -> Result<impl IntoIterator<Item = i64>, Failure> {
        Ok((0..input % 4).map(move |_| input))
    }
}

impl KeyBy for LastDigit {
    type Record = i64;
    type Key = String;

    fn key(&mut self, record: &i64) -> Result<String, Failure> {
        Ok((record % 10).to_string())
    }
}

impl MapValues for Negate {
    type Input = i64;
    type Output = i64;

    fn map_value(&mut self, value: i64) -> Result<i64, Failure> {
        Ok(-value)
    }
}

impl FlatMapValues for UpTo {
    type Input = i64;
    type Output = u8;

    fn flat_map_value(&mut self, value: i64) -> Result<impl IntoIterator<Item = u8>, Failure> {
        Ok(0..(-value) as u8)
    }
}

impl MapPartitions for Total {
    type Input = i64;
    type Output = i64;

    fn map_partition(
        self,
        partition: Partition,
        records: Records<i64>,
    ) -> Result<impl Iterator<Item = Result<i64, Failure>> + Send + 'static, Failure> {
        let first = std::iter::once(Ok(i64::from(partition.0)));
        Ok(first.chain(std::iter::once_with(|| Ok(records.sum()))))
    }
}

impl Aggregate for Average {
    type Value = i64;
    type Accumulator = (i64, u64);

    fn zero(&mut self) -> Result<(i64, u64), Failure> {
        Ok((0, 0))
    }

    fn add(&mut self, accumulator: &mut (i64, u64), value: i64) -> Result<(), Failure> {
        *accumulator = (accumulator.0 + value, accumulator.1 + 1);
        Ok(())
    }

    fn merge(&mut self, accumulator: &mut (i64, u64), other: (i64, u64)) -> Result<(), Failure> {
        *accumulator = (accumulator.0 + other.0, accumulator.1 + other.1);
        Ok(())
    }
}

impl Combine for Gather {
    type Value = i64;
    type Combined = Vec<i64>;

    fn create(&mut self, value: i64) -> Result<Vec<i64>, Failure> {
        Ok(vec![value])
    }

    fn add(&mut self, combined: &mut Vec<i64>, value: i64) -> Result<(), Failure> {
        combined.push(value);
        Ok(())
    }

    fn merge(&mut self, combined: &mut Vec<i64>, other: Vec<i64>) -> Result<(), Failure> {
        combined.extend(other);
        Ok(())
    }
}

/// The accumulator that [`Visit`] adds to.
pub(crate) const VISITED: AccumulatorId = AccumulatorId(1);

impl ForEach for Visit {
    type Record = i64;

    fn for_each(&mut self, record: i64) -> Result<(), Failure> {
        Accumulator::<i64>::new(VISITED).add(record);
        Ok(())
    }
}

/// A registry with all of them.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.map::<Add>().filter::<Even>().flat_map::<Repeat>().key_by::<LastDigit>();
    registry.map_values::<Negate>().flat_map_values::<UpTo>().map_partitions::<Total>();
    registry.aggregate::<Average>().combine::<Gather>().for_each::<Visit>();
    registry
}
