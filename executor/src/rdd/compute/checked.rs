use std::sync::Arc;

use super::Surroundings;
use crate::rdd::{Batch, RddError, Rows};

/// Rows that end when they are no longer wanted.
pub(super) struct Checked {
    rows: Box<dyn Rows>,
    surroundings: Arc<dyn Surroundings>,
}

impl Checked {
    pub(super) fn new(rows: Box<dyn Rows>, surroundings: Arc<dyn Surroundings>) -> Self {
        Self { rows, surroundings }
    }
}

impl Rows for Checked {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        self.surroundings.check()?;
        self.rows.next_batch()
    }
}
