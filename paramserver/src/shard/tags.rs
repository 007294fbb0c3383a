use std::{collections::BTreeMap, sync::Arc};

use howdah_proto::Version;

use super::{ShardError, error::MAX_TAGS};
use crate::rules;

/// A copy of the weights that later pushes don't touch.
#[derive(Debug, Clone)]
pub struct Tagged {
    /// The weights as they were.
    pub weights: Arc<Vec<f32>>,
    /// Which version they are.
    pub version: Version,
}

/// The kept copies of a shard's weights.
#[derive(Debug, Default)]
pub(super) struct Tags {
    kept: BTreeMap<u64, Tagged>,
}

impl Tags {
    /// Keeps the weights that `fill` appends to an empty buffer of the right capacity. A tag that exists stays as it
    /// is.
    pub(super) fn keep(
        &mut self,
        tag: u64,
        version: Version,
        values: usize,
        fill: impl FnOnce(&mut Vec<f32>),
    ) -> Result<(), ShardError> {
        if self.kept.contains_key(&tag) {
            return Ok(());
        }
        if self.kept.len() >= MAX_TAGS {
            return Err(ShardError::TooManyTags);
        }
        let mut copy = rules::room(values)?;
        fill(&mut copy);
        self.put(tag, Tagged { weights: Arc::new(copy), version });
        Ok(())
    }

    pub(super) fn put(&mut self, tag: u64, tagged: Tagged) {
        self.kept.insert(tag, tagged);
    }

    pub(super) fn remove(&mut self, tag: u64) {
        self.kept.remove(&tag);
    }

    pub(super) fn get(&self, tag: u64) -> Option<&Tagged> {
        self.kept.get(&tag)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Tagged)> {
        self.kept.iter().map(|(tag, tagged)| (*tag, tagged))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.kept.values().map(|tagged| size_of_val(&**tagged.weights) as u64).sum()
    }
}
