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
