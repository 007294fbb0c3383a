use super::cursor::Cursors;
use crate::rdd::{Batch, RddError, Rows};

/// Each key that all parents have, once.
pub(super) struct Keys {
    cursors: Cursors,
}

impl Keys {
    pub(super) fn new(cursors: Cursors) -> Self {
        Self { cursors }
    }
}

impl Rows for Keys {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        let mut out = Batch::new();
        while !out.is_full() && self.cursors.next_key()? {
            let mut everywhere = true;
            for parent in 0..self.cursors.parents() {
                let mut here = false;
                while self.cursors.take(parent)?.is_some() {
                    here = true;
                }
                everywhere &= here;
            }
            if everywhere {
                out.push_whole(&[self.cursors.key()])?;
            }
        }
        Ok(Some(out).filter(|out| !out.is_empty()))
    }
}
