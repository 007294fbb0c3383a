use crate::rdd::{Again, RddError};

/// Why a user's function can't go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What is wrong, in words.
    pub message: String,
    /// Whether another attempt could do better.
    pub again: Again,
}

impl Failure {
    /// Makes a failure that another attempt could avoid: the task is tried again.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), again: Again::Yes }
    }

    /// Makes a failure that every attempt would meet: the job fails at once.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self { message: message.into(), again: Again::No }
    }

    /// Says whose failure it is.
    pub(crate) fn of(self, function: &'static str) -> RddError {
        RddError::Function { function, message: self.message, again: self.again }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}
