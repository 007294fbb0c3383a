use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::check;
use crate::WireError;

/// The most folds that pictures are split into.
pub const MAX_FOLDS: u32 = 100;

/// One of the folds that the training pictures are split into, each with its share of every class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fold {
    /// Which, counted from 1.
    pub number: u32,
    /// Of how many, at least 2.
    pub of: u32,
}

/// Which of its training pictures a job learns from, and in which order they are cut into partitions.
///
/// Jobs with the same pictures, the same number of folds and the same seed here have the same blocks, and share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The fold that is held out. The pictures that would be held out without it are not used at all.
    pub fold: Option<Fold>,
    /// Decides which pictures are drawn, if they are synthetic, and their order, instead of the job's seed.
    pub seed: Option<u64>,
}

impl Selection {
    pub(super) fn validate(&self) -> Result<(), WireError> {
        self.fold.map_or(Ok(()), Fold::validate)
    }
}

impl Fold {
    fn validate(self) -> Result<(), WireError> {
        check((2..=MAX_FOLDS).contains(&self.of), "fold", "there are from 2 to 100 folds")?;
        check((1..=self.of).contains(&self.number), "fold", "folds are counted from 1 to their number")
    }
}

impl fmt::Display for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// A text that names no fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fold is named like 2/5: the second of five")]
pub struct NotAFold;

impl FromStr for Fold {
    type Err = NotAFold;

    /// Reads `NUMBER/OF`.
    fn from_str(text: &str) -> Result<Self, NotAFold> {
        let (number, of) = text.split_once('/').ok_or(NotAFold)?;
        let fold =
            Self { number: number.parse().map_err(|_| NotAFold)?, of: of.parse().map_err(|_| NotAFold)? };
        fold.validate().map_err(|_| NotAFold)?;
        Ok(fold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_is_read_as_it_is_written() {
        let fold = Fold { number: 2, of: 5 };
        assert_eq!(fold.to_string().parse(), Ok(fold));
        for wrong in ["", "2", "0/5", "6/5", "1/1", "1/1000", "a/b", "-1/5"] {
            assert_eq!(wrong.parse::<Fold>(), Err(NotAFold), "{wrong}");
        }
    }
}
