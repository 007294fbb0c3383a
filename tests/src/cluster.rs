//! A cluster whose processes are started one by one.

use std::{future::Future, path::Path};

use howdah_proto::settings::TrainSettings;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{job::Job, process::Process};

/// A driver, and what is needed to talk to it. The driver is killed when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// The process of the driver.
    pub driver: Process,
    url: String,
    runtime: Runtime,
    folder: TempDir,
}

impl Cluster {
    /// Starts a driver on a free port.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a driver that takes an executor for lost after two seconds of silence.
    pub fn impatient() -> Self {
        Self::with(&["--heartbeat-interval", "0.2", "--heartbeat-timeout", "2"])
    }

    /// Starts a driver with more flags.
    pub fn with(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the driver");
        let (driver, url) = serve(folder.path(), "127.0.0.1:0", flags);
        let runtime = Runtime::new().expect("a runtime");
        Self { driver, url, runtime, folder }
    }

    /// Kills the driver, and starts another at the same address, which knows nothing of it.
    pub fn replace_driver(&mut self) {
        // Its address is free when it is gone.
        self.driver.kill();
        let listen = self.url.trim_start_matches("http://").to_owned();
        (self.driver, self.url) = serve(self.folder.path(), &listen, &[]);
    }

    /// The folder in which the driver runs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The address of the driver.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Starts an executor with one task slot, and waits until it has joined.
    pub fn executor(&self, name: &str) -> Process {
        self.executor_with(name, &[])
    }

    /// The same with more flags.
    pub fn executor_with(&self, name: &str, flags: &[&str]) -> Process {
        let fixed = ["--name", name, "--slots", "1", "--threads", "1"];
        self.member("howdah-executor", &[&fixed, flags].concat())
    }

    /// Starts a parameter server, and waits until it has joined.
    pub fn paramserver(&self, name: &str) -> Process {
        self.member("howdah-paramserver", &["--name", name])
    }

    /// Submits a job.
    pub fn submit(&self, settings: &TrainSettings) -> Job {
        Job::submit(&self.runtime, &self.url, settings)
    }

    /// Runs a future to its end, as a client of the cluster.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    fn member(&self, binary: &str, flags: &[&str]) -> Process {
        let arguments = ["--driver", &self.url].into_iter().chain(flags.iter().copied());
        let mut member = Process::start(binary, arguments, Path::new("."));
        member.wait_for_line("has joined");
        member
    }
}

/// Starts a driver in a folder of its own, which is no executor's; gives its address, too.
fn serve(folder: &Path, listen: &str, flags: &[&str]) -> (Process, String) {
    let work_dir = folder.to_str().expect("its name is UTF-8");
    let fixed = ["serve", "--listen", listen, "--work-dir", work_dir];
    let mut driver = Process::start("howdah-driver", fixed.iter().chain(flags), folder);
    let line = driver.wait_for_line("the driver listens at ");
    let url = line.rsplit(' ').next().expect("a line has a last word").to_owned();
    (driver, url)
}
