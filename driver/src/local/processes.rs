use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use howdah_proto::event::Role;
use rustix::process::{Pid, Signal, kill_process};

/// The processes of a local cluster that run now, for those who do harm to them; clones know the same ones.
#[derive(Debug, Clone, Default)]
pub struct Processes(Arc<Mutex<BTreeMap<(Role, String), u32>>>);

/// A process that was put to sleep.
#[derive(Debug, Clone, Copy)]
pub struct Stopped(Pid);

impl Processes {
    /// Notes that a process runs, or that it doesn't any more.
    pub(super) fn note(&self, role: Role, name: &str, pid: Option<u32>) {
        let key = (role, name.to_owned());
        match pid {
            Some(pid) => self.lock().insert(key, pid),
            None => self.lock().remove(&key),
        };
    }

    /// Kills one of the processes of a role with SIGKILL, chosen by `choice`. Says whether there was one.
    pub fn kill(&self, role: Role, choice: u64) -> bool {
        self.signal(role, choice, Signal::KILL).is_some()
    }

    /// Puts one of the processes of a role to sleep with SIGSTOP, chosen by `choice`, until it is [woken](Self::wake).
    pub fn stop(&self, role: Role, choice: u64) -> Option<Stopped> {
        self.signal(role, choice, Signal::STOP).map(Stopped)
    }

    /// Has a process go on with SIGCONT. Says whether it was still there.
    pub fn wake(&self, Stopped(pid): Stopped) -> bool {
        let processes = self.lock();
        let runs = |runs: &u32| i32::try_from(*runs) == Ok(pid.as_raw_nonzero().get());
        processes.values().any(runs) && kill_process(pid, Signal::CONT).is_ok()
    }

    fn signal(&self, role: Role, choice: u64, signal: Signal) -> Option<Pid> {
        let processes = self.lock();
        let of_role: Vec<u32> =
            processes.iter().filter(|((of, _), _)| *of == role).map(|(_, pid)| *pid).collect();
        let index = choice.checked_rem(of_role.len() as u64)?;
        let pid = of_role.get(index as usize).and_then(|pid| Pid::from_raw(*pid as i32))?;
        kill_process(pid, signal).is_ok().then_some(pid)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Role, String), u32>> {
        // A map of numbers is whole between any two of its operations.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
