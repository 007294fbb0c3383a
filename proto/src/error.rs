/// A message that arrived and can't be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A field that must be there isn't.
    #[error("the message lacks the field `{0}`")]
    Missing(&'static str),
    /// A field holds a value that makes no sense.
    #[error("the field `{field}` is wrong: {reason}")]
    Invalid {
        /// The field's name in the .proto file.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl WireError {
    /// Makes the error for a field whose value makes no sense.
    pub fn invalid(field: &'static str, reason: impl ToString) -> Self {
        Self::Invalid { field, reason: reason.to_string() }
    }
}

impl From<WireError> for tonic::Status {
    fn from(error: WireError) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

/// Takes a field that must be there.
///
/// # Errors
/// [`WireError::Missing`] with the field's name.
pub fn required<T>(value: Option<T>, field: &'static str) -> Result<T, WireError> {
    value.ok_or(WireError::Missing(field))
}
