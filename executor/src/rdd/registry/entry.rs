use std::any::TypeId;

use howdah_proto::lineage::OperatorSpec;

use super::{Kind, RegistryError, Transform};
use crate::rdd::{
    AnyCombiner, AnyForEach, AnyOperator, Function,
    function::{Step, Typed},
};

type Made<T> = Result<Box<T>, RegistryError>;

/// How a function is built from its spec, by what becomes of it.
#[derive(Clone, Copy)]
pub(super) enum Build {
    Operator(fn(&OperatorSpec) -> Made<dyn AnyOperator>),
    Transform(fn(&OperatorSpec) -> Result<Transform, RegistryError>),
    ForEach(fn(&OperatorSpec) -> Made<dyn AnyForEach>),
    Combiner(fn(&OperatorSpec) -> Made<dyn AnyCombiner>),
}

/// A registered function.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) version: u32,
    pub(super) kind: Kind,
    type_id: TypeId,
    type_name: &'static str,
    pub(super) build: Build,
}

impl Entry {
    pub(super) fn of<F: Function>(kind: Kind, build: Build) -> Self {
        let (type_id, type_name) = (TypeId::of::<F>(), std::any::type_name::<F>());
        Self { version: F::VERSION, kind, type_id, type_name, build }
    }

    /// Whether both are the same function, used in the same way.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.version, self.kind, self.type_id) == (other.version, other.kind, other.type_id)
    }

    /// Names it in words.
    pub(super) fn describe(&self) -> String {
        format!("`{}`, {} in version {}", self.type_name, self.kind, self.version)
    }
}

/// Reads a function and its parameters.
pub(super) fn read<F: Function>(spec: &OperatorSpec) -> Result<F, RegistryError> {
    let wrong = |reason: String| RegistryError::Params { name: spec.name.clone(), reason };
    let function: F =
        serde_json::from_value(spec.params.clone()).map_err(|error| wrong(error.to_string()))?;
    function.validate().map_err(wrong)?;
    Ok(function)
}

/// Builds a step of kind `K`.
pub(super) fn step<F: Function, K: 'static>() -> Build
where
    Typed<F, K>: Step,
{
    Build::Transform(|spec| Ok(Transform::Step(Box::new(Typed::<F, K>::new(read(spec)?)))))
}
