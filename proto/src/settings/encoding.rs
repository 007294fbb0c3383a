use serde::{Deserialize, Serialize};

use super::check;
use crate::WireError;

/// How values travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "encoding", rename_all = "snake_case", deny_unknown_fields)]
pub enum Encoding {
    /// As they are, 4 bytes each.
    #[default]
    F32,
    /// As bfloat16, rounded to nearest even.
    Bf16,
    /// As IEEE half precision, rounded to nearest even; what is too large becomes the largest.
    F16,
    /// As bytes, with a scale for each block of 1,024 values.
    Int8,
    /// Only the largest, with their places; what is left out is kept and sent later (error feedback; Stich et al.
    /// 2018, "Sparsified SGD with memory").
    TopK {
        /// How many of a thousand values are sent, from 1 to 1000.
        permille: u32,
    },
}

/// How pushes and pulls travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compression {
    /// Pushes.
    pub push: Encoding,
    /// Pulls.
    pub pull: Encoding,
    /// Whether pulls are differences to what the replica has.
    pub delta_pulls: bool,
}

impl Compression {
    pub(super) fn validate(&self) -> Result<(), WireError> {
        for encoding in [self.push, self.pull] {
            if let Encoding::TopK { permille } = encoding {
                check((1..=1000).contains(&permille), "top-k", "from 1 to 1000 of a thousand")?;
            }
        }
        check(
            self.delta_pulls || !matches!(self.pull, Encoding::TopK { .. }),
            "pull encoding",
            "the largest values alone make no weights: pull differences, or weights as they are",
        )
    }
}
