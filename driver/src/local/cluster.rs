use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use howdah_executor::rdd::Registry;
use howdah_proto::event::Role;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    child::{ChildError, Program, Restart, Running},
    in_process,
    processes::Processes,
};
use crate::{
    driver::{Driver, DriverError, DriverOptions},
    scheduler::Pool,
};

/// A cluster on this machine.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// Executor processes.
    pub executors: u32,
    /// Parameter server processes.
    pub paramservers: u32,
    /// Task slots of each executor.
    pub slots: u32,
    /// Threads of each task slot.
    pub threads: u32,
    /// Bytes of blocks that each executor keeps; the executor's own default if absent.
    pub memory_bytes: Option<u64>,
    /// Whether an executor or parameter server that dies is started again.
    pub restart: Restart,
    /// Where logs and synthetic pictures go.
    pub folder: PathBuf,
    /// The operators that the driver knows, and executors in this process; other processes bring their own.
    pub registry: Registry,
    /// Where executors run.
    pub placement: Placement,
    /// The pools of jobs that share the cluster.
    pub pools: Vec<Pool>,
}

/// Where the executors of a local cluster run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Each in a process of its own: this program, started again.
    Processes,
    /// All in this process, as tasks.
    InProcess,
}

/// A cluster that doesn't come up.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The driver can't start.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// A child can't start.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// The own program can't be found.
    #[error("can't find this program's own file: {0}")]
    Program(String),
    /// A child ended before it joined.
    #[error("{name} ended before it joined the driver ({status}):\n{log}")]
    Died {
        /// The child.
        name: String,
        /// How it ended.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// The children did not join in time.
    #[error("the cluster did not come up within {} s; the logs are in {}", .0.as_secs(), .1.display())]
    Slow(Duration, PathBuf),
}

/// A running cluster. All its processes are gone when [`Self::shutdown`] returns, and when this process dies.
#[derive(Debug)]
pub struct LocalCluster {
    driver: Driver,
    stop: CancellationToken,
    children: JoinSet<()>,
    processes: Processes,
    executors: u32,
    paramservers: u32,
    folder: PathBuf,
    scratch: PathBuf,
}

const START_TIMEOUT: Duration = Duration::from_secs(60);
const RESTART_PAUSE: Duration = Duration::from_millis(500);

impl LocalCluster {
    /// Starts a driver in this process and the other roles as children, and waits until all have joined.
    ///
    /// # Errors
    /// [`LocalError`], with the end of the log of a child that failed.
    pub async fn start(options: LocalOptions) -> Result<Self, LocalError> {
        let registry = options.registry.clone();
        let pools = options.pools.clone();
        let driver_options =
            DriverOptions { registry, pools, ..DriverOptions::loopback(options.folder.clone()) };
        let driver = Driver::start(driver_options).await?;
        let (died, mut deaths) = mpsc::channel(16);
        let mut cluster = Self {
            driver,
            stop: CancellationToken::new(),
            children: JoinSet::new(),
            processes: Processes::default(),
            executors: options.executors,
            paramservers: options.paramservers,
            folder: options.folder.clone(),
            scratch: scratch(&options),
        };
        create_logs(&options.folder)?;
        let program = std::env::current_exe().map_err(|error| LocalError::Program(error.to_string()))?;
        let url = cluster.driver.url();
        for number in 1..=options.paramservers {
            let child = paramserver(&options, &program, &url, number);
            cluster.supervise(child, Role::Paramserver, options.restart, &died)?;
        }
        for number in 1..=options.executors {
            let child = executor(&options, &program, &url, number);
            match options.placement {
                Placement::Processes => cluster.supervise(child, Role::Executor, options.restart, &died)?,
                Placement::InProcess => {
                    let task = in_process::executor(
                        child,
                        options.registry.clone(),
                        cluster.stop.clone(),
                        died.clone(),
                    );
                    cluster.children.spawn(task);
                }
            }
        }
        let joined = tokio::select! {
            joined = cluster.all_joined() => joined,
            Some(error) = deaths.recv() => Err(error),
        };
        match joined {
            Ok(()) => Ok(cluster),
            Err(error) => {
                cluster.shutdown().await;
                Err(error)
            }
        }
    }

    /// The address of the driver.
    pub fn url(&self) -> String {
        self.driver.url()
    }

    /// The children that run.
    pub fn processes(&self) -> Processes {
        self.processes.clone()
    }

    /// Waits until as many executors and parameter servers as were started have joined.
    ///
    /// # Errors
    /// [`LocalError::Slow`].
    pub async fn all_joined(&self) -> Result<(), LocalError> {
        let joined = self.driver.engine().wait_for_members(self.executors, self.paramservers);
        // The engine lives as long as the driver.
        tokio::time::timeout(START_TIMEOUT, joined)
            .await
            .map_or_else(|_| Err(LocalError::Slow(START_TIMEOUT, self.folder.clone())), |_| Ok(()))
    }

    /// Ends all processes of the cluster.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        while self.children.join_next().await.is_some() {}
        self.driver.shutdown().await;
        // What an executor left that was killed; there is nothing if none spilled.
        let _ = std::fs::remove_dir_all(&self.scratch);
    }

    fn supervise(
        &mut self,
        program: Program,
        role: Role,
        restart: Restart,
        died: &mpsc::Sender<LocalError>,
    ) -> Result<(), LocalError> {
        let running = program.start()?;
        let watched = Watched {
            program,
            role,
            restart,
            stop: self.stop.clone(),
            died: died.clone(),
            processes: self.processes.clone(),
        };
        self.children.spawn(watched.watch(running));
        Ok(())
    }
}

/// A child and who watches it.
struct Watched {
    program: Program,
    role: Role,
    restart: Restart,
    stop: CancellationToken,
    died: mpsc::Sender<LocalError>,
    processes: Processes,
}

impl Watched {
    /// Watches a child until the cluster stops, and starts it again if that is wanted.
    async fn watch(self, mut running: Running) {
        let name = &self.program.name;
        loop {
            self.processes.note(self.role, name, running.pid());
            let status = tokio::select! {
                () = self.stop.cancelled() => return running.end().await,
                status = running.wait() => {
                    status.map_or_else(|error| error.to_string(), |status| status.to_string())
                }
            };
            self.processes.note(self.role, name, None);
            tracing::warn!(name, %status, "a child ended");
            let log = self.program.last_words();
            // Nobody listens once the cluster is up: a death is then seen by the driver.
            let _ = self.died.try_send(LocalError::Died { name: name.clone(), status, log });
            if self.restart == Restart::Never {
                return;
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(RESTART_PAUSE) => {}
            }
            match self.program.start() {
                Ok(started) => running = started,
                Err(error) => return tracing::error!(%error, "a child can't be started again"),
            }
        }
    }
}

fn create_logs(folder: &Path) -> Result<(), ChildError> {
    let path = folder.join("logs");
    std::fs::create_dir_all(&path).map_err(|error| ChildError::Log {
        name: "the cluster".to_owned(),
        path,
        reason: error.to_string(),
    })
}

/// Where executors put what doesn't fit into memory.
fn scratch(options: &LocalOptions) -> PathBuf {
    options.folder.join("scratch")
}

fn paramserver(options: &LocalOptions, program: &Path, url: &str, number: u32) -> Program {
    child(options, program, "paramserver", number, vec!["--driver".into(), url.into()])
}

fn executor(options: &LocalOptions, program: &Path, url: &str, number: u32) -> Program {
    let mut arguments: Vec<OsString> = vec!["--driver".into(), url.into()];
    let mut flag = |name: &str, value: String| arguments.extend([name.into(), value.into()]);
    flag("--slots", options.slots.to_string());
    flag("--threads", options.threads.to_string());
    flag("--scratch", scratch(options).to_string_lossy().into_owned());
    if let Some(bytes) = options.memory_bytes {
        flag("--memory", bytes.to_string());
    }
    child(options, program, "executor", number, arguments)
}

fn child(
    options: &LocalOptions,
    program: &Path,
    role: &str,
    number: u32,
    mut arguments: Vec<OsString>,
) -> Program {
    let name = format!("{role}-{number}");
    arguments.insert(0, role.into());
    arguments.extend(["--name".into(), name.clone().into(), "--lifeline".into()]);
    Program {
        log: options.folder.join("logs").join(format!("{name}.log")),
        name,
        program: program.to_owned(),
        arguments,
        environment: Vec::new(),
    }
}
