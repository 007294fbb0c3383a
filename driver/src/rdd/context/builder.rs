use std::path::PathBuf;

use howdah_executor::rdd::Registry;

use super::{Context, cluster::OwnCluster};
use crate::{
    local::{LocalOptions, Placement, Restart},
    rdd::{ContextError, wire::Connection},
    scheduler::Pool,
};

/// What a context is made of. By default it starts a cluster on this machine with an executor process for each two
/// cores.
///
/// ```
/// # use howdah_driver::rdd::{Context, ContextError};
/// # #[tokio::main]
/// # async fn main() -> Result<(), ContextError> {
/// let context = Context::builder().in_process(2).slots(2).memory(64 << 20).name("trial").start().await?;
/// assert_eq!(context.parallelize(["a", "b"].map(String::from), 2).count().await?, 2);
/// context.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a context is there once it is started"]
pub struct ContextBuilder {
    name: String,
    registry: Registry,
    place: Place,
    slots: Option<u32>,
    memory_bytes: Option<u64>,
    folder: Option<PathBuf>,
    pools: Vec<Pool>,
}

#[derive(Debug, Clone)]
enum Place {
    Driver(String),
    Local { executors: Option<u32>, placement: Placement },
}

impl Default for ContextBuilder {
    fn default() -> Self {
        Self {
            name: "howdah".to_owned(),
            registry: Registry::new(),
            place: Place::Local { executors: None, placement: Placement::Processes },
            slots: None,
            memory_bytes: None,
            folder: None,
            pools: Vec::new(),
        }
    }
}

impl ContextBuilder {
    /// Uses the cluster of the driver at `http://host:port`.
    pub fn driver(mut self, address: impl Into<String>) -> Self {
        self.place = Place::Driver(address.into());
        self
    }

    /// Starts a cluster of so many executor processes on this machine. They are this program, started again as
    /// `executor …`: its `main` must run that role then, as [`program`](crate::rdd::program) does.
    pub fn local(mut self, executors: u32) -> Self {
        self.place = Place::Local { executors: Some(executors), placement: Placement::Processes };
        self
    }

    /// Starts a cluster of so many executors in this process. They talk over TCP as others do, and share one fate.
    pub fn in_process(mut self, executors: u32) -> Self {
        self.place = Place::Local { executors: Some(executors), placement: Placement::InProcess };
        self
    }

    /// How many tasks an executor of the local cluster runs at once.
    pub fn slots(mut self, slots: u32) -> Self {
        self.slots = Some(slots);
        self
    }

    /// How many bytes of memory an executor of the local cluster uses for blocks and shuffles.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory_bytes = Some(bytes);
        self
    }

    /// The program's functions.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Adds a pool of jobs to the local cluster, see [`Context::with_pool`](super::Context::with_pool).
    pub fn pool(mut self, pool: Pool) -> Self {
        self.pools.push(pool);
        self
    }

    /// What the context is called where people see it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Where the logs of a local cluster go; a folder for temporary files by default.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Opens the context, and starts its cluster if it has one of its own.
    ///
    /// # Errors
    /// [`ContextError`]: two functions have the same name, the cluster does not come up, or the driver can't be reached.
    pub async fn start(self) -> Result<Context, ContextError> {
        let wrong = |reason| ContextError::Unregistered { transformation: "start", reason };
        self.registry.check().map_err(wrong)?;
        let operators = self.registry.versions();
        let (address, cluster) = match &self.place {
            Place::Driver(address) => (address.clone(), None),
            Place::Local { executors, placement } => {
                let cluster = OwnCluster::start(self.cluster(*executors, *placement)).await?;
                (cluster.url(), Some(cluster))
            }
        };
        match Connection::open(&address, &self.name, &operators).await {
            Ok(connection) => Ok(Context::new(self.registry, connection, cluster)),
            Err(error) => {
                if let Some(cluster) = cluster {
                    cluster.stop().await;
                }
                Err(error)
            }
        }
    }

    fn cluster(&self, executors: Option<u32>, placement: Placement) -> LocalOptions {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let executors = executors.unwrap_or(cores.div_ceil(2)).max(1);
        let slots = self.slots.unwrap_or_else(|| cores.div_ceil(executors)).max(1);
        LocalOptions {
            executors,
            paramservers: 0,
            slots,
            threads: 1,
            memory_bytes: self.memory_bytes,
            restart: Restart::Always,
            folder: self.folder.clone().unwrap_or_default(),
            registry: self.registry.clone(),
            placement,
            pools: self.pools.clone(),
        }
    }
}
