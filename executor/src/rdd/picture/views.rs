use howdah_proto::{
    Epoch, WireError, pb,
    settings::{MAX_VIEWS, Pipeline},
};

use super::RecordContext;
use crate::random::Random;

/// Which views of each picture are prepared: the picture as it is, the mirrored picture, and others as they are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Views {
    count: u32,
    mirrored: bool,
    seed: u64,
}

impl Views {
    /// The picture as it is, alone.
    pub const PLAIN: Self = Self { count: 1, mirrored: false, seed: 0 };

    /// The views of training pictures, drawn by the job's seed.
    pub fn of_training(pipeline: &Pipeline, seed: u64) -> Self {
        match pipeline.views {
            0 | 1 => Self::PLAIN,
            count => Self { count, mirrored: pipeline.mirrors_in_prepare(), seed },
        }
    }

    /// The views of pictures that are classified.
    pub fn of_classified(pipeline: &Pipeline) -> Self {
        let mirrored = pipeline.mirror_average && pipeline.mirrors_in_prepare();
        if mirrored { Self { count: 2, mirrored, seed: 0 } } else { Self::PLAIN }
    }

    /// What decides about a picture that is classified, each time that it goes through a whole pipeline; the
    /// probabilities are averaged.
    pub fn to_classify(pipeline: &Pipeline) -> &'static [RecordContext] {
        if pipeline.mirror_average {
            &[RecordContext::PLAIN, RecordContext::MIRRORED]
        } else {
            &[RecordContext::PLAIN]
        }
    }

    /// The same for each time that a row of its block goes through the feed.
    pub fn to_classify_row(pipeline: &Pipeline) -> &'static [RecordContext] {
        if pipeline.mirrors_in_prepare() { &[RecordContext::PLAIN] } else { Self::to_classify(pipeline) }
    }

    /// What decides about each view, in their order.
    pub fn contexts(self) -> impl Iterator<Item = RecordContext> {
        (0..self.count).map(move |view| match view {
            0 => RecordContext::PLAIN,
            1 if self.mirrored => RecordContext::MIRRORED,
            view => RecordContext::augmented(self.seed, Epoch(view)),
        })
    }

    /// The view that an epoch takes of a picture: each has its turn, and where a picture begins is drawn.
    pub fn in_epoch(views: u32, seed: u64, key: u64, epoch: Epoch) -> u32 {
        if views <= 1 {
            return 0;
        }
        let first = Random::new(&[seed, key]).below(u64::from(views));
        ((first + u64::from(epoch.0)) % u64::from(views)) as u32
    }
}

impl From<Views> for pb::Views {
    fn from(views: Views) -> Self {
        Self { count: views.count, mirrored: views.mirrored, seed: views.seed }
    }
}

impl TryFrom<pb::Views> for Views {
    type Error = WireError;

    fn try_from(views: pb::Views) -> Result<Self, WireError> {
        let pb::Views { count, mirrored, seed } = views;
        if !(1..=MAX_VIEWS).contains(&count) {
            return Err(WireError::invalid("views.count", format!("{count} is not from 1 to {MAX_VIEWS}")));
        }
        Ok(Self { count, mirrored, seed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rdd::spec_of, vision::Flip};

    fn pipeline(views: u32, flips: bool) -> Pipeline {
        let flip = flips.then(|| spec_of(&Flip { probability: 0.5 }));
        Pipeline { views, mirror_average: flips, ..Pipeline::new(flip.into_iter().collect(), Vec::new()) }
    }

    fn contexts(views: Views) -> Vec<RecordContext> {
        views.contexts().collect()
    }

    #[test]
    fn the_first_view_is_plain_and_the_second_mirrored_if_the_pipeline_mirrors() {
        let drawn = |view| RecordContext::augmented(7, Epoch(view));
        let (plain, mirrored) = (RecordContext::PLAIN, RecordContext::MIRRORED);
        assert_eq!(contexts(Views::of_training(&pipeline(3, true), 7)), [plain, mirrored, drawn(2)]);
        assert_eq!(contexts(Views::of_training(&pipeline(2, false), 7)), [plain, drawn(1)]);
        assert_eq!(contexts(Views::of_training(&pipeline(1, true), 7)), [plain]);
        assert_eq!(contexts(Views::of_training(&pipeline(0, true), 7)), [plain]);
        assert_eq!(contexts(Views::of_classified(&pipeline(0, true))), [plain, mirrored]);
        assert_eq!(contexts(Views::of_classified(&pipeline(4, false))), [plain]);
    }

    #[test]
    fn every_view_of_a_picture_has_its_turn_and_pictures_begin_with_different_ones() {
        let drawn = |key, epoch| Views::in_epoch(4, 1, key, Epoch(epoch));
        for key in 0..20 {
            let mut cycle: Vec<u32> = (5..9).map(|epoch| drawn(key, epoch)).collect();
            cycle.sort_unstable();
            assert_eq!(cycle, [0, 1, 2, 3]);
        }
        let first: std::collections::BTreeSet<u32> = (0..20).map(|key| drawn(key, 1)).collect();
        assert_eq!(first.len(), 4);
        assert_eq!(drawn(3, 2), drawn(3, 2));
        assert_eq!(Views::in_epoch(1, 1, 3, Epoch(9)), 0);
    }

    #[test]
    fn views_survive_the_wire_and_absurd_ones_are_refused() {
        let views = Views::of_training(&pipeline(3, true), 7);
        assert_eq!(Views::try_from(pb::Views::from(views)), Ok(views));
        for count in [0, MAX_VIEWS + 1] {
            assert!(Views::try_from(pb::Views { count, mirrored: false, seed: 0 }).is_err());
        }
    }
}
