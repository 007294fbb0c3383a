use super::Kind;

/// A function that can't be built from its spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The name isn't registered.
    #[error("operator `{name}` is not known here (known: {known})")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names that are registered.
        known: String,
    },
    /// The name is registered with another version.
    #[error("operator `{name}` is needed in version {needed}, but this build has version {has}")]
    Version {
        /// The name.
        name: String,
        /// The version asked for.
        needed: u32,
        /// The version that is registered.
        has: u32,
    },
    /// The parameters make no sense to the operator.
    #[error("operator `{name}` can't take these parameters: {reason}")]
    Params {
        /// The name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The function is of another kind.
    #[error("`{name}` is {is}, and is used as {used}")]
    Kind {
        /// The name.
        name: String,
        /// What it is.
        is: Kind,
        /// What it was taken for.
        used: &'static str,
    },
    /// Two functions want the same name.
    #[error("two functions are registered as `{name}`: {first} and {second}; one of them needs another name")]
    Conflict {
        /// The name.
        name: String,
        /// The first.
        first: String,
        /// The other.
        second: String,
    },
}
