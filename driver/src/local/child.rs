use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::process::{Child, ChildStdin, Command};

/// Whether a child that dies is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// It stays dead.
    Never,
    /// It is started again after a pause.
    Always,
}

/// A child process that can't be started.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The program can't be run.
    #[error("can't start {name}: {reason}")]
    Start {
        /// The child.
        name: String,
        /// Why, as the operating system says it.
        reason: String,
    },
    /// Its log can't be written.
    #[error("can't write the log {path} of {name}: {reason}")]
    Log {
        /// The child.
        name: String,
        /// The log.
        path: PathBuf,
        /// Why, as the operating system says it.
        reason: String,
    },
}

/// How a child is started.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) log: PathBuf,
}

/// A running child. It ends when this is dropped: its lifeline is a pipe to its standard input, which the
/// kernel closes even when this process is killed.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    lifeline: Option<ChildStdin>,
}

/// How long a child may take to leave before it is killed.
const LEAVE: Duration = Duration::from_secs(3);

impl Program {
    pub(super) fn start(&self) -> Result<Running, ChildError> {
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log).map_err(|error| {
            ChildError::Log { name: self.name.clone(), path: self.log.clone(), reason: error.to_string() }
        })?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C reaches the driver alone, which then takes its children down in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| ChildError::Start { name: self.name.clone(), reason: error.to_string() })?;
        let lifeline = child.stdin.take();
        Ok(Running { child, lifeline })
    }

    /// The last lines of the child's log, for an error message.
    pub(super) fn last_words(&self) -> String {
        last_lines(&self.log, 5)
    }
}

impl Running {
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub(super) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends the child: by closing its lifeline, and by force if that doesn't help.
    pub(super) async fn end(&mut self) {
        drop(self.lifeline.take());
        if tokio::time::timeout(LEAVE, self.child.wait()).await.is_err() {
            // It fails only if the child has left by itself.
            let _ = self.child.kill().await;
        }
    }
}

fn last_lines(path: &Path, count: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
