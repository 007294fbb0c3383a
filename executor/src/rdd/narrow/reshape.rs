use howdah_proto::lineage::Reshape;

use super::pair;
use crate::rdd::{Batch, RddError, Row, Step, function::each};

/// Another form of each record: its key, its value, all of it as a key, or as the pair that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reshaped {
    /// The key of each pair.
    Keys,
    /// The value of each pair.
    Values,
    /// The whole record as a key.
    WholeAsKey,
    /// Records that are pairs known as pairs again.
    Pairs,
}

impl Reshaped {
    /// Takes a form that is made record by record; none for [`Reshape::Glom`], which isn't.
    pub fn new(reshape: Reshape) -> Option<Self> {
        match reshape {
            Reshape::Glom => None,
            Reshape::Keys => Some(Self::Keys),
            Reshape::Values => Some(Self::Values),
            Reshape::WholeAsKey => Some(Self::WholeAsKey),
            Reshape::Pairs => Some(Self::Pairs),
        }
    }
}

impl Step for Reshaped {
    fn apply(&mut self, input: &Batch, from: usize, out: &mut Batch) -> Result<usize, RddError> {
        let form = *self;
        each(input, from, out, |row, out| {
            let pushed = match form {
                Self::Keys => out.push_whole(&[pair(row, "keys")?.key()]),
                Self::Values => out.push_whole(&[pair(row, "values")?.value()]),
                Self::WholeAsKey => out.push_whole(&[row.bytes()]),
                Self::Pairs => out.push(Row::pair(row.bytes()).ok_or_else(|| no_pair(row))?),
            };
            Ok(pushed?)
        })
    }
}

fn no_pair(row: Row<'_>) -> RddError {
    let reason = format!("a record of {} bytes is no pair", row.bytes().len());
    RddError::Codec { function: "pairs".to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::narrow::testing::{batch_of, step};

    #[test]
    fn a_pair_falls_into_key_and_value_and_comes_together_again() {
        let pairs = vec![("a".to_owned(), 7i32), ("b".to_owned(), -7)];
        let keys: Vec<String> = step(&mut Reshaped::Keys, &pairs);
        assert_eq!(keys, ["a", "b"]);
        let values: Vec<i32> = step(&mut Reshaped::Values, &pairs);
        assert_eq!(values, [7, -7]);
        let (original, mut whole, mut back) = (batch_of(&pairs), Batch::new(), Batch::new());
        Reshaped::WholeAsKey.apply(&original, 0, &mut whole).unwrap();
        assert!(whole.rows().all(|row| !row.is_pair()));
        Reshaped::Pairs.apply(&whole, 0, &mut back).unwrap();
        assert_eq!(back, original);
    }

    #[test]
    fn what_is_no_pair_has_no_key() {
        let error = Reshaped::Keys.apply(&batch_of(&[1u8]), 0, &mut Batch::new()).unwrap_err().to_string();
        assert_eq!(error, "`keys`: a record is no pair");
        assert!(Reshaped::Pairs.apply(&batch_of(&[1u8]), 0, &mut Batch::new()).is_err());
    }
}
