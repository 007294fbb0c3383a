//! All processes that one process has started, and those that they have started.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::deadline::look_until;

const VARIABLE: &str = "HOWDAH_TESTS_FAMILY";

/// A mark in the environment that children inherit, so that they are found when their parent is gone.
#[derive(Debug, Clone)]
pub struct Family(String);

impl Family {
    /// Marks a command that is about to be run, and with it all that it will start.
    pub fn mark(command: &mut Command) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}-{number}-end", std::process::id());
        command.env(VARIABLE, &mark);
        Self(format!("{VARIABLE}={mark}"))
    }

    /// The ids of those that live.
    pub fn living(&self) -> Vec<u32> {
        let entries = fs::read_dir("/proc").expect("/proc can be read");
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        ids.filter(|id| self.has(*id)).collect()
    }

    /// The ids of those that live and were started with this argument.
    pub fn with_argument(&self, argument: &str) -> Vec<u32> {
        let given = |id: &u32| {
            let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|given| given == argument.as_bytes())
        };
        self.living().into_iter().filter(given).collect()
    }

    /// Waits until nobody is left.
    ///
    /// # Panics
    /// Somebody stays.
    pub fn wait_until_gone(&self) {
        look_until("the end of every child", || self.living().is_empty().then_some(()));
    }

    /// Whether a process belongs to the family. One that has ended has no environment any more.
    fn has(&self, id: u32) -> bool {
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == self.0.as_bytes())
    }
}
