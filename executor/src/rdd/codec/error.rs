use super::MAX_DEPTH;
use crate::rdd::{RddError, RecordTooLarge};

/// A value that can't be encoded, or bytes that are no such value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The type says that something is wrong.
    #[error("{0}")]
    Custom(String),
    /// The bytes end too early.
    #[error("a record is cut off: {needed} more bytes are needed")]
    CutOff {
        /// How many are lacking at least.
        needed: usize,
    },
    /// There are bytes after the value.
    #[error("a record has {0} bytes too many: it is of another type")]
    Rest(usize),
    /// A byte that nothing is written with.
    #[error("a record has {got} where {expected} must stand: it is of another type")]
    Byte {
        /// What could stand there.
        expected: &'static str,
        /// What stands there.
        got: u8,
    },
    /// A string that isn't one.
    #[error("a string of a record is not UTF-8")]
    Utf8,
    /// The first element of a pair doesn't take as many bytes as the pair says.
    #[error("the first element of a pair has {got} bytes, and not {expected}: it is of another type")]
    Pair {
        /// What is written.
        expected: u32,
        /// What was read.
        got: usize,
    },
    /// A type that needs more than the bytes to be read.
    #[error("a record can't have {0}: its bytes don't tell their type")]
    Unsupported(&'static str),
    /// Values in values in values.
    #[error("a record has more than {MAX_DEPTH} values inside each other")]
    Depth,
    /// More bytes than a batch may have.
    #[error(transparent)]
    TooLarge(#[from] RecordTooLarge),
}

impl CodecError {
    /// Says whose record it was.
    pub fn of(self, function: &str) -> RddError {
        match self {
            Self::TooLarge(error) => error.into(),
            other => RddError::Codec { function: function.to_owned(), reason: other.to_string() },
        }
    }
}

impl serde::ser::Error for CodecError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }
}

impl serde::de::Error for CodecError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }
}
