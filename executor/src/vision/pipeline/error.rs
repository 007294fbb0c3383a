use crate::rdd::RegistryError;

/// Why there is no pipeline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PipelineError {
    /// A preset can't be changed as wanted.
    #[error("the preset {reason}")]
    Change {
        /// The preset.
        preset: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// It is no TOML, or has not the form of a pipeline.
    #[error("{0}")]
    Form(String),
    /// An operator can't be used.
    #[error("{place}, operator `{operator}`: {reason}")]
    Operator {
        /// Where it stands.
        place: String,
        /// Its name.
        operator: String,
        /// What is wrong.
        reason: String,
    },
    /// It doesn't lead to features.
    #[error("it ends with {0}, and a network takes features: `flatten` or `describe` makes them")]
    End(&'static str),
}

/// What is wrong with an operator, without its name.
pub(super) fn reason(error: RegistryError) -> String {
    match error {
        RegistryError::Params { reason, .. } => reason,
        other => other.to_string(),
    }
}
