use crate::rdd::{
    Batch, RddError, Rows,
    batch::MAX_BATCH_BYTES,
    codec::{ABSENT, PRESENT},
};

/// All records of a partition as one list, which is empty if there are none.
pub struct Glom {
    rows: Option<Box<dyn Rows>>,
}

impl Glom {
    /// Makes a list of rows.
    pub fn new(rows: Box<dyn Rows>) -> Self {
        Self { rows: Some(rows) }
    }
}

impl Rows for Glom {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        let Some(mut rows) = self.rows.take() else { return Ok(None) };
        let mut list = Vec::new();
        while let Some(batch) = rows.next_batch()? {
            for row in batch.rows() {
                list.push(PRESENT);
                list.extend_from_slice(row.bytes());
            }
            if list.len() > MAX_BATCH_BYTES {
                return Err(crate::rdd::RecordTooLarge { bytes: list.len() }.into());
            }
        }
        list.push(ABSENT);
        let mut out = Batch::new();
        out.push_whole(&[&list])?;
        Ok(Some(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::narrow::testing::{records, rows};

    #[test]
    fn a_partition_becomes_one_list_even_if_it_is_empty() {
        let pairs: Vec<(String, i64)> = (0..9).map(|n| (n.to_string(), -n)).collect();
        assert_eq!(records::<Vec<(String, i64)>>(Glom::new(rows(&pairs, 2))), [pairs]);
        assert_eq!(records::<Vec<u8>>(Glom::new(rows::<u8>(&[], 1))), [Vec::<u8>::new()]);
    }
}
