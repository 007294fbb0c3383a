use gemm::Parallelism;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::LearnError;

/// The threads that a replica computes with: never those of the global pool, which other replicas would share.
#[derive(Debug)]
pub(super) enum Threads {
    /// The thread that calls, and no other.
    Caller,
    /// A pool that belongs to the replica.
    Own(ThreadPool),
}

impl Threads {
    /// Starts `threads` threads; none are started for 1 or fewer.
    pub fn start(threads: usize) -> Result<Self, LearnError> {
        if threads <= 1 {
            return Ok(Self::Caller);
        }
        ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("replica-{index}"))
            .build()
            .map(Self::Own)
            .map_err(|source| LearnError::Threads { threads, source })
    }

    /// Runs `work` where matrix products may spread over the threads.
    pub fn run<R: Send>(&self, work: impl FnOnce(Parallelism) -> R + Send) -> R {
        match self {
            Self::Caller => work(Parallelism::None),
            Self::Own(pool) => pool.install(|| work(Parallelism::Rayon(pool.current_num_threads()))),
        }
    }
}
