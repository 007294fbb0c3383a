use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use howdah_proto::event::Role;
use rustix::process::{Pid, Signal, kill_process};

/// The children that run, by role and name.
#[derive(Debug, Clone, Default)]
pub(super) struct Pids(Arc<Mutex<BTreeMap<(Role, String), u32>>>);

impl Pids {
    /// Notes that a child runs, or that it doesn't any more.
    pub(super) fn note(&self, role: Role, name: &str, pid: Option<u32>) {
        let key = (role, name.to_owned());
        match pid {
            Some(pid) => self.lock().insert(key, pid),
            None => self.lock().remove(&key),
        };
    }

    /// Kills one of the children of a role with SIGKILL, chosen by `choice`. Says whether there was one.
    pub(super) fn kill(&self, role: Role, choice: u64) -> bool {
        let pids = self.lock();
        let of_role: Vec<u32> = pids.iter().filter(|((of, _), _)| *of == role).map(|(_, pid)| *pid).collect();
        let Some(index) = choice.checked_rem(of_role.len() as u64) else { return false };
        let pid = of_role.get(index as usize).and_then(|pid| Pid::from_raw(*pid as i32));
        pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Role, String), u32>> {
        // A map of numbers is whole between any two of its operations.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
