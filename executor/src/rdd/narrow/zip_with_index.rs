use crate::rdd::{Batch, RddError, Step, function::each};

/// Pairs of a record and its place among all records of all partitions.
#[derive(Debug)]
pub struct Indexed {
    next: u64,
}

impl Indexed {
    /// Counts from the place of the first record of the partition.
    pub fn new(first: u64) -> Self {
        Self { next: first }
    }
}

impl Step for Indexed {
    fn apply(&mut self, input: &Batch, from: usize, out: &mut Batch) -> Result<usize, RddError> {
        each(input, from, out, |row, out| {
            out.push_pair(row.bytes(), &[&self.next.to_be_bytes()])?;
            self.next += 1;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::narrow::testing::step;

    #[test]
    fn records_are_counted_on_from_the_first_of_the_partition() {
        let pairs: Vec<((String, u8), u64)> =
            step(&mut Indexed::new(1 << 40), &[("a".to_owned(), 1u8), ("b".to_owned(), 2)]);
        assert_eq!(pairs, [(("a".to_owned(), 1), 1 << 40), (("b".to_owned(), 2), (1 << 40) + 1)]);
    }
}
