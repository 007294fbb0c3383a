use std::sync::Arc;

use howdah_executor::rdd::RegistryError;
use howdah_proto::WireError;

use crate::local::LocalError;

/// What can go wrong with a context and its RDDs.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// Nobody answers at the driver's address, or it is none.
    #[error(
        "can't connect to the driver at {address}: {reason}\nhint: check the address, and that the driver is running"
    )]
    Connect {
        /// Where the driver should be.
        address: String,
        /// Why it can't be reached.
        reason: String,
    },
    /// The local cluster does not come up.
    #[error("the local cluster did not start: {0}")]
    Start(Arc<LocalError>),
    /// The driver is gone, or the way to it.
    #[error("lost the driver at {address}: {reason}")]
    Lost {
        /// Where it was.
        address: String,
        /// How that was noticed.
        reason: String,
    },
    /// The driver does not do what it was asked for.
    #[error("the driver at {address} refuses: {reason}")]
    Refused {
        /// Where it is.
        address: String,
        /// Why.
        reason: String,
    },
    /// A job failed.
    #[error("the job `{job}` failed: {error}{}", hint_line(hint))]
    Failed {
        /// What the job is called.
        job: String,
        /// The error of its task, with the place.
        error: String,
        /// What the user can do; empty if nothing is known.
        hint: String,
    },
    /// A job was cancelled by somebody else.
    #[error("the job `{job}` was cancelled: {reason}")]
    Cancelled {
        /// What the job is called.
        job: String,
        /// Why.
        reason: String,
    },
    /// The results of a job are larger than its limit.
    #[error("the results of the job `{job}` are too large: {error}{}", hint_line(hint))]
    ResultTooLarge {
        /// What the job is called.
        job: String,
        /// How large they are.
        error: String,
        /// What the user can do.
        hint: String,
    },
    /// No executor was there in time.
    #[error("the job `{job}` got no executor: {error}{}", hint_line(hint))]
    NoExecutor {
        /// What the job is called.
        job: String,
        /// How long it waited.
        error: String,
        /// What the user can do.
        hint: String,
    },
    /// An action that needs a record has none.
    #[error("`{action}` needs a record, but the RDD is empty")]
    Empty {
        /// The action.
        action: &'static str,
    },
    /// A function can't be had from the program's registry.
    #[error(
        "`{transformation}` can't be done: {reason}\nhint: register it in the program's `main`, which its executors run, too"
    )]
    Unregistered {
        /// What the function was given to.
        transformation: &'static str,
        /// What is wrong.
        reason: RegistryError,
    },
    /// A transformation or an action can't be made of what it was given.
    #[error("`{transformation}` can't be done: {reason}")]
    BadLineage {
        /// The transformation or action.
        transformation: &'static str,
        /// Why not.
        reason: String,
    },
    /// A value can't be written as a record.
    #[error("`{what}` can't encode a value: {reason}")]
    Encode {
        /// The transformation or action.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// What came back is not what its type says.
    #[error("the result of `{what}` can't be read: {reason}")]
    Decode {
        /// The action.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// There is something already where an RDD should be saved.
    #[error(
        "{folder} exists already: an RDD is saved into a new folder\nhint: choose another one, or remove it"
    )]
    Exists {
        /// The folder.
        folder: String,
    },
    /// A saved RDD can't be loaded.
    #[error("can't load {folder}: {reason}")]
    Load {
        /// The folder.
        folder: String,
        /// Why not.
        reason: String,
    },
}

impl ContextError {
    pub(super) fn bad(transformation: &'static str, reason: impl ToString) -> Self {
        Self::BadLineage { transformation, reason: reason.to_string() }
    }

    pub(super) fn encode(what: &'static str, reason: impl ToString) -> Self {
        Self::Encode { what, reason: reason.to_string() }
    }

    pub(super) fn decode(what: &'static str, reason: impl ToString) -> Self {
        Self::Decode { what, reason: reason.to_string() }
    }

    pub(super) fn lineage(transformation: &'static str, error: &WireError) -> Self {
        Self::bad(transformation, error)
    }
}

impl From<LocalError> for ContextError {
    fn from(error: LocalError) -> Self {
        Self::Start(Arc::new(error))
    }
}

fn hint_line(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!("\nhint: {hint}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_shown_only_if_there_is_one() {
        let failed = |hint: &str| ContextError::Failed {
            job: "count".to_owned(),
            error: "task 3 of stage 1: no such file".to_owned(),
            hint: hint.to_owned(),
        };
        assert_eq!(failed("").to_string(), "the job `count` failed: task 3 of stage 1: no such file");
        assert!(failed("look there").to_string().ends_with("no such file\nhint: look there"));
    }

    #[test]
    fn an_error_names_the_transformation_and_the_function() {
        let reason = RegistryError::Version { name: "tokenize".to_owned(), needed: 2, has: 1 };
        let text = ContextError::Unregistered { transformation: "map", reason }.to_string();
        assert!(
            text.starts_with("`map` can't be done: operator `tokenize` is needed in version 2"),
            "{text}"
        );
    }
}
