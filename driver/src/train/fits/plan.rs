use howdah_executor::rdd::{Registry, Wanted};
use howdah_proto::settings::Pipeline;

/// An operator that lacks parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToFit {
    /// Its place in the pipeline: those that prepare come first, then those that feed.
    pub place: u32,
    /// What it is called.
    pub operator: String,
    /// How many records it wants to see.
    pub wanted: Wanted,
}

/// Finds the operators of a pipeline that lack parameters, in their order.
///
/// # Errors
/// The operator that is not known, can't take its parameters, or lacks some where it can't be fitted.
pub fn operators_to_fit(registry: &Registry, pipeline: &Pipeline) -> Result<Vec<ToFit>, String> {
    let mut to_fit = Vec::new();
    for (place, spec) in pipeline.prepare.iter().chain(&pipeline.feed).enumerate() {
        let operator = registry.build(spec).map_err(|error| error.to_string())?;
        let Some(fit) = operator.fit() else { continue };
        if place >= pipeline.prepare.len() && !operator.keeps_features() {
            // The network's size must be known when its pictures are prepared.
            return Err(format!(
                "operator `{}` is yet to be fitted: that is done in `prepare`, not in `feed`",
                spec.name
            ));
        }
        to_fit.push(ToFit { place: place as u32, operator: spec.name.clone(), wanted: fit.wanted() });
    }
    Ok(to_fit)
}

#[cfg(test)]
mod tests {
    use howdah_executor::{
        rdd::spec_of,
        vision::{Flatten, Standardise, register},
    };

    use super::*;

    #[test]
    fn operators_without_their_parameters_are_found_wherever_they_stand() {
        let mut registry = Registry::new();
        register(&mut registry);
        let (flat, standard) = (spec_of(&Flatten {}), spec_of(&Standardise::new(1e-3, None)));
        let pipeline = Pipeline::new(vec![flat.clone(), standard.clone()], vec![flat.clone(), standard]);
        let found = operators_to_fit(&registry, &pipeline).unwrap();
        let places: Vec<(u32, &str)> =
            found.iter().map(|found| (found.place, found.operator.as_str())).collect();
        assert_eq!(places, [(1, "standardise"), (3, "standardise")]);
        assert_eq!(found[0].wanted, Wanted::All);
        assert_eq!(operators_to_fit(&registry, &Pipeline::new(vec![flat.clone()], vec![])), Ok(vec![]));
        let unknown = operators_to_fit(&Registry::new(), &Pipeline::new(vec![], vec![flat])).unwrap_err();
        assert!(unknown.contains("`flatten` is not known here"), "{unknown}");
    }
}
