//! The memory of an executor: one budget for blocks, map outputs and what running tasks hold.
//!
//! Tasks reserve before they allocate and spill when they are refused. What is kept between tasks fills the rest,
//! and makes room for tasks down to a protected half (Spark's `spark.memory.storageFraction`).

mod kept;
mod ledger;
mod reservation;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use crate::rdd::RddError;
use ledger::{Answer, Leaving, Ledger};

pub use kept::{Kept, Pin};
pub use ledger::KeptName;
pub use reservation::Reservation;

/// Who can let go of what is kept.
pub trait Evict: Send + Sync {
    /// Lets go of what has this name, after moving it to disk if it must not be lost. What is not there (any more)
    /// counts as gone.
    fn evict(&self, name: KeptName) -> Evicted;
}

/// What became of something that was to leave the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evicted {
    /// Its memory is free.
    Gone,
    /// It can't leave, for it would be lost.
    Stays,
    /// It is another's.
    NotMine,
}

/// The budget of an executor; a clone is the same budget.
#[derive(Clone)]
pub struct Memory(Arc<Shared>);

struct Shared {
    ledger: Mutex<Ledger>,
    evictors: RwLock<Vec<Weak<dyn Evict>>>,
}

impl Memory {
    /// Makes a budget.
    pub fn new(total_bytes: u64) -> Self {
        Self(Arc::new(Shared {
            ledger: Mutex::new(Ledger::new(total_bytes)),
            evictors: RwLock::new(Vec::new()),
        }))
    }

    /// All there is.
    pub fn total_bytes(&self) -> u64 {
        self.ledger().total_bytes()
    }

    /// What is taken, by tasks and by what is kept.
    pub fn used_bytes(&self) -> u64 {
        self.ledger().used_bytes()
    }

    /// What is kept between tasks.
    pub fn kept_bytes(&self) -> u64 {
        self.ledger().kept_bytes()
    }

    /// Reserves memory for a task, evicting what is kept if it must. No task gets more than its equal share of what
    /// tasks can have.
    pub fn try_reserve(&self, bytes: u64) -> Option<Reservation> {
        let mut reservation = self.nothing();
        reservation.try_grow(bytes).then_some(reservation)
    }

    /// Begins a reservation with nothing in it.
    pub fn nothing(&self) -> Reservation {
        Reservation::new(self.clone())
    }

    /// Begins to keep something with nothing in it yet. It does not leave before it is settled.
    pub fn keep(&self, name: KeptName) -> Kept {
        Kept::new(self.clone(), self.ledger().keep(name))
    }

    /// Asks `evictor`, too, when something has to leave.
    pub fn evict_with(&self, evictor: Weak<dyn Evict>) {
        let mut evictors = self.0.evictors.write().unwrap_or_else(PoisonError::into_inner);
        evictors.retain(|known| known.strong_count() > 0);
        evictors.push(evictor);
    }

    /// Says that something needs more than there is.
    pub fn too_little(&self, what: impl Into<String>, bytes: u64) -> RddError {
        RddError::Memory {
            what: what.into(),
            bytes,
            hint: "give executors more with --memory, run fewer tasks at once with --slots, or make records smaller",
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Every method of the ledger leaves it whole, so a panic elsewhere while it was locked does no harm.
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Performs what the ledger decided. The bytes are booked already; they are given back if something that should
    /// leave can't.
    fn settle(&self, answer: Answer, give_back: impl FnOnce(&mut Ledger)) -> bool {
        let leaving = match answer {
            Answer::Refused => return false,
            Answer::Granted => return true,
            Answer::After(leaving) => leaving,
        };
        let stuck: Vec<Leaving> =
            leaving.into_iter().filter(|leaving| self.evict(leaving.name) == Evicted::Stays).collect();
        if stuck.is_empty() {
            return true;
        }
        let mut ledger = self.ledger();
        give_back(&mut ledger);
        stuck.into_iter().for_each(|leaving| ledger.put_back(leaving));
        false
    }

    fn evict(&self, name: KeptName) -> Evicted {
        let evictors: Vec<_> = {
            let evictors = self.0.evictors.read().unwrap_or_else(PoisonError::into_inner);
            evictors.iter().filter_map(Weak::upgrade).collect()
        };
        evictors
            .iter()
            .map(|evictor| evictor.evict(name))
            .find(|evicted| *evicted != Evicted::NotMine)
            .unwrap_or(Evicted::Gone)
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memory({} of {} bytes)", self.used_bytes(), self.total_bytes())
    }
}

#[cfg(test)]
mod tests;
