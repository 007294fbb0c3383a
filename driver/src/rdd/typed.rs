use std::{marker::PhantomData, sync::Arc};

use howdah_proto::lineage::NodeKind;

use super::{
    Context, ContextError,
    lineage::{Build, Made, Plan},
};

/// A collection of records of type `T` in partitions all over a cluster, that is computed when an action asks for it, and
/// again whenever a part of it was lost.
///
/// Transformations are lazy and can't fail: what is wrong with one is said by the first action. Copies are cheap.
#[must_use = "nothing is computed until an action asks for it"]
pub struct Rdd<T> {
    context: Context,
    plan: Result<Plan, Arc<ContextError>>,
    records: PhantomData<fn() -> T>,
}

impl<T> Clone for Rdd<T> {
    fn clone(&self) -> Self {
        Self { context: self.context.clone(), plan: self.plan.clone(), records: PhantomData }
    }
}

impl<T> std::fmt::Debug for Rdd<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rdd")
            .field("of", &std::any::type_name::<T>())
            .field("node", &self.plan.as_ref().map(|plan| plan.node))
            .field("partitions", &self.partitions())
            .finish()
    }
}

impl<T> Rdd<T> {
    pub(super) fn new(context: Context, plan: Result<Plan, ContextError>) -> Self {
        Self { context, plan: plan.map_err(Arc::new), records: PhantomData }
    }

    /// The context that it belongs to.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The same RDD, whose actions run with the options of another copy of its context.
    pub fn within(&self, context: &Context) -> Self {
        let same = context.is(&self.context);
        let elsewhere = || Arc::new(ContextError::bad("within", ELSEWHERE));
        let plan = if same { self.plan.clone() } else { Err(elsewhere()) };
        Self { context: context.clone(), plan, records: PhantomData }
    }

    /// How many partitions it has; 0 if it can't be computed.
    pub fn partitions(&self) -> u32 {
        self.plan.as_ref().map_or(0, |plan| plan.partitions)
    }

    /// The same RDD; shuffles that follow make so many partitions, rather than as many as there are now.
    pub fn shuffle_into(&self, partitions: u32) -> Self {
        self.derive("shuffle_into", |build, plan| {
            let partitions = build.partitions(u64::from(partitions.max(1)))?;
            Ok(Plan { wished: Some(partitions), ..plan.clone() })
        })
    }

    pub(super) fn plan(&self) -> Result<&Plan, ContextError> {
        self.plan.as_ref().map_err(|error| ContextError::clone(error))
    }

    /// Makes another RDD of this one.
    pub(super) fn derive<U>(
        &self,
        what: &'static str,
        step: impl FnOnce(&mut Build<'_>, &Plan) -> Result<Plan, ContextError>,
    ) -> Rdd<U> {
        let plan = self.plan.clone().and_then(|plan| {
            let mut graph = self.context.graph();
            let mut build = Build { graph: &mut graph, registry: self.context.registry(), what };
            step(&mut build, &plan).map_err(Arc::new)
        });
        Rdd { context: self.context.clone(), plan, records: PhantomData }
    }

    /// Makes another RDD of this one and a second one.
    pub(super) fn derive_with<O, U>(
        &self,
        other: &Rdd<O>,
        what: &'static str,
        step: impl FnOnce(&mut Build<'_>, &Plan, &Plan) -> Result<Plan, ContextError>,
    ) -> Rdd<U> {
        if !self.context.is(&other.context) {
            return Rdd::new(self.context.clone(), Err(ContextError::bad(what, ELSEWHERE)));
        }
        match &other.plan {
            Ok(second) => self.derive(what, |build, first| step(build, first, second)),
            Err(error) => {
                let plan = Err(self.plan.as_ref().err().unwrap_or(error).clone());
                Rdd { context: self.context.clone(), plan, records: PhantomData }
            }
        }
    }

    /// The records of several RDDs, one after the other.
    pub(super) fn join_all(context: &Context, what: &'static str, rdds: &[Self]) -> Self {
        let plans: Result<Vec<Plan>, _> = rdds.iter().map(|rdd| rdd.plan.clone()).collect();
        let plan = plans.and_then(|plans| {
            let mut graph = context.graph();
            let mut build = Build { graph: &mut graph, registry: context.registry(), what };
            if rdds.iter().any(|rdd| !rdd.context.is(context)) {
                return Err(Arc::new(build.wrong(ELSEWHERE)));
            }
            union(&mut build, &plans).map_err(Arc::new)
        });
        Self { context: context.clone(), plan, records: PhantomData }
    }
}

const ELSEWHERE: &str = "the RDDs belong to different contexts";

fn union(build: &mut Build<'_>, plans: &[Plan]) -> Result<Plan, ContextError> {
    let partitions = build.partitions(plans.iter().map(|plan| u64::from(plan.partitions)).sum())?;
    let marked = plans.iter().all(|plan| plan.shape == super::lineage::Shape::Marked);
    let made = if marked { Made::new(partitions) } else { Made::new(partitions).unmarked() };
    build.add(NodeKind::Union, &plans.iter().collect::<Vec<_>>(), made)
}
