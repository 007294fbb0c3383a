//! The functions that a binary knows.

mod entry;
mod error;
mod kind;

use std::collections::BTreeMap;

use howdah_proto::{lineage::OperatorSpec, registry::OperatorVersions};

pub use error::RegistryError;
pub use kind::Kind;

use self::entry::{Build, Entry, read, step};
use super::{
    Aggregate, AnyCombiner, AnyForEach, AnyMapPartitions, AnyOperator, Combine, Filter, FlatMap,
    FlatMapValues, ForEach, Function, KeyBy, Map, MapPartitions, MapValues, Max, Min, Number, Operator,
    Reduce, Step, Sum, function as of,
};

/// The functions that a binary knows, built by explicit calls in its `main`.
///
/// A name has one function of one kind. If another one is registered by the same name, the first stays, and neither
/// [`Self::check`] nor a use of the name succeeds any more.
#[derive(Clone)]
pub struct Registry {
    entries: BTreeMap<&'static str, Entry>,
    conflicts: Vec<RegistryError>,
}

/// What a function in a lineage does to the records of a partition.
pub enum Transform {
    /// Something to one after the other.
    Step(Box<dyn Step>),
    /// Something to all.
    Partition(Box<dyn AnyMapPartitions>),
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// Makes a registry that knows [`Sum`], [`Min`] and [`Max`] of each type of numbers.
    pub fn new() -> Self {
        let mut registry = Self { entries: BTreeMap::new(), conflicts: Vec::new() };
        registry.number::<u32>().number::<u64>().number::<i32>().number::<i64>();
        registry.number::<f32>().number::<f64>();
        registry
    }

    fn number<N: Number>(&mut self) -> &mut Self {
        self.reduce::<Sum<N>>().reduce::<Min<N>>().reduce::<Max<N>>()
    }

    /// Adds an operator on pictures.
    pub fn register<O: Operator>(&mut self) -> &mut Self {
        self.add::<O>(Kind::Operator, Build::Operator(|spec| Ok(Box::new(read::<O>(spec)?))))
    }

    /// Adds a map.
    pub fn map<F: Map>(&mut self) -> &mut Self {
        self.add::<F>(Kind::Map, step::<F, of::Mapped>())
    }

    /// Adds a filter.
    pub fn filter<F: Filter>(&mut self) -> &mut Self {
        self.add::<F>(Kind::Filter, step::<F, of::Filtered>())
    }

    /// Adds a flat map.
    pub fn flat_map<F: FlatMap>(&mut self) -> &mut Self {
        self.add::<F>(Kind::FlatMap, step::<F, of::FlatMapped>())
    }

    /// Adds a map of values.
    pub fn map_values<F: MapValues>(&mut self) -> &mut Self {
        self.add::<F>(Kind::MapValues, step::<F, of::ValuesMapped>())
    }

    /// Adds a flat map of values.
    pub fn flat_map_values<F: FlatMapValues>(&mut self) -> &mut Self {
        self.add::<F>(Kind::FlatMapValues, step::<F, of::ValuesFlatMapped>())
    }

    /// Adds a key.
    pub fn key_by<F: KeyBy>(&mut self) -> &mut Self {
        self.add::<F>(Kind::KeyBy, step::<F, of::Keyed>())
    }

    /// Adds a map of partitions.
    pub fn map_partitions<F: MapPartitions>(&mut self) -> &mut Self {
        let build = Build::Transform(|spec| {
            Ok(Transform::Partition(Box::new(of::Typed::<F, of::PartitionsMapped>::new(read(spec)?))))
        });
        self.add::<F>(Kind::MapPartitions, build)
    }

    /// Adds an action on each record.
    pub fn for_each<F: ForEach>(&mut self) -> &mut Self {
        let build = Build::ForEach(|spec| Ok(Box::new(of::Typed::<F, of::Visited>::new(read(spec)?))));
        self.add::<F>(Kind::ForEach, build)
    }

    /// Adds a reduction.
    pub fn reduce<F: Reduce>(&mut self) -> &mut Self {
        self.add::<F>(Kind::Reduce, Build::Combiner(|spec| Ok(Box::new(of::Reducer::<F>::new(read(spec)?)))))
    }

    /// Adds an aggregation.
    pub fn aggregate<F: Aggregate>(&mut self) -> &mut Self {
        let build = Build::Combiner(|spec| Ok(Box::new(of::Aggregator::<F>::new(read(spec)?))));
        self.add::<F>(Kind::Aggregate, build)
    }

    /// Adds a combination.
    pub fn combine<F: Combine>(&mut self) -> &mut Self {
        let build = Build::Combiner(|spec| Ok(Box::new(of::Gatherer::<F>::new(read(spec)?))));
        self.add::<F>(Kind::Combine, build)
    }

    /// Makes an operator on pictures from its spec.
    ///
    /// # Errors
    /// [`RegistryError`], naming the operator.
    pub fn build(&self, spec: &OperatorSpec) -> Result<Box<dyn AnyOperator>, RegistryError> {
        match self.find(spec)? {
            Entry { build: Build::Operator(build), .. } => build(spec),
            other => Err(wrong(spec, other, Kind::Operator.article())),
        }
    }

    /// Makes what a function in a lineage does to records.
    ///
    /// # Errors
    /// [`RegistryError`], naming the function.
    pub fn transform(&self, spec: &OperatorSpec) -> Result<Transform, RegistryError> {
        match self.find(spec)? {
            Entry { build: Build::Transform(build), .. } => build(spec),
            other => Err(wrong(spec, other, "a transformation of records")),
        }
    }

    /// Makes what is done with each record.
    ///
    /// # Errors
    /// [`RegistryError`], naming the function.
    pub fn action(&self, spec: &OperatorSpec) -> Result<Box<dyn AnyForEach>, RegistryError> {
        match self.find(spec)? {
            Entry { build: Build::ForEach(build), .. } => build(spec),
            other => Err(wrong(spec, other, Kind::ForEach.article())),
        }
    }

    /// Makes what merges values.
    ///
    /// # Errors
    /// [`RegistryError`], naming the function.
    pub fn combiner(&self, spec: &OperatorSpec) -> Result<Box<dyn AnyCombiner>, RegistryError> {
        match self.find(spec)? {
            Entry { build: Build::Combiner(build), .. } => build(spec),
            other => Err(wrong(spec, other, "a reduction, an aggregation or a combination")),
        }
    }

    /// Checks that a function is known, is of a kind, and takes its parameters.
    ///
    /// # Errors
    /// [`RegistryError`], naming the function.
    pub fn expect(&self, spec: &OperatorSpec, kind: Kind) -> Result<(), RegistryError> {
        let entry = self.find(spec)?;
        if entry.kind != kind {
            return Err(wrong(spec, entry, kind.article()));
        }
        match entry.build {
            Build::Operator(build) => build(spec).map(|_| ()),
            Build::Transform(build) => build(spec).map(|_| ()),
            Build::ForEach(build) => build(spec).map(|_| ()),
            Build::Combiner(build) => build(spec).map(|_| ()),
        }
    }

    /// Checks that no two functions want the same name.
    ///
    /// # Errors
    /// [`RegistryError::Conflict`], the first there is.
    pub fn check(&self) -> Result<(), RegistryError> {
        self.conflicts.first().cloned().map_or(Ok(()), Err)
    }

    /// The names and versions, as they are compared at registration.
    pub fn versions(&self) -> OperatorVersions {
        self.entries.iter().map(|(name, entry)| ((*name).to_owned(), entry.version)).collect()
    }

    /// The names and versions of the operators on pictures.
    pub fn operators(&self) -> BTreeMap<&'static str, u32> {
        let operators = self.entries.iter().filter(|(_, entry)| entry.kind == Kind::Operator);
        operators.map(|(name, entry)| (*name, entry.version)).collect()
    }

    fn add<F: Function>(&mut self, kind: Kind, build: Build) -> &mut Self {
        let entry = Entry::of::<F>(kind, build);
        let first = self.entries.entry(F::NAME).or_insert(entry);
        if !first.is(&entry) {
            let (first, second) = (first.describe(), entry.describe());
            self.conflicts.push(RegistryError::Conflict { name: F::NAME.to_owned(), first, second });
        }
        self
    }

    fn find(&self, spec: &OperatorSpec) -> Result<&Entry, RegistryError> {
        let Some(entry) = self.entries.get(spec.name.as_str()) else {
            let known = self.entries.keys().copied().collect::<Vec<_>>().join(", ");
            return Err(RegistryError::Unknown { name: spec.name.clone(), known });
        };
        let conflict = self
            .conflicts
            .iter()
            .find(|conflict| matches!(conflict, RegistryError::Conflict { name, .. } if *name == spec.name));
        if let Some(conflict) = conflict {
            return Err(conflict.clone());
        }
        if entry.version != spec.version {
            let (needed, has) = (spec.version, entry.version);
            return Err(RegistryError::Version { name: spec.name.clone(), needed, has });
        }
        Ok(entry)
    }
}

fn wrong(spec: &OperatorSpec, entry: &Entry, used: &'static str) -> RegistryError {
    RegistryError::Kind { name: spec.name.clone(), is: entry.kind, used }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Registry").field(&self.versions()).finish()
    }
}

#[cfg(test)]
mod tests;
