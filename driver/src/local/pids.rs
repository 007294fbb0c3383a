use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use howdah_proto::event::Role;
use rustix::process::{Pid, Signal, kill_process};

/// The children that run, by role and name.
#[derive(Debug, Clone, Default)]
pub(super) struct Pids(Arc<Mutex<BTreeMap<(Role, String), u32>>>);

/// A child that was put to sleep.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopped(Pid);

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
        self.signal(role, choice, Signal::KILL).is_some()
    }

    /// Puts one of the children of a role to sleep with SIGSTOP, chosen by `choice`, until it is [woken](Self::wake).
    pub(super) fn stop(&self, role: Role, choice: u64) -> Option<Stopped> {
        self.signal(role, choice, Signal::STOP).map(Stopped)
    }

    /// Has a child go on with SIGCONT, if it is still there.
    pub(super) fn wake(&self, Stopped(pid): Stopped) {
        let pids = self.lock();
        if pids.values().any(|runs| i32::try_from(*runs) == Ok(pid.as_raw_nonzero().get())) {
            // One that has ended meanwhile can't go on, and needn't.
            let _ = kill_process(pid, Signal::CONT);
        }
    }

    fn signal(&self, role: Role, choice: u64, signal: Signal) -> Option<Pid> {
        let pids = self.lock();
        let of_role: Vec<u32> = pids.iter().filter(|((of, _), _)| *of == role).map(|(_, pid)| *pid).collect();
        let index = choice.checked_rem(of_role.len() as u64)?;
        let pid = of_role.get(index as usize).and_then(|pid| Pid::from_raw(*pid as i32))?;
        kill_process(pid, signal).is_ok().then_some(pid)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Role, String), u32>> {
        // A map of numbers is whole between any two of its operations.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
