use std::cmp::Ordering;

use howdah_proto::pb::accumulator_update::Value;

use super::Data;

/// The names that the built-in functions of a number type are registered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberNames {
    /// Of [`Sum`](super::Sum).
    pub sum: &'static str,
    /// Of [`Min`](super::Min).
    pub min: &'static str,
    /// Of [`Max`](super::Max).
    pub max: &'static str,
    /// Of the type itself.
    pub number: &'static str,
}

/// A type of numbers that can be added and compared without a user's function.
pub trait Number: Data + Copy + Default + Sync {
    /// What its functions are called.
    const NAMES: NumberNames;

    /// Adds; none if the sum doesn't fit.
    fn add(self, other: Self) -> Option<Self>;

    /// Compares; floats in their total order.
    fn order(&self, other: &Self) -> Ordering;

    /// Widens for an accumulator.
    fn widen(self) -> Widened;
}

/// A number of any type, as wide as there is.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Widened {
    /// A count.
    Unsigned(u64),
    /// An integer.
    Signed(i64),
    /// A float.
    Float(f64),
}

impl From<Value> for Widened {
    fn from(value: Value) -> Self {
        match value {
            Value::Unsigned(number) => Self::Unsigned(number),
            Value::Signed(number) => Self::Signed(number),
            Value::Float(number) => Self::Float(number),
        }
    }
}

impl From<Widened> for Value {
    fn from(number: Widened) -> Self {
        match number {
            Widened::Unsigned(number) => Self::Unsigned(number),
            Widened::Signed(number) => Self::Signed(number),
            Widened::Float(number) => Self::Float(number),
        }
    }
}

impl std::fmt::Display for Widened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unsigned(number) => number.fmt(f),
            Self::Signed(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
        }
    }
}

impl Widened {
    /// Adds a number of the same type: integers stop at the largest and smallest there are. One of another type
    /// changes nothing, since it can't belong to the same accumulator.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unsigned(a), Self::Unsigned(b)) => Self::Unsigned(a.saturating_add(b)),
            (Self::Signed(a), Self::Signed(b)) => Self::Signed(a.saturating_add(b)),
            (Self::Float(a), Self::Float(b)) => Self::Float(a + b),
            (own, _) => own,
        }
    }
}

macro_rules! numbers {
    ($($type:ident: $add:expr, $order:expr, $widened:ident;)*) => {$(
        impl Number for $type {
            const NAMES: NumberNames = NumberNames {
                sum: concat!("sum_", stringify!($type)),
                min: concat!("min_", stringify!($type)),
                max: concat!("max_", stringify!($type)),
                number: stringify!($type),
            };

            fn add(self, other: Self) -> Option<Self> {
                $add(self, other)
            }

            fn order(&self, other: &Self) -> Ordering {
                $order(self, other)
            }

            fn widen(self) -> Widened {
                Widened::$widened(self.into())
            }
        }
    )*};
}

numbers! {
    u32: u32::checked_add, u32::cmp, Unsigned;
    u64: u64::checked_add, u64::cmp, Unsigned;
    i32: i32::checked_add, i32::cmp, Signed;
    i64: i64::checked_add, i64::cmp, Signed;
    f32: |a: f32, b| Some(a + b), f32::total_cmp, Float;
    f64: |a: f64, b| Some(a + b), f64::total_cmp, Float;
}
