use super::cursor::Cursors;
use crate::rdd::{
    Batch, RddError, RecordTooLarge, Rows,
    batch::MAX_BATCH_BYTES,
    codec::{ABSENT, PRESENT},
    narrow::{pair, trailer},
};

/// Pairs of a key and the lists of its values, one list for each parent.
pub(super) struct Lists {
    cursors: Cursors,
    /// One encoded list after the other.
    lists: Vec<u8>,
}

impl Lists {
    pub(super) fn new(cursors: Cursors) -> Self {
        Self { cursors, lists: Vec::new() }
    }

    fn push(&mut self, out: &mut Batch) -> Result<(), RddError> {
        self.lists.clear();
        let mut first = 0;
        for parent in 0..self.cursors.parents() {
            while let Some(row) = self.cursors.take(parent)? {
                self.lists.push(PRESENT);
                self.lists.extend_from_slice(pair(row, "group")?.value());
                if self.lists.len() > MAX_BATCH_BYTES {
                    return Err(RecordTooLarge { bytes: self.lists.len() }.into());
                }
            }
            self.lists.push(ABSENT);
            if parent == 0 {
                first = self.lists.len();
            }
        }
        // Two lists are a pair; one, or more than two, are not.
        if self.cursors.parents() == 2 {
            let trailer = trailer(&self.lists[..first]);
            self.lists.extend_from_slice(&trailer);
        }
        Ok(out.push_pair(self.cursors.key(), &[&self.lists])?)
    }
}

impl Rows for Lists {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        let mut out = Batch::new();
        while !out.is_full() && self.cursors.next_key()? {
            self.push(&mut out)?;
        }
        Ok(Some(out).filter(|out| !out.is_empty()))
    }
}
