use std::sync::Arc;

use crate::{memory::Memory, rdd::RddError, store::Scratch, task::CancelFlag};

/// Where a task sorts and merges.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The memory that it shares with others.
    pub memory: Memory,
    /// Where what doesn't fit goes.
    pub scratch: Arc<Scratch>,
    /// Whether the task is still wanted.
    pub cancel: CancelFlag,
}

impl Workspace {
    /// Ends the task here if it is no longer wanted.
    ///
    /// # Errors
    /// [`RddError::Cancelled`].
    pub fn check(&self) -> Result<(), RddError> {
        self.cancel.check().map_err(|_| RddError::Cancelled)
    }
}
