use howdah_proto::lineage::OperatorSpec;

use super::{AnyOperator, OperatorError, Record, RecordContext};
use crate::rdd::{Registry, RegistryError};

/// Operators one after the other; a loop, so that a long lineage does not recurse.
pub struct Chain {
    operators: Vec<Box<dyn AnyOperator>>,
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
        Ok(Self { operators })
    }

    /// Sends one record through all operators.
    ///
    /// # Errors
    /// [`OperatorError`] from the first operator that can't take it.
    pub fn apply(&mut self, mut record: Record, context: &RecordContext) -> Result<Record, OperatorError> {
        for operator in &mut self.operators {
            record = operator.apply(record, context)?;
        }
        Ok(record)
    }
}
