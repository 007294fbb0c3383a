use super::cursor::Cursors;
use crate::rdd::{Batch, RddError, Rows};

/// The records of the first parent whose key the second one lacks.
pub(super) struct Subtract {
    cursors: Cursors,
    /// Whether the records of the key are wanted; none before the first key, and after the last record of one.
    wanted: Option<bool>,
}

impl Subtract {
    pub(super) fn new(cursors: Cursors) -> Self {
        Self { cursors, wanted: None }
    }
}

impl Rows for Subtract {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        let mut out = Batch::new();
        while !out.is_full() {
            let Some(wanted) = self.wanted else {
                if !self.cursors.next_key()? {
                    break;
                }
                let mut lacking = true;
                while self.cursors.take(1)?.is_some() {
                    lacking = false;
                }
                self.wanted = Some(lacking);
                continue;
            };
            match self.cursors.take(0)? {
                Some(row) if wanted => out.push(row)?,
                Some(_) => {}
                None => self.wanted = None,
            }
        }
        Ok(Some(out).filter(|out| !out.is_empty()))
    }
}
