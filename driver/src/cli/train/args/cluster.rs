use std::path::PathBuf;

use howdah_executor::role::Memory;

use crate::{
    driver::built_in,
    local::{LocalOptions, Placement, Restart},
};

/// The processes that a cluster of the command's own consists of.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(in crate::cli) struct LocalArgs {
    #[command(flatten)]
    pub(super) executors: ExecutorArgs,
    /// Over how many shards the weights are spread; by default 2, each with a parameter server of its own, or with
    /// --driver as many as parameter servers have joined it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(in crate::cli) shards: Option<u32>,
    /// On how many parameter servers each shard is: with 2, a standby takes over when one dies. It takes two servers at
    /// least.
    #[arg(long, value_name = "COPIES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=2))]
    pub(super) replicas: u32,
}

/// The executors among them.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(in crate::cli) struct ExecutorArgs {
    /// How many executor processes to start; by default one for each core, up to 4.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    executors: Option<u32>,
    /// How many tasks each executor runs at once; by default the cores divided by the executors.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    slots: Option<u32>,
    /// How much memory the blocks of each executor may take, as bytes or with KiB, MiB or GiB.
    #[arg(long, value_name = "BYTES")]
    memory: Option<Memory>,
    /// Leave processes that die dead instead of starting them again.
    #[arg(long)]
    no_restart: bool,
    /// How often a task is tried before the job fails.
    #[arg(long, value_name = "TIMES", default_value_t = 4)]
    pub(in crate::cli) task_attempts: u32,
    /// How long the job waits when it has no executor or no parameter server, in seconds; by default for ever.
    #[arg(long, value_name = "SECONDS")]
    pub(in crate::cli) executor_wait: Option<u64>,
}

impl LocalArgs {
    /// The processes to start on a machine with `cores` cores. No more threads compute than there are cores.
    pub(in crate::cli) fn options(&self, cores: u32, folder: PathBuf) -> LocalOptions {
        LocalOptions { paramservers: self.shards.unwrap_or(2), ..self.executors.options(cores, folder) }
    }
}

impl ExecutorArgs {
    /// The executors to start on a machine with `cores` cores, and no parameter server.
    pub(in crate::cli) fn options(&self, cores: u32, folder: PathBuf) -> LocalOptions {
        let executors = self.executors.unwrap_or_else(|| cores.clamp(1, 4));
        let slots = self.slots.unwrap_or(cores / executors).max(1);
        LocalOptions {
            executors,
            paramservers: 0,
            slots,
            threads: (cores / (executors * slots)).max(1),
            memory_bytes: self.memory.map(|memory| memory.0),
            restart: if self.no_restart { Restart::Never } else { Restart::Always },
            folder,
            registry: built_in(),
            placement: Placement::Processes,
            pools: Vec::new(),
        }
    }
}
