use std::ops::Range;

use howdah_proto::lineage::OperatorSpec;

use super::{
    AnyOperator, Fit, OperatorError, PictureView, Record, RecordContext, RowContent, SampleRow, Spare,
};
use crate::rdd::{Registry, RegistryError};

/// Operators one after the other; a loop, so that a long lineage does not recurse.
pub struct Chain {
    operators: Vec<Box<dyn AnyOperator>>,
    spare: Spare,
}

impl Chain {
    /// Builds every operator of a chain.
    ///
    /// # Errors
    /// [`RegistryError`] for the first that can't be built.
    pub fn build<'a>(
        registry: &Registry,
        specs: impl IntoIterator<Item = &'a OperatorSpec>,
    ) -> Result<Self, RegistryError> {
        let operators = specs.into_iter().map(|spec| registry.build(spec)).collect::<Result<_, _>>()?;
        Ok(Self { operators, spare: Spare::default() })
    }

    /// Sends one record through all operators.
    ///
    /// # Errors
    /// [`OperatorError`] from the first operator that can't take it.
    pub fn apply(&mut self, record: Record, context: &RecordContext) -> Result<Record, OperatorError> {
        self.apply_part(0..self.operators.len(), record, context)
    }

    /// Sends one record through some of the operators.
    pub(super) fn apply_part(
        &mut self,
        part: Range<usize>,
        mut record: Record,
        context: &RecordContext,
    ) -> Result<Record, OperatorError> {
        for operator in self.operators.get_mut(part).unwrap_or_default() {
            record = operator.apply(record, context, &mut self.spare)?;
        }
        Ok(record)
    }

    /// Takes back a record that is not needed any more, for its memory.
    pub fn keep(&mut self, record: Record) {
        self.spare.keep(record);
    }

    /// Copies a record into memory that was taken back.
    pub(super) fn copy(&mut self, record: &Record) -> Record {
        self.spare.copy(record)
    }

    /// Sends a row of a block through all operators.
    ///
    /// # Errors
    /// [`OperatorError`] from the first operator that can't take it.
    pub fn apply_to_row(
        &mut self,
        row: &SampleRow<'_>,
        context: &RecordContext,
    ) -> Result<Record, OperatorError> {
        let record = row.record(&mut self.spare);
        self.apply(record, context)
    }

    /// Sends a row of a block through all operators, and writes the features that come out into `out`. Operators that
    /// can work there do, so that nothing is allocated for a row.
    ///
    /// # Errors
    /// [`OperatorError`] from the first operator that can't take it; [`OperatorError::Mismatch`] if not as many features
    /// come out as `out` has room for.
    pub fn feed(
        &mut self,
        row: &SampleRow<'_>,
        context: &RecordContext,
        out: &mut [f32],
    ) -> Result<(), OperatorError> {
        let mut at = match row.content {
            RowContent::Features(values) if values.len() == out.len() => {
                out.copy_from_slice(values);
                At::Written
            }
            RowContent::Features(_) => At::Record(row.record(&mut self.spare)),
            RowContent::Picture(view) => At::Row(view),
        };
        for operator in &mut self.operators {
            at = match at {
                At::Row(view) if operator.write_features(view, out)? => At::Written,
                At::Row(_) => {
                    At::Record(operator.apply(row.record(&mut self.spare), context, &mut self.spare)?)
                }
                At::Record(Record::Picture { meta, picture }) => {
                    if operator.write_features(picture.view(), out)? {
                        self.spare.keep_pixels(picture.pixels);
                        At::Written
                    } else {
                        let record = Record::Picture { meta, picture };
                        At::Record(operator.apply(record, context, &mut self.spare)?)
                    }
                }
                At::Record(record) => At::Record(operator.apply(record, context, &mut self.spare)?),
                At::Written if operator.change_features(out)? => At::Written,
                At::Written => {
                    let row = SampleRow { content: RowContent::Features(out), ..*row };
                    At::Record(operator.apply(row.record(&mut self.spare), context, &mut self.spare)?)
                }
            };
        }
        let got = match at {
            At::Written => return Ok(()),
            At::Record(Record::Features { meta, values }) if values.len() == out.len() => {
                out.copy_from_slice(&values);
                self.spare.keep(Record::Features { meta, values });
                return Ok(());
            }
            At::Record(Record::Features { .. }) => {
                "another number of features: the pipeline needs a `resize`"
            }
            At::Record(record) => record.kind(),
            At::Row(_) => "a decoded picture",
        };
        Err(OperatorError::Mismatch { operator: "network", expected: "the same number of features", got })
    }

    /// How many features come out for a row of a block. An operator that is yet to be fitted, and gives as many features
    /// as it takes, is passed over.
    ///
    /// # Errors
    /// [`OperatorError`] from the first operator that can't take it; [`OperatorError::Mismatch`] if no features come out.
    pub fn width(&mut self, row: &SampleRow<'_>) -> Result<usize, OperatorError> {
        let mut record = row.record(&mut self.spare);
        for operator in &mut self.operators {
            if !(operator.keeps_features() && operator.fit().is_some()) {
                record = operator.apply(record, &RecordContext::PLAIN, &mut self.spare)?;
            }
        }
        match record {
            Record::Features { values, .. } => Ok(values.len()),
            other => {
                Err(OperatorError::Mismatch { operator: "network", expected: "features", got: other.kind() })
            }
        }
    }

    /// Sends a picture and its mirror image through the operators from place `first` on, if they begin with one that
    /// mirrors and one that gives features: where that knows how, those of the mirror image are put together from those
    /// of the picture.
    ///
    /// # Errors
    /// [`OperatorError`] from the first operator that can't take one of them.
    pub(super) fn plain_and_mirrored(
        &mut self,
        first: usize,
        record: &Record,
    ) -> Result<Option<(Record, Record)>, OperatorError> {
        let spare = &mut self.spare;
        let Some([mirror, describe, after @ ..]) = self.operators.get_mut(first..) else { return Ok(None) };
        let Record::Picture { picture, .. } = record else { return Ok(None) };
        if !mirror.mirrors() {
            return Ok(None);
        }
        let mut plain = describe.apply(spare.copy(record), &RecordContext::PLAIN, spare)?;
        let mut mirrored = None;
        if let Record::Features { meta, values } = &plain {
            let mut out = spare.values(values.len());
            out.resize(values.len(), 0.0);
            let knows_how = describe.mirror_features(picture.view(), values, &mut out);
            let record = Record::Features { meta: *meta, values: out };
            if knows_how {
                mirrored = Some(record);
            } else {
                spare.keep(record);
            }
        }
        for operator in after {
            plain = operator.apply(plain, &RecordContext::PLAIN, spare)?;
            if let Some(record) = mirrored {
                mirrored = Some(operator.apply(record, &RecordContext::MIRRORED, spare)?);
            }
        }
        let mirrored = match mirrored {
            Some(mirrored) => mirrored,
            None => {
                let copy = spare.copy(record);
                self.apply_part(first..self.operators.len(), copy, &RecordContext::MIRRORED)?
            }
        };
        Ok(Some((plain, mirrored)))
    }

    /// How many operators there are.
    pub(super) fn len(&self) -> usize {
        self.operators.len()
    }

    /// How many operators come before the first that augments: what they give is the same for all views.
    pub(super) fn before_augmentation(&self) -> usize {
        self.operators.iter().position(|operator| operator.augments()).unwrap_or(self.operators.len())
    }

    /// The first operator that lacks parameters, with those before it as a chain of their own; none if all have theirs.
    pub fn into_unfitted(mut self) -> Option<Unfitted> {
        let found = self
            .operators
            .iter()
            .enumerate()
            .find_map(|(place, operator)| Some((place, operator.fit()?, operator.keeps_features())));
        let (place, fit, keeps_features) = found?;
        self.operators.truncate(place);
        Some(Unfitted { place, before: self, fit, keeps_features })
    }
}

/// An operator in a chain that lacks parameters.
pub struct Unfitted {
    /// Its place in the chain.
    pub place: usize,
    /// The operators before it.
    pub before: Chain,
    /// What finds its parameters.
    pub fit: Box<dyn Fit>,
    /// Whether it gives as many features as it takes.
    pub keeps_features: bool,
}

/// Where the features of a row are on their way.
enum At<'a> {
    /// In the block.
    Row(PictureView<'a>),
    /// In a record.
    Record(Record),
    /// Where they belong.
    Written,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rdd::{Packed, Samples, spec_of},
        vision::{Flatten, Flip, Normalise, Standardise, register, testing},
    };

    fn chain(specs: &[OperatorSpec]) -> Chain {
        let mut registry = Registry::new();
        register(&mut registry);
        Chain::build(&registry, specs).unwrap()
    }

    fn block(records: &[Record]) -> Samples {
        let mut samples = Samples::default();
        records.iter().for_each(|record| samples.push("", std::slice::from_ref(record)).unwrap());
        samples
    }

    fn pictures() -> Samples {
        let picture = |key| {
            let picture = testing::gray(3, 2, |x, y| (50 * x + 20 * y) as u8 + key as u8);
            Record::Picture { meta: testing::meta(key), picture }
        };
        block(&[picture(1), picture(2), picture(3)])
    }

    fn fitted(features: usize) -> OperatorSpec {
        let mut operator = Standardise::new(1e-3, Some(1.0));
        operator.mean = Packed::new((0..features).map(|feature| feature as f32).collect());
        operator.variance = Packed::new(vec![4.0; features]);
        spec_of(&operator)
    }

    #[test]
    fn a_row_that_is_fed_in_place_is_what_its_record_becomes() {
        let normalise = spec_of(&Normalise { scale: 0.1, offset: 3.0 });
        let flip = spec_of(&Flip { probability: 0.5 });
        let (flat, standard) = (spec_of(&Flatten {}), fitted(6));
        let features = block(&[Record::Features {
            meta: testing::meta(4),
            values: vec![1.0, -2.0, 3.0, 9.0, 0.0, 7.0],
        }]);
        let pipelines: [(&Samples, Vec<OperatorSpec>); 5] = [
            (&pictures(), vec![flat.clone(), normalise.clone()]),
            (&pictures(), vec![flip, flat.clone(), standard.clone(), normalise.clone()]),
            (&pictures(), vec![flat]),
            (&features, vec![standard, normalise]),
            (&features, vec![]),
        ];
        for (samples, specs) in pipelines {
            let (mut fed, mut applied) = (chain(&specs), chain(&specs));
            for picture in 0..samples.len() {
                let (row, context) = (samples.row(picture, 0).unwrap(), testing::training(picture as u32));
                let mut out = vec![f32::NAN; fed.width(&row).unwrap()];
                fed.feed(&row, &context, &mut out).unwrap();
                let Record::Features { values, .. } = applied.apply_to_row(&row, &context).unwrap() else {
                    panic!()
                };
                assert_eq!(out, values, "{specs:?}");
            }
        }
    }

    #[test]
    fn a_row_that_gives_other_features_than_the_network_takes_is_refused() {
        let samples = pictures();
        let row = samples.row(0, 0).unwrap();
        let error = |specs: &[OperatorSpec]| {
            chain(specs).feed(&row, &testing::PLAIN, &mut [0.0; 5]).unwrap_err().to_string()
        };
        assert!(error(&[spec_of(&Flatten {})]).contains("another number of features"));
        assert!(error(&[]).contains("takes the same number of features, not a decoded picture"));
        assert!(error(&[spec_of(&Flip { probability: 1.0 })]).contains("not a decoded picture"));
        assert!(chain(&[]).width(&row).unwrap_err().to_string().contains("takes features"));
    }

    #[test]
    fn an_operator_that_is_yet_to_be_fitted_is_found_with_those_before_it() {
        let unfitted = spec_of(&Standardise::new(1e-3, None));
        let specs =
            [spec_of(&Flatten {}), fitted(6), unfitted, spec_of(&Normalise { scale: 1.0, offset: 0.0 })];
        let samples = pictures();
        let row = samples.row(0, 0).unwrap();
        assert_eq!(chain(&specs).width(&row), Ok(6));
        assert!(chain(&specs).apply_to_row(&row, &testing::PLAIN).is_err());
        let mut found = chain(&specs).into_unfitted().unwrap();
        assert_eq!((found.place, found.keeps_features), (2, true));
        assert!(matches!(found.before.apply_to_row(&row, &testing::PLAIN), Ok(Record::Features { .. })));
        assert!(chain(&specs[..2]).into_unfitted().is_none());
    }

    #[test]
    fn what_comes_before_augmentation_is_counted() {
        let (flip, flat) = (spec_of(&Flip { probability: 1.0 }), spec_of(&Flatten {}));
        let before = |specs: &[OperatorSpec]| chain(specs).before_augmentation();
        assert_eq!(before(&[flat.clone(), flip.clone(), flat.clone()]), 1);
        assert_eq!(before(&[flat.clone(), flat]), 2);
        assert_eq!(before(&[flip]), 0);
    }
}
