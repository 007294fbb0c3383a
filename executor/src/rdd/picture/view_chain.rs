use super::{Chain, OperatorError, Record, RecordContext};

/// The way of a picture to its views.
///
/// What is the same for all of them is computed once, and the features of the mirrored view are put together from those of the
/// plain one where the operator that gives them knows how.
pub struct ViewChain {
    chain: Chain,
    /// So many operators give the same for all views.
    shared: usize,
    contexts: Vec<RecordContext>,
    /// The views of the last picture.
    views: Vec<Record>,
}

impl ViewChain {
    /// Makes the way through a chain, to a view for each context.
    pub fn new(chain: Chain, contexts: impl IntoIterator<Item = RecordContext>) -> Self {
        let shared = chain.before_augmentation();
        Self { chain, shared, contexts: contexts.into_iter().collect(), views: Vec::new() }
    }

    /// How many views a picture has.
    pub fn count(&self) -> usize {
        self.contexts.len()
    }

    /// Gives the views of a picture, in their order, in the memory of those of the picture before.
    ///
    /// # Errors
    /// [`OperatorError`] from the first operator that can't take it.
    pub fn views(&mut self, record: Record) -> Result<&[Record], OperatorError> {
        const BOTH: [RecordContext; 2] = [RecordContext::PLAIN, RecordContext::MIRRORED];
        let Self { chain, shared, contexts, views } = self;
        views.drain(..).for_each(|view| chain.keep(view));
        let record = chain.apply_part(0..*shared, record, &RecordContext::PLAIN)?;
        let rest = *shared..chain.len();
        let mut contexts = contexts.as_slice();
        if let Some(others) = contexts.strip_prefix(&BOTH)
            && let Some((plain, mirrored)) = chain.plain_and_mirrored(*shared, &record)?
        {
            views.extend([plain, mirrored]);
            contexts = others;
        }
        let Some((last, others)) = contexts.split_last() else {
            chain.keep(record);
            return Ok(views);
        };
        for context in others {
            let copy = chain.copy(&record);
            views.push(chain.apply_part(rest.clone(), copy, context)?);
        }
        views.push(chain.apply_part(rest, record, last)?);
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
        let features = |record: &Record| match record {
            Record::Features { values, .. } => values.clone(),
            other => panic!("{} came out", other.kind()),
        };
        let mut way = ViewChain::new(chain(), contexts);
        let together = way.views(record()).unwrap();
        let alone = contexts.map(|context| features(&chain().apply(record(), &context).unwrap()));
        [together.iter().map(features).collect(), alone.into()]
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
        let mut way = ViewChain::new(chain, Views::PLAIN.contexts());
        assert_eq!(way.views(record.clone()).unwrap(), [record]);
    }
}
