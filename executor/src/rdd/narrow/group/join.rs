use super::cursor::Cursors;
use crate::rdd::{
    Batch, RddError, Rows,
    codec::{ABSENT, PRESENT},
    narrow::pair,
};

/// Pairs of a key and each two of its values. The values of one key are held; their pairs are not.
pub(super) struct Join {
    cursors: Cursors,
    left: Side,
    right: Side,
    /// The next two values of the key; none if all have been paired.
    at: Option<(usize, usize)>,
}

/// The values of a key that one parent has.
struct Side {
    optional: bool,
    values: Batch,
}

impl Side {
    /// Gathers the values of the key; says whether it can be joined.
    fn gather(&mut self, parent: usize, cursors: &mut Cursors) -> Result<bool, RddError> {
        self.values.clear();
        while let Some(row) = cursors.take(parent)? {
            self.values.push_whole(&[pair(row, "join")?.value()])?;
        }
        Ok(self.optional || !self.values.is_empty())
    }

    /// How many values there are to pair, the absent one among them.
    fn count(&self) -> usize {
        if self.optional { self.values.len().max(1) } else { self.values.len() }
    }

    /// The bytes of a value: what stands before it, and the value.
    fn parts(&self, at: usize) -> (&[u8], &[u8]) {
        match self.values.row(at) {
            Some(row) if self.optional => (&[PRESENT], row.bytes()),
            Some(row) => (&[], row.bytes()),
            None => (&[ABSENT], &[]),
        }
    }
}

impl Join {
    /// Joins two parents; values of an optional one may be absent.
    pub(super) fn new(cursors: Cursors, left_optional: bool, right_optional: bool) -> Self {
        let side = |optional| Side { optional, values: Batch::new() };
        Self { cursors, left: side(left_optional), right: side(right_optional), at: None }
    }

    /// Goes on to the next key that can be joined; says whether there is one.
    fn next_key(&mut self) -> Result<bool, RddError> {
        while self.cursors.next_key()? {
            let left = self.left.gather(0, &mut self.cursors)?;
            let right = self.right.gather(1, &mut self.cursors)?;
            if left && right {
                self.at = Some((0, 0));
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Rows for Join {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        let mut out = Batch::new();
        while !out.is_full() {
            let Some((left, right)) = self.at else {
                if self.next_key()? {
                    continue;
                }
                break;
            };
            let ((mark, value), (other_mark, other)) = (self.left.parts(left), self.right.parts(right));
            let first = (mark.len() + value.len()) as u32;
            out.push_pair(self.cursors.key(), &[mark, value, other_mark, other, &first.to_be_bytes()])?;
            self.at = if right + 1 < self.right.count() {
                Some((left, right + 1))
            } else {
                Some((left + 1, 0)).filter(|_| left + 1 < self.left.count())
            };
        }
        Ok(Some(out).filter(|out| !out.is_empty()))
    }
}
