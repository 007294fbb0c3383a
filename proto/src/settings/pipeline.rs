use serde::{Deserialize, Serialize};

use super::check;
use crate::{WireError, lineage::OperatorSpec};

/// The most views that are prepared of a picture.
pub const MAX_VIEWS: u32 = 64;

/// The operator that mirrors a picture.
pub const FLIP: &str = "flip";

/// The way of a picture to the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// Done once per picture, or once for each of its views; the result is cached: bytes if it is a picture, else
    /// features.
    pub prepare: Vec<OperatorSpec>,
    /// Done anew each time a picture is used: augmentation, and the way from what is cached to what the network takes.
    pub feed: Vec<OperatorSpec>,
    /// How many augmented views of each training picture are prepared, of which each epoch takes one: the picture as
    /// it is, the mirrored picture if `prepare` has a `flip`, and others as they are drawn. With 0, each is prepared
    /// once as it is.
    #[serde(default)]
    pub views: u32,
    /// Whether the probabilities of a picture and its mirrored view are averaged where classes are told.
    #[serde(default)]
    pub mirror_average: bool,
}

impl Pipeline {
    /// Makes a pipeline that prepares each picture once.
    pub fn new(prepare: Vec<OperatorSpec>, feed: Vec<OperatorSpec>) -> Self {
        Self { prepare, feed, views: 0, mirror_average: false }
    }

    /// Whether pictures are mirrored before they are cached.
    pub fn mirrors_in_prepare(&self) -> bool {
        self.prepare.iter().any(|operator| operator.name == FLIP)
    }

    pub(super) fn validate(&self) -> Result<(), WireError> {
        check(self.views <= MAX_VIEWS, "views", "from 0 to 64")?;
        let flips = self.prepare.iter().chain(&self.feed).filter(|operator| operator.name == FLIP).count();
        check(
            !self.mirror_average || flips == 1,
            "mirror_average",
            "it needs one `flip` in the pipeline, which then mirrors",
        )
    }
}
