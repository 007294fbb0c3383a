use super::{Chain, OperatorError, Record, RecordContext};

/// The way of a picture to its views.
///
/// What is the same for all of them is computed once, and the features of the mirrored view are put together from those of the
/// plain one where the operator that gives them knows how.
pub struct ViewChain {
    shared: Chain,
    rest: Chain,
    contexts: Vec<RecordContext>,
}

impl ViewChain {
    /// Makes the way through a chain, to a view for each context.
    pub fn new(chain: Chain, contexts: impl IntoIterator<Item = RecordContext>) -> Self {
        let (shared, rest) = chain.split_at_augmentation();
        Self { shared, rest, contexts: contexts.into_iter().collect() }
    }

    /// How many views a picture has.
    pub fn count(&self) -> usize {
        self.contexts.len()
    }

    /// Gives the views of a picture, in their order.
    ///
    /// # Errors
    /// [`OperatorError`] from the first operator that can't take it.
    pub fn views(&mut self, record: Record) -> Result<Vec<Record>, OperatorError> {
        const BOTH: [RecordContext; 2] = [RecordContext::PLAIN, RecordContext::MIRRORED];
        let record = self.shared.apply(record, &RecordContext::PLAIN)?;
        let mut views = Vec::with_capacity(self.contexts.len());
        let mut contexts = self.contexts.as_slice();
        if let Some(others) = contexts.strip_prefix(&BOTH)
            && let Some((plain, mirrored)) = self.rest.plain_and_mirrored(&record)?
        {
            views.extend([plain, mirrored]);
            contexts = others;
        }
        if let Some((last, others)) = contexts.split_last() {
            for context in others {
                views.push(self.rest.apply(record.clone(), context)?);
            }
            views.push(self.rest.apply(record, last)?);
        }
        Ok(views)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rdd::{Registry, Views, spec_of},
        vision::{ColorGrid, Describe, Flip, Hog, Part, register, testing},
    };

    /// The features of the views of a noisy picture of 24 x 24 pixels, and those of each view alone.
    fn views(parts: Vec<Part>) -> [Vec<Vec<f32>>; 2] {
        let mut registry = Registry::new();
        register(&mut registry);
        let specs = [spec_of(&Flip { probability: 0.5 }), spec_of(&Describe { parts })];
        let chain = || Chain::build(&registry, &specs).unwrap();
        let record = || {
            let picture = testing::gray(24, 24, |x, y| (x * x * 3 + y * y * 5 + x * y * 7) as u8);
            Record::Picture { meta: testing::meta(4), picture }
        };
        let contexts = [
            RecordContext::PLAIN,
            RecordContext::MIRRORED,
            RecordContext::augmented(3, howdah_proto::Epoch(2)),
        ];
        let features = |record: Record| match record {
            Record::Features { values, .. } => values,
            other => panic!("{} came out", other.kind()),
        };
        let together = ViewChain::new(chain(), contexts).views(record()).unwrap();
        let alone = contexts.map(|context| features(chain().apply(record(), &context).unwrap()));
        [together.into_iter().map(features).collect(), alone.into()]
    }

    #[test]
    fn views_are_what_each_of_them_is_alone() {
        for part in [Part::ColorGrid(ColorGrid { cells: 4 }), Part::Hog(Hog::new(8))] {
            let [together, alone] = views(vec![part]);
            assert_eq!(together, alone);
            assert_ne!(together[0], together[1]);
        }
    }

    #[test]
    fn a_plain_view_alone_is_computed_as_it_is_beside_others() {
        let mut registry = Registry::new();
        register(&mut registry);
        let chain = Chain::build(&registry, &[spec_of(&Flip { probability: 1.0 })]).unwrap();
        let picture = testing::gray(3, 2, |x, y| (x + 4 * y) as u8);
        let record = Record::Picture { meta: testing::meta(0), picture };
        let views = ViewChain::new(chain, Views::PLAIN.contexts()).views(record.clone()).unwrap();
        assert_eq!(views, [record]);
    }
}
