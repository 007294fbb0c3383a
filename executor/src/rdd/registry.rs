use std::collections::BTreeMap;

use howdah_proto::{lineage::OperatorSpec, registry::OperatorVersions};

use super::{AnyOperator, Operator};

type Build = fn(&OperatorSpec) -> Result<Box<dyn AnyOperator>, RegistryError>;

/// The operators that a binary knows, built by explicit calls in its `main`.
#[derive(Clone, Default)]
pub struct Registry {
    operators: BTreeMap<&'static str, (u32, Build)>,
}

/// An operator that can't be built from its spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The name isn't registered.
    #[error("operator `{name}` is not known here (known: {known})")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names that are registered.
        known: String,
    },
    /// The name is registered with another version.
    #[error("operator `{name}` is needed in version {needed}, but this build has version {has}")]
    Version {
        /// The name.
        name: String,
        /// The version asked for.
        needed: u32,
        /// The version that is registered.
        has: u32,
    },
    /// The parameters make no sense to the operator.
    #[error("operator `{name}` can't take these parameters: {reason}")]
    Params {
        /// The name.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

impl Registry {
    /// Makes a registry that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operator; a second one of the same name takes the first one's place.
    pub fn register<O: Operator>(&mut self) -> &mut Self {
        self.operators.insert(O::NAME, (O::VERSION, build::<O>));
        self
    }

    /// Makes an operator from its spec.
    ///
    /// # Errors
    /// [`RegistryError`], naming the operator.
    pub fn build(&self, spec: &OperatorSpec) -> Result<Box<dyn AnyOperator>, RegistryError> {
        let Some((version, build)) = self.operators.get(spec.name.as_str()) else {
            let known = self.operators.keys().copied().collect::<Vec<_>>().join(", ");
            return Err(RegistryError::Unknown { name: spec.name.clone(), known });
        };
        if *version != spec.version {
            return Err(RegistryError::Version {
                name: spec.name.clone(),
                needed: spec.version,
                has: *version,
            });
        }
        build(spec)
    }

    /// The names and versions, as they are compared at registration.
    pub fn versions(&self) -> OperatorVersions {
        self.operators.iter().map(|(name, (version, _))| ((*name).to_owned(), *version)).collect()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Registry").field(&self.versions()).finish()
    }
}

/// Writes an operator and its parameters down as a spec.
pub fn spec_of<O: Operator>(operator: &O) -> OperatorSpec {
    // A struct of plain fields always serialises; one that didn't would be refused when it is built again.
    let params = serde_json::to_value(operator).unwrap_or_default();
    OperatorSpec { name: O::NAME.to_owned(), version: O::VERSION, params }
}

fn build<O: Operator>(spec: &OperatorSpec) -> Result<Box<dyn AnyOperator>, RegistryError> {
    let wrong = |reason: String| RegistryError::Params { name: spec.name.clone(), reason };
    let operator: O =
        serde_json::from_value(spec.params.clone()).map_err(|error| wrong(error.to_string()))?;
    operator.validate().map_err(wrong)?;
    Ok(Box::new(operator))
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::rdd::{OperatorError, Record, RecordContext};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Even {
        size: u32,
    }

    impl Operator for Even {
        const NAME: &'static str = "even";
        const VERSION: u32 = 3;

        fn validate(&self) -> Result<(), String> {
            if self.size.is_multiple_of(2) { Ok(()) } else { Err("size must be even".to_owned()) }
        }

        fn apply(&mut self, record: Record, _: &RecordContext) -> Result<Record, OperatorError> {
            Ok(record)
        }
    }

    fn error(spec: &OperatorSpec) -> String {
        let mut registry = Registry::new();
        registry.register::<Even>();
        registry.build(spec).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_operator_is_built_from_its_own_spec() {
        assert_eq!(error(&spec_of(&Even { size: 2 })), "");
    }

    #[test]
    fn an_operator_that_can_not_be_built_is_named() {
        let good = spec_of(&Even { size: 2 });
        let unknown = OperatorSpec { name: "odd".to_owned(), ..good.clone() };
        assert!(error(&unknown).contains("`odd` is not known here (known: even)"));
        let newer = OperatorSpec { version: 4, ..good.clone() };
        assert!(error(&newer).contains("version 4, but this build has version 3"));
        let wrong = OperatorSpec { params: serde_json::json!({"size": 3}), ..good.clone() };
        assert!(error(&wrong).contains("size must be even"));
        let extra = OperatorSpec { params: serde_json::json!({"size": 2, "x": 1}), ..good };
        assert!(error(&extra).contains("unknown field"));
    }
}
