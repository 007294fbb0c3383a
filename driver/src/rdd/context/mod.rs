//! Contexts: where RDDs begin, and what runs their actions.

mod builder;
mod cluster;
mod options;
mod run;
mod shared;
mod sources;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use howdah_executor::rdd::Registry;

use super::{ContextError, lineage::Graph, wire::Connection};
pub use builder::ContextBuilder;
use cluster::OwnCluster;
pub use options::RunOptions;
pub(super) use run::Job;
use shared::Sums;

/// Where RDDs begin: an open connection to a driver, and the lineage of everything that was made from it.
///
/// Copies share both, and may have other options. A context is closed when its last copy and its last RDD are gone,
/// or by [`Self::stop`]: its jobs are cancelled then, and what executors keep for it is dropped.
///
/// ```
/// use howdah_driver::rdd::{Context, Sum};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), howdah_driver::rdd::ContextError> {
/// let context = Context::builder().in_process(2).start().await?;
/// let numbers = context.range(0..1000, 8);
/// assert_eq!(numbers.count().await?, 1000);
/// assert_eq!(numbers.reduce(Sum::default()).await?, 499_500);
/// context.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
    options: Arc<RunOptions>,
}

struct Inner {
    registry: Registry,
    connection: Connection,
    graph: Mutex<Graph>,
    sums: Mutex<Sums>,
    /// Held while the driver gets what it lacks, so that nodes arrive in their order.
    shipping: tokio::sync::Mutex<()>,
    cluster: Mutex<Option<OwnCluster>>,
}

impl Context {
    /// Opens a context of the driver at `http://host:port`. `registry` has the program's functions, which every executor
    /// must have, too.
    ///
    /// # Errors
    /// [`ContextError::Connect`]; [`ContextError::Refused`] if an executor lacks a function.
    pub async fn connect(address: &str, registry: Registry) -> Result<Self, ContextError> {
        Self::builder().registry(registry).driver(address).start().await
    }

    /// Begins a context: of a driver, or of a cluster of its own on this machine.
    pub fn builder() -> ContextBuilder {
        ContextBuilder::default()
    }

    fn new(registry: Registry, connection: Connection, cluster: Option<OwnCluster>) -> Self {
        let inner = Inner {
            registry,
            connection,
            graph: Mutex::default(),
            sums: Mutex::default(),
            shipping: tokio::sync::Mutex::default(),
            cluster: Mutex::new(cluster),
        };
        Self { inner: Arc::new(inner), options: Arc::default() }
    }

    /// A context that knows these functions, and has no driver.
    #[cfg(test)]
    pub(super) fn detached(registry: Registry) -> Self {
        Self::new(registry, Connection::nowhere(), None)
    }

    /// Where its driver is.
    pub fn address(&self) -> &str {
        self.inner.connection.address()
    }

    /// How its jobs run.
    pub fn options(&self) -> &RunOptions {
        &self.options
    }

    /// The same context, whose jobs run otherwise.
    #[must_use]
    pub fn with_options(&self, options: RunOptions) -> Self {
        Self { inner: self.inner.clone(), options: Arc::new(options) }
    }

    /// The same context, whose jobs are called like this.
    #[must_use]
    pub fn with_name(&self, name: impl Into<String>) -> Self {
        self.with_options(RunOptions { name: Some(name.into()), ..RunOptions::clone(&self.options) })
    }

    /// The same context, whose jobs share this pool.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), howdah_driver::rdd::ContextError> {
    /// # let context = howdah_driver::rdd::Context::builder().in_process(1).start().await?;
    /// let numbers = context.range(0..10, 2);
    /// let urgent = context.with_pool("urgent").with_name("how many?");
    /// assert_eq!(numbers.within(&urgent).count().await?, 10);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_pool(&self, pool: impl Into<String>) -> Self {
        self.with_options(RunOptions { pool: pool.into(), ..RunOptions::clone(&self.options) })
    }

    /// The same context, the results of whose jobs may take so many bytes.
    #[must_use]
    pub fn with_result_limit(&self, bytes: u64) -> Self {
        self.with_options(RunOptions { result_limit_bytes: bytes, ..RunOptions::clone(&self.options) })
    }

    /// The same context, whose jobs fail when there is no executor for so long.
    #[must_use]
    pub fn with_executor_wait(&self, wait: Duration) -> Self {
        self.with_options(RunOptions { executor_wait: Some(wait), ..RunOptions::clone(&self.options) })
    }

    /// Ends the cluster that was started for this context, and waits until all of it is gone. A context of a driver
    /// elsewhere closes when its last copy and RDD are dropped.
    pub async fn stop(self) {
        let cluster = lock(&self.inner.cluster).take();
        drop(self);
        if let Some(cluster) = cluster {
            cluster.stop().await;
        }
    }

    /// Whether both are copies of the same context.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    pub(super) fn graph(&self) -> MutexGuard<'_, Graph> {
        lock(&self.inner.graph)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.inner.connection
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("driver", &self.address()).field("options", &self.options).finish()
    }
}

/// Locks plain data, which is whole between any two of its operations.
fn lock<T>(data: &Mutex<T>) -> MutexGuard<'_, T> {
    data.lock().unwrap_or_else(PoisonError::into_inner)
}
