use std::{path::PathBuf, str::FromStr};

use clap::Parser;
use howdah_paramserver::role::{
    logging::LogFormat,
    process::{Flags, Threading},
};

/// Computes tasks: prepares pictures, keeps their blocks in memory, and trains replicas on them.
///
/// An executor joins a driver and works on what it is given, in as many task slots as it has. It may be killed
/// at any time: its tasks go elsewhere, and no update counts twice.
///
/// Settings come from flags, else from the environment, else from the TOML file that --config names, where each
/// key is the name of a flag: `driver = "http://10.0.0.1:7077"`.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "howdah-executor",
    version,
    after_help = "Examples:\n  howdah-executor --driver http://127.0.0.1:7077\n  \
                  howdah-executor --driver http://10.0.0.1:7077 --listen 10.0.0.3:7079 --insecure --slots 4\n\n\
                  What it logs is set by RUST_LOG (info by default). Exit codes: 0 after SIGTERM or SIGINT, \
                  1 when the executor can't go on, 2 when it was started wrongly."
)]
pub struct Args {
    /// Where the driver is.
    #[arg(long, value_name = "URL", env = "HOWDAH_DRIVER")]
    pub driver: String,
    /// Where to listen; port 0 is any free one.
    #[arg(long, value_name = "HOST:PORT", env = "HOWDAH_LISTEN", default_value = "127.0.0.1:0")]
    pub listen: String,
    /// The address that others reach this executor by, if it isn't the one listened on.
    #[arg(long, value_name = "HOST:PORT", env = "HOWDAH_ADVERTISE")]
    pub advertise: Option<String>,
    /// Allow listening beyond this machine although pictures travel in the clear.
    #[arg(long, env = "HOWDAH_INSECURE")]
    pub insecure: bool,
    /// The name to be shown by; by default the address.
    #[arg(long, env = "HOWDAH_NAME")]
    pub name: Option<String>,
    /// How many tasks run at once; by default one for each core.
    #[arg(long, env = "HOWDAH_SLOTS", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub slots: Option<u32>,
    /// How many threads a task computes on; by default the cores divided by the slots.
    #[arg(long, env = "HOWDAH_THREADS", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// How much memory blocks, shuffles and broadcast values may take, as bytes or with KiB, MiB or GiB.
    #[arg(long, value_name = "BYTES", env = "HOWDAH_MEMORY", default_value = "1GiB")]
    pub memory: Memory,
    /// The folder for what doesn't fit into memory; by default the system's folder for temporary files.
    #[arg(long, value_name = "FOLDER", env = "HOWDAH_SCRATCH")]
    pub scratch: Option<PathBuf>,
    /// How long running tasks may go on after SIGTERM.
    #[arg(long, value_name = "SECONDS", env = "HOWDAH_DRAIN", default_value_t = 20)]
    pub drain: u64,
    /// Give up when the driver can't be reached for so long; by default keep trying.
    #[arg(long, value_name = "SECONDS", env = "HOWDAH_GIVE_UP_AFTER")]
    pub give_up_after: Option<u64>,
    /// The TOML file with settings.
    #[arg(long, value_name = "FILE", env = "HOWDAH_CONFIG")]
    pub config: Option<PathBuf>,
    /// How log lines look.
    #[arg(long, value_enum, env = "HOWDAH_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// End when standard input ends.
    #[arg(long, hide = true)]
    pub lifeline: bool,
}

impl Flags for Args {
    const SETTINGS: &'static str = "/etc/howdah/executor.toml";

    fn log_format(&self) -> LogFormat {
        self.log_format
    }

    fn threading(&self) -> Threading {
        Threading::Cores
    }
}

impl Args {
    /// The task slots and the threads of each, for a machine with `cores` cores: pools that together use every
    /// core once.
    pub fn slots_and_threads(&self, cores: u32) -> (u32, u32) {
        let slots = self.slots.unwrap_or_else(|| cores.div_ceil(self.threads.unwrap_or(1))).max(1);
        let threads = self.threads.unwrap_or(cores / slots).max(1);
        (slots, threads)
    }
}

/// An amount of memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory(pub u64);

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("", 0)];
        let (number, shift) = units
            .iter()
            .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))
            .unwrap_or((text, 0));
        let number: u64 =
            number.trim().parse().map_err(|_| format!("`{text}` is no size like 500MiB, 2GiB or 1000000"))?;
        number
            .checked_mul(1 << shift)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is more than can be counted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots_and_threads(flags: &[&str], cores: u32) -> (u32, u32) {
        let flags = ["howdah-executor", "--driver", "http://127.0.0.1:1"].iter().chain(flags);
        Args::try_parse_from(flags).unwrap().slots_and_threads(cores)
    }

    #[test]
    fn cores_are_divided_between_slots() {
        assert_eq!(slots_and_threads(&[], 8), (8, 1));
        assert_eq!(slots_and_threads(&["--slots", "2"], 8), (2, 4));
        assert_eq!(slots_and_threads(&["--slots", "3"], 8), (3, 2));
        assert_eq!(slots_and_threads(&["--slots", "16"], 8), (16, 1));
        assert_eq!(slots_and_threads(&["--threads", "4"], 8), (2, 4));
        assert_eq!(slots_and_threads(&["--slots", "2", "--threads", "1"], 8), (2, 1));
    }

    #[test]
    fn memory_is_read_with_its_unit() {
        assert_eq!("2GiB".parse(), Ok(Memory(2 << 30)));
        assert_eq!("500 MiB".parse(), Ok(Memory(500 << 20)));
        assert_eq!("17".parse(), Ok(Memory(17)));
        for wrong in ["", "much", "-1", "2GB", "99999999999GiB"] {
            assert!(wrong.parse::<Memory>().is_err(), "{wrong}");
        }
    }
}
