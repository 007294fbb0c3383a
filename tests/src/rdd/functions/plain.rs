//! Functions that do what their names say.

use howdah_driver::rdd::{
    Failure, Filter, FlatMap, FlatMapValues, Function, KeyBy, Map, MapPartitions, MapValues, Partition,
    Records,
};
use serde::{Deserialize, Serialize};

/// Doubles a number.
#[derive(Debug, Serialize, Deserialize)]
pub struct Double;

impl Function for Double {
    const NAME: &'static str = "double";
}

impl Map for Double {
    type Input = i64;
    type Output = i64;

    fn map(&mut self, number: i64) -> Result<i64, Failure> {
        Ok(number.wrapping_mul(2))
    }
}

/// Makes a text of so many bytes, which begins with the number.
#[derive(Debug, Serialize, Deserialize)]
pub struct Large(pub usize);

impl Function for Large {
    const NAME: &'static str = "large";
}

impl Map for Large {
    type Input = i64;
    type Output = String;

    fn map(&mut self, number: i64) -> Result<String, Failure> {
        let mut text = format!("{number} ");
        text.extend(std::iter::repeat_n('x', self.0.saturating_sub(text.len())));
        Ok(text)
    }
}

/// Makes a pair of the remainder and the number.
#[derive(Debug, Serialize, Deserialize)]
pub struct ToPair(pub i64);

impl Function for ToPair {
    const NAME: &'static str = "to_pair";
}

impl Map for ToPair {
    type Input = i64;
    type Output = (i64, i64);

    fn map(&mut self, number: i64) -> Result<(i64, i64), Failure> {
        Ok((number.rem_euclid(self.0), number))
    }
}

/// Keeps even numbers.
#[derive(Debug, Serialize, Deserialize)]
pub struct IsEven;

impl Function for IsEven {
    const NAME: &'static str = "is_even";
}

impl Filter for IsEven {
    type Record = i64;

    fn keeps(&mut self, number: &i64) -> Result<bool, Failure> {
        Ok(number % 2 == 0)
    }
}

/// Cuts a text into words.
#[derive(Debug, Serialize, Deserialize)]
pub struct Words;

impl Function for Words {
    const NAME: &'static str = "words";
}

impl FlatMap for Words {
    type Input = String;
    type Output = String;

    fn flat_map(&mut self, text: String) -> Result<impl IntoIterator<Item = String>, Failure> {
        Ok(text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }
}

/// Gives a number so many times.
#[derive(Debug, Serialize, Deserialize)]
pub struct Times(pub usize);

impl Function for Times {
    const NAME: &'static str = "times";
}

impl FlatMap for Times {
    type Input = i64;
    type Output = i64;

    fn flat_map(&mut self, number: i64) -> Result<impl IntoIterator<Item = i64>, Failure> {
        Ok(std::iter::repeat_n(number, self.0))
    }
}

/// Finds the remainder.
#[derive(Debug, Serialize, Deserialize)]
pub struct Modulo(pub i64);

impl Function for Modulo {
    const NAME: &'static str = "modulo";

    fn validate(&self) -> Result<(), String> {
        if self.0 == 0 { Err("nothing can be divided by 0".to_owned()) } else { Ok(()) }
    }
}

impl KeyBy for Modulo {
    type Record = i64;
    type Key = i64;

    fn key(&mut self, number: &i64) -> Result<i64, Failure> {
        Ok(number.rem_euclid(self.0))
    }
}

/// Finds the negative of a number.
#[derive(Debug, Serialize, Deserialize)]
pub struct Negative;

impl Function for Negative {
    const NAME: &'static str = "negative";
}

impl KeyBy for Negative {
    type Record = i64;
    type Key = i64;

    fn key(&mut self, number: &i64) -> Result<i64, Failure> {
        Ok(-number)
    }
}

/// Adds one to a value.
#[derive(Debug, Serialize, Deserialize)]
pub struct AddOne;

impl Function for AddOne {
    const NAME: &'static str = "add_one";
}

impl MapValues for AddOne {
    type Input = i64;
    type Output = i64;

    fn map_value(&mut self, value: i64) -> Result<i64, Failure> {
        Ok(value + 1)
    }
}

/// Gives a value so many times.
#[derive(Debug, Serialize, Deserialize)]
pub struct Repeat(pub usize);

impl Function for Repeat {
    const NAME: &'static str = "repeat";
}

impl FlatMapValues for Repeat {
    type Input = i64;
    type Output = i64;

    fn flat_map_value(&mut self, value: i64) -> Result<impl IntoIterator<Item = i64>, Failure> {
        Ok(std::iter::repeat_n(value, self.0))
    }
}

/// Makes pairs of the number of the partition and the record.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tagged;

impl Function for Tagged {
    const NAME: &'static str = "tagged";
}

impl MapPartitions for Tagged {
    type Input = i64;
    type Output = (u32, i64);

    fn map_partition(
        self,
        partition: Partition,
        records: Records<i64>,
    ) -> Result<impl Iterator<Item = Result<(u32, i64), Failure>> + Send + 'static, Failure> {
        Ok(records.map(move |record| Ok((partition.0, record))))
    }
}

/// Gives the first record of each partition for ever.
#[derive(Debug, Serialize, Deserialize)]
pub struct Endless;

impl Function for Endless {
    const NAME: &'static str = "endless";
}

impl MapPartitions for Endless {
    type Input = i64;
    type Output = i64;

    fn map_partition(
        self,
        _partition: Partition,
        mut records: Records<i64>,
    ) -> Result<impl Iterator<Item = Result<i64, Failure>> + Send + 'static, Failure> {
        let first = records.next();
        Ok(std::iter::repeat_with(move || first).map_while(|first| first.map(Ok)))
    }
}
