use std::cmp::Ordering;

use super::key::Direction;
use crate::rdd::{Batch, RddError, Row, Rows};

/// Merges sources that are each sorted by key; of equal keys, those of the earlier source come first.
pub(super) struct Merge<R> {
    cursors: Vec<Cursor<R>>,
    /// A binary heap of places in `cursors`, the one that comes next on top.
    heap: Vec<u32>,
    direction: Direction,
    begun: bool,
}

struct Cursor<R> {
    rows: R,
    batch: Batch,
    at: usize,
    prefix: u64,
}

impl<R: Rows> Merge<R> {
    pub(super) fn new(sources: impl IntoIterator<Item = R>, direction: Direction) -> Self {
        let cursor = |rows| Cursor { rows, batch: Batch::new(), at: 0, prefix: 0 };
        Self { cursors: sources.into_iter().map(cursor).collect(), heap: Vec::new(), direction, begun: false }
    }

    fn begin(&mut self) -> Result<(), RddError> {
        self.begun = true;
        for (index, cursor) in self.cursors.iter_mut().enumerate() {
            if cursor.load(self.direction)? {
                self.heap.push(index as u32);
            }
        }
        for at in (0..self.heap.len() / 2).rev() {
            self.sift_down(at);
        }
        Ok(())
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let left = 2 * at + 1;
            if left >= self.heap.len() {
                return;
            }
            let right = left + 1;
            let child = if right < self.heap.len() && self.before(right, left) { right } else { left };
            if !self.before(child, at) {
                return;
            }
            self.heap.swap(child, at);
            at = child;
        }
    }

    fn before(&self, left: usize, right: usize) -> bool {
        let (left, right) = (self.heap[left] as usize, self.heap[right] as usize);
        let (a, b) = (&self.cursors[left], &self.cursors[right]);
        let by_key = || self.direction.compare(a.key(), b.key());
        a.prefix.cmp(&b.prefix).then_with(by_key).then(left.cmp(&right)) == Ordering::Less
    }
}

impl<R: Rows> Cursor<R> {
    fn row(&self) -> Option<Row<'_>> {
        self.batch.row(self.at)
    }

    fn key(&self) -> &[u8] {
        self.row().map_or(&[], Row::key)
    }

    /// Makes the next record ready; says whether there is one.
    fn load(&mut self, direction: Direction) -> Result<bool, RddError> {
        if self.at >= self.batch.len() {
            self.batch = Batch::new();
            self.at = 0;
            match self.rows.next_batch()? {
                Some(batch) => self.batch = batch,
                None => return Ok(false),
            }
        }
        self.prefix = direction.prefix(self.key());
        Ok(true)
    }
}

impl<R: Rows> Rows for Merge<R> {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        if !self.begun {
            self.begin()?;
        }
        let mut out = Batch::new();
        while let Some(top) = self.heap.first() {
            let cursor = &mut self.cursors[*top as usize];
            if let Some(row) = cursor.batch.row(cursor.at) {
                out.push(row)?;
            }
            cursor.at += 1;
            if !cursor.load(self.direction)? {
                self.heap.swap_remove(0);
            }
            self.sift_down(0);
            if out.is_full() {
                break;
            }
        }
        Ok(Some(out).filter(|batch| !batch.is_empty()))
    }
}
