//! A cluster of processes that know the functions of the tests.

use std::{
    collections::BTreeMap,
    future::Future,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use howdah_driver::rdd::{Context, ContextError, Registry, RunOptions};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::functions::{Gate, registry};
use crate::process::{Process, Signal};

const BINARY: &str = "howdah-rdd-tests";

/// A driver and executors, each a process. All are killed when this is dropped.
#[derive(Debug)]
pub struct RddCluster {
    executors: Mutex<BTreeMap<String, Process>>,
    flags: Vec<String>,
    url: String,
    // Dropped after the executors, so that none of them says that its driver is gone.
    driver: Mutex<Process>,
    folder: TempDir,
    runtime: Runtime,
}

impl RddCluster {
    /// Starts a driver and so many executors with one task slot each, `executor-1` and so on.
    pub fn start(executors: u32) -> Self {
        Self::with(executors, &["--slots", "1"])
    }

    /// Starts a driver and executors with flags of their own, and waits until all have joined.
    ///
    /// # Panics
    /// A process can't be started, or an executor does not join.
    pub fn with(executors: u32, executor_flags: &[&str]) -> Self {
        Self::with_driver(&[], executors, executor_flags)
    }

    /// The same, with a driver that takes an executor for lost after two seconds of silence.
    pub fn impatient(executors: u32, executor_flags: &[&str]) -> Self {
        let heartbeats = ["--heartbeat-interval", "0.2", "--heartbeat-timeout", "2"];
        Self::with_driver(&heartbeats, executors, executor_flags)
    }

    fn with_driver(driver_flags: &[&str], executors: u32, executor_flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the cluster");
        let work_dir = folder.path().to_str().expect("its name is UTF-8");
        let fixed = ["serve", "--listen", "127.0.0.1:0", "--work-dir", work_dir];
        let mut driver = Process::start(BINARY, fixed.iter().chain(driver_flags), folder.path());
        let line = driver.wait_for_line("the driver listens at ");
        let url = line.rsplit(' ').next().expect("a line has a last word").to_owned();
        let cluster = Self {
            executors: Mutex::default(),
            flags: executor_flags.iter().map(|flag| (*flag).to_owned()).collect(),
            url,
            driver: Mutex::new(driver),
            folder,
            runtime: Runtime::new().expect("a runtime"),
        };
        let names: Vec<String> = (1..=executors).map(|number| format!("executor-{number}")).collect();
        let started: Vec<Process> = names.iter().map(|name| cluster.spawn(BINARY, name)).collect();
        for (name, mut executor) in names.into_iter().zip(started) {
            executor.wait_for_line("has joined");
            cluster.lock().insert(name, executor);
        }
        cluster
    }

    /// The address of the driver.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends the driver a signal.
    pub fn signal_driver(&self, signal: Signal) {
        self.driver.lock().unwrap_or_else(PoisonError::into_inner).send(signal);
    }

    /// A folder that lives as long as the cluster.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Opens a context with the functions of the tests. Only a loss or a failure makes a task of it run again.
    ///
    /// # Panics
    /// The driver refuses it.
    pub fn context(&self) -> Context {
        without_speculation(&self.block_on(self.connect(registry())).expect("the driver opens a context"))
    }

    /// Opens a context with other functions.
    ///
    /// # Errors
    /// [`ContextError`].
    pub async fn connect(&self, registry: Registry) -> Result<Context, ContextError> {
        Context::connect(&self.url, registry).await
    }

    /// Runs a future to its end, as a program that uses the cluster.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Begins to run a future, as a program that uses the cluster.
    pub fn spawn_on<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(future)
    }

    /// Waits until so many tasks run at once: an executor that has joined takes its first task a little later.
    ///
    /// # Panics
    /// They don't, within the deadline.
    pub fn wait_for_slots(&self, slots: u32) {
        let gate = tempfile::tempdir().expect("a folder for a gate");
        let tasks = self.context().parallelize(vec![0; slots as usize], slots).map(Gate::on(gate.path(), 0));
        let job = self.spawn_on(async move { tasks.count().await });
        Gate::wait_for(gate.path(), 0, slots as usize);
        Gate::open(gate.path(), 0);
        let ran = self.block_on(job).expect("the job does not panic").expect("the job ends well");
        assert_eq!(ran, u64::from(slots));
    }

    /// Starts another executor, and waits until it has joined.
    pub fn add(&self, name: &str) {
        let mut executor = self.spawn(BINARY, name);
        executor.wait_for_line("has joined");
        self.lock().insert(name.to_owned(), executor);
    }

    /// Starts an executor of another binary, and leaves it to the caller whether it joins.
    pub fn spawn(&self, binary: &str, name: &str) -> Process {
        // A binary with other commands is an executor as a whole.
        let role: &[&str] = if binary == "howdah-executor" { &[] } else { &["executor"] };
        let scratch = self.folder.path().join(name);
        let scratch = scratch.to_str().expect("its name is UTF-8");
        let fixed = ["--driver", &self.url, "--name", name, "--threads", "1", "--scratch", scratch];
        let flags = self.flags.iter().map(String::as_str);
        Process::start(binary, role.iter().copied().chain(fixed).chain(flags), self.folder.path())
    }

    /// Kills an executor with SIGKILL, and forgets it.
    pub fn kill(&self, name: &str) {
        self.take(name).send(Signal::KILL);
    }

    /// Stops an executor with SIGSTOP.
    pub fn stop(&self, name: &str) {
        self.send(name, Signal::STOP);
    }

    /// Lets an executor go on that was stopped.
    pub fn cont(&self, name: &str) {
        self.send(name, Signal::CONT);
    }

    /// Sends an executor a signal.
    pub fn send(&self, name: &str, signal: Signal) {
        let executors = self.lock();
        executors.get(name).unwrap_or_else(|| panic!("there is no {name}")).send(signal);
    }

    /// Takes the process of an executor out of the cluster.
    ///
    /// # Panics
    /// There is none of this name.
    pub fn take(&self, name: &str) -> Process {
        self.lock().remove(name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// The names of the executors that have not been killed.
    pub fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Process>> {
        self.executors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same context, in which a task that is slow is not tried elsewhere as well: how often one runs can be counted.
pub(super) fn without_speculation(context: &Context) -> Context {
    context.with_options(RunOptions { speculation: false, ..context.options().clone() })
}
