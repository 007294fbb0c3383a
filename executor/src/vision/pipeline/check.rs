use bytes::Bytes;
use howdah_proto::settings::Pipeline;

use super::PipelineError;
use crate::{
    rdd::{OperatorError, PictureMeta, Record, RecordContext, Registry, Spare},
    vision::synthetic::{Class, draw, encode},
};

/// Checks that every operator of a pipeline is known and takes what the one before it gives, and that it all ends in
/// features: by sending a picture through it.
///
/// # Errors
/// [`PipelineError`], naming the place and the operator.
pub fn check(pipeline: &Pipeline, registry: &Registry) -> Result<(), PipelineError> {
    let parts = [("prepare", &pipeline.prepare), ("feed", &pipeline.feed)];
    let places =
        parts.iter().flat_map(|(part, specs)| (1..).map(move |place| (part, place)).zip(specs.iter()));
    let meta = PictureMeta { key: 0, label: 0 };
    let bytes = encode(&draw(Class::Cat, 0, 0)).map(Bytes::from);
    let mut record =
        Record::Encoded { meta, bytes: bytes.map_err(|error| PipelineError::Form(error.to_string()))? };
    let mut spare = Spare::default();
    for ((part, place), spec) in places {
        let wrong = |reason: String| PipelineError::Operator {
            place: format!("{part}, number {place}"),
            operator: spec.name.clone(),
            reason,
        };
        let mut operator = registry.build(spec).map_err(|error| wrong(super::error::reason(error)))?;
        if operator.fit().is_some() && operator.keeps_features() {
            continue;
        }
        let meta = record.meta();
        match operator.apply(record, &RecordContext::PLAIN, &mut spare) {
            Ok(next) => record = next,
            // What is fitted later ends in features; how many, nobody knows yet.
            Err(OperatorError::Unfitted(_)) => record = Record::Features { meta, values: Vec::new() },
            Err(OperatorError::Mismatch { expected, got, .. }) => {
                return Err(wrong(format!("it takes {expected}, and what comes before it gives {got}")));
            }
            Err(OperatorError::Unusable(reason)) => return Err(wrong(reason)),
        }
    }
    match record {
        Record::Features { .. } => Ok(()),
        other => Err(PipelineError::End(other.kind())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rdd::spec_of,
        vision::{
            Color, Decode, Flatten, Normalise, Resize,
            pipeline::{Changes, PRESETS},
            register,
        },
    };

    fn refused(
        prepare: Vec<howdah_proto::lineage::OperatorSpec>,
        feed: Vec<howdah_proto::lineage::OperatorSpec>,
    ) -> String {
        let mut registry = Registry::new();
        register(&mut registry);
        check(&Pipeline::new(prepare, feed), &registry).unwrap_err().to_string()
    }

    #[test]
    fn every_preset_leads_to_features_whatever_its_size() {
        let mut registry = Registry::new();
        register(&mut registry);
        for preset in PRESETS {
            for size in [None, Some(32), Some(200)] {
                let pipeline = preset.build(&Changes { size, ..Changes::default() }).unwrap();
                check(&pipeline, &registry).unwrap();
            }
        }
    }

    #[test]
    fn what_stands_in_the_wrong_place_is_named() {
        let (decode, resize) = (spec_of(&Decode { color: Color::Gray }), spec_of(&Resize::new(8, 8)));
        let (flatten, normalise) = (spec_of(&Flatten {}), spec_of(&Normalise { scale: 1.0, offset: 0.0 }));
        let told = refused(vec![decode.clone(), normalise], vec![flatten]);
        assert!(
            told.contains("prepare, number 2, operator `normalise`: it takes features")
                && told.contains("a decoded picture"),
            "{told}"
        );
        let told = refused(vec![decode, resize], vec![]);
        assert!(told.contains("it ends with a decoded picture"), "{told}");
        assert!(refused(vec![], vec![]).contains("it ends with an encoded picture"));
    }
}
