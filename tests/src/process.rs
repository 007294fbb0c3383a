//! A process whose output is heard line by line.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Instant,
};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

use crate::{
    binaries::binary,
    deadline::{DEADLINE, look_until},
    family::Family,
};

/// Which of its outputs a process wrote a line to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Standard,
    Error,
}

/// A running process; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    family: Family,
    lines: Receiver<(Output, String)>,
    heard: Vec<(Output, String)>,
}

/// What a process left behind.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Process {
    /// Starts `howdah-driver` with these arguments.
    pub fn driver<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        Self::start("howdah-driver", arguments, Path::new("."))
    }

    /// Starts a binary of this build with these arguments in a folder, without the caller's own settings.
    ///
    /// # Panics
    /// It can't be started.
    pub fn start<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>, folder: &Path) -> Self {
        Self::reading(name, arguments, folder, Stdio::null())
    }

    /// The same with something on standard input.
    ///
    /// # Panics
    /// It can't be started.
    pub fn reading<S: AsRef<OsStr>>(
        name: &str,
        arguments: impl IntoIterator<Item = S>,
        folder: &Path,
        input: impl Into<Stdio>,
    ) -> Self {
        Self::launch(name, arguments, folder, input, &[])
    }

    /// Starts a binary with more in its environment.
    ///
    /// # Panics
    /// It can't be started.
    pub fn knowing<S: AsRef<OsStr>>(
        name: &str,
        arguments: impl IntoIterator<Item = S>,
        folder: &Path,
        environment: &[(String, String)],
    ) -> Self {
        Self::launch(name, arguments, folder, Stdio::null(), environment)
    }

    fn launch<S: AsRef<OsStr>>(
        name: &str,
        arguments: impl IntoIterator<Item = S>,
        folder: &Path,
        input: impl Into<Stdio>,
        environment: &[(String, String)],
    ) -> Self {
        let mut command = Command::new(binary(name));
        for (variable, _) in std::env::vars_os() {
            let is_own =
                |name: &str| name.starts_with("HOWDAH_") || name.starts_with("AWS_") || name == "RUST_LOG";
            if variable.to_str().is_some_and(is_own) {
                command.env_remove(variable);
            }
        }
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let family = Family::mark(&mut command);
        command.args(arguments).current_dir(folder);
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} can't be started: {error}"));
        let (sender, lines) = channel();
        listen(Output::Standard, child.stdout.take(), sender.clone());
        listen(Output::Error, child.stderr.take(), sender);
        Self { name: name.to_owned(), child, family, lines, heard: Vec::new() }
    }

    /// The process and those that it has started.
    pub fn family(&self) -> &Family {
        &self.family
    }

    /// Waits for a line on either output that contains `text`, among those that have not been waited for.
    ///
    /// # Panics
    /// The process ends without it, or the deadline passes.
    pub fn wait_for_line(&mut self, text: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok((output, line)) => {
                    self.heard.push((output, line.clone()));
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => panic!("{} did not write `{text}` ({error})", self.name),
            }
        }
    }

    /// Sends a signal to the process alone.
    ///
    /// # Panics
    /// It has been waited for already.
    pub fn send(&self, signal: Signal) {
        send(self.child.id(), signal);
    }

    /// Kills the process, and waits until the operating system has let go of all that it held.
    pub fn kill(&mut self) {
        // Both fail only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Writes to the pipe that is its standard input.
    ///
    /// # Panics
    /// There is none, or it isn't read.
    pub fn write(&mut self, text: &str) {
        let pipe = self.child.stdin.as_mut().expect("standard input is a pipe");
        pipe.write_all(text.as_bytes()).expect("standard input is read");
    }

    /// Closes the pipe that is its standard input.
    pub fn end_of_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits until the process has ended.
    ///
    /// # Panics
    /// It goes on beyond the deadline.
    pub fn wait(mut self) -> Ended {
        let end = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("{} does not end", self.name),
            }
        }
        let status = look_until("the end of a process that has closed its outputs", || {
            self.child.try_wait().expect("a child can be waited for")
        });
        let (stdout, stderr) = (self.text(Output::Standard), self.text(Output::Error));
        self.heard.clear();
        Ended { code: status.code(), stdout, stderr }
    }

    fn text(&self, wanted: Output) -> String {
        let lines = self.heard.iter().filter(|(output, _)| *output == wanted);
        lines.map(|(_, line)| format!("{line}\n")).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() && !self.heard.is_empty() {
            self.heard.extend(self.lines.try_iter());
            #[allow(clippy::print_stderr, reason = "shown with the test that failed")]
            for (_, line) in &self.heard {
                eprintln!("{}: {line}", self.name);
            }
        }
    }
}

impl Ended {
    /// Checks that the process ended well, and gives back what it left.
    ///
    /// # Panics
    /// It did not, with all that it wrote.
    pub fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Checks that the process failed with this exit code and a message that contains all of `words`.
    ///
    /// # Panics
    /// It did not, with all that it wrote.
    pub fn failure(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "no `{word}` in: {}", self.stderr);
        }
        self
    }
}

/// Sends a signal to a process that lives.
///
/// # Panics
/// It doesn't.
pub fn send(id: u32, signal: Signal) {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw).expect("the id of a process");
    kill_process(pid, signal).expect("a process that lives can be signalled");
}

fn listen(output: Output, pipe: Option<impl Read + Send + 'static>, lines: Sender<(Output, String)>) {
    let pipe = pipe.expect("the output is a pipe");
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if lines.send((output, line)).is_err() {
                return;
            }
        }
    });
}
