use howdah_executor::rdd::{MAX_FITTED_BYTES, Registry};
use howdah_proto::lineage::OperatorSpec;

use crate::train::FitRequest;

/// Finds the parameters of an operator from what the partitions gathered; gives it with them. It may take seconds.
pub(in crate::engine) fn fit(registry: &Registry, request: FitRequest) -> Result<OperatorSpec, String> {
    let FitRequest { spec, seed, summaries, .. } = request;
    let operator = registry.build(&spec).map_err(|error| error.to_string())?;
    let mut fit = operator.fit().ok_or("it has its parameters already")?;
    for (partition, summary) in summaries {
        fit.merge(&summary).map_err(|error| format!("partition {partition}: {error}"))?;
    }
    let params = fit.finish(seed).map_err(|error| error.to_string())?;
    let bytes = params.to_string().len();
    if bytes > MAX_FITTED_BYTES {
        return Err(format!("its parameters take {bytes} bytes, and {MAX_FITTED_BYTES} at most may travel"));
    }
    let fitted = OperatorSpec { params, ..spec };
    match registry.build(&fitted) {
        Ok(operator) if operator.fit().is_none() => Ok(fitted),
        Ok(_) => Err("it still lacks parameters".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use howdah_executor::{
        rdd::{GatherContext, Operator, PictureMeta, Record, spec_of},
        vision::{Flatten, Standardise, register},
    };
    use howdah_proto::Partition;

    use super::*;

    fn fitted(spec: OperatorSpec, summaries: &[Vec<u8>]) -> Result<OperatorSpec, String> {
        let mut registry = Registry::new();
        register(&mut registry);
        let summaries = (0..).map(Partition).zip(summaries.iter().cloned().map(Bytes::from)).collect();
        fit(&registry, FitRequest { spec, place: 0, seed: 1, summaries })
    }

    fn summary(value: f32) -> Vec<u8> {
        let mut fit = Standardise::new(1e-3, None).fit().unwrap();
        let meta = PictureMeta { key: 0, label: 0 };
        let record = Record::Features { meta, values: vec![value] };
        fit.gather(&record, &GatherContext { seed: 0, records: 1 }).unwrap();
        fit.summary()
    }

    #[test]
    fn an_operator_gets_its_parameters_from_all_partitions() {
        let spec = spec_of(&Standardise::new(1e-3, None));
        let whole = fitted(spec.clone(), &[summary(1.0), summary(3.0)]).unwrap();
        let operator: Standardise = serde_json::from_value(whole.params).unwrap();
        assert_eq!(
            (operator.mean.unwrap().to_vec(), operator.variance.unwrap().to_vec()),
            (vec![2.0], vec![1.0])
        );
        assert_eq!((whole.name, whole.version), (spec.name, spec.version));
    }

    #[test]
    fn a_summary_that_makes_no_sense_is_named_by_its_partition() {
        let spec = spec_of(&Standardise::new(1e-3, None));
        let error = fitted(spec.clone(), &[summary(1.0), vec![1, 2, 3]]).unwrap_err();
        assert_eq!(error, "partition 1: a summary makes no sense: it is too short");
        assert!(fitted(spec, &[]).unwrap_err().contains("no training picture"));
        assert!(fitted(spec_of(&Flatten {}), &[]).unwrap_err().contains("it has its parameters already"));
    }
}
