use std::cmp::Ordering;

use howdah_proto::NodeId;

use crate::rdd::{Batch, RddError, Row, Rows};

/// In which order keys come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrder {
    /// The smallest first.
    Ascending,
    /// The largest first.
    Descending,
}

impl KeyOrder {
    /// How two keys follow each other in this order.
    pub fn compare(self, left: &[u8], right: &[u8]) -> Ordering {
        match self {
            Self::Ascending => left.cmp(right),
            Self::Descending => right.cmp(left),
        }
    }
}

/// Places in rows that are sorted by key, which move together from key to key.
pub(super) struct Cursors {
    node: NodeId,
    order: KeyOrder,
    cursors: Vec<Cursor>,
    key: Vec<u8>,
}

struct Cursor {
    rows: Box<dyn Rows>,
    batch: Batch,
    next: usize,
    ended: bool,
}

impl Cursor {
    fn row(&self) -> Option<Row<'_>> {
        self.batch.row(self.next)
    }

    /// Gets the next batch if there is no record left in this one.
    fn fill(&mut self) -> Result<(), RddError> {
        if self.next >= self.batch.len() && !self.ended {
            self.next = 0;
            self.batch = self.rows.next_batch()?.unwrap_or_default();
            self.ended = self.batch.is_empty();
        }
        Ok(())
    }
}

impl Cursors {
    pub(super) fn new(node: NodeId, order: KeyOrder, parents: Vec<Box<dyn Rows>>) -> Self {
        let cursor = |rows| Cursor { rows, batch: Batch::new(), next: 0, ended: false };
        Self { node, order, cursors: parents.into_iter().map(cursor).collect(), key: Vec::new() }
    }

    pub(super) fn parents(&self) -> usize {
        self.cursors.len()
    }

    /// The key that the cursors stand at.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Goes on to the next key, which all records of the last one have been taken before; says whether there is one.
    pub(super) fn next_key(&mut self) -> Result<bool, RddError> {
        for cursor in &mut self.cursors {
            cursor.fill()?;
        }
        let keys = self.cursors.iter().filter_map(|cursor| cursor.row().map(Row::key));
        let Some(first) = keys.min_by(|left, right| self.order.compare(left, right)) else {
            return Ok(false);
        };
        self.key.clear();
        self.key.extend_from_slice(first);
        Ok(true)
    }

    /// Takes the next record of the key from a parent.
    pub(super) fn take(&mut self, parent: usize) -> Result<Option<Row<'_>>, RddError> {
        let Some(cursor) = self.cursors.get_mut(parent) else { return Ok(None) };
        cursor.fill()?;
        let Some(row) = cursor.batch.row(cursor.next) else { return Ok(None) };
        match self.order.compare(row.key(), &self.key) {
            Ordering::Equal => {
                cursor.next += 1;
                Ok(Some(row))
            }
            Ordering::Greater => Ok(None),
            Ordering::Less => {
                let reason = format!("the records of parent {parent} are not sorted by key");
                Err(RddError::Lineage { node: self.node, reason })
            }
        }
    }
}
