use clap::{Args, Command};
use howdah_executor::role::Memory;

/// Where a program runs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct Flags {
    /// Use the cluster of the driver at this address, rather than one on this machine.
    #[arg(long, value_name = "URL", env = "HOWDAH_DRIVER", conflicts_with_all = ["executors", "slots", "memory"])]
    pub(super) driver: Option<String>,
    /// How many executor processes the cluster on this machine has; by default one for each two cores.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) executors: Option<u32>,
    /// How many tasks each of them runs at once; by default all cores are used once.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(super) slots: Option<u32>,
    /// How much memory each of them uses for blocks and shuffles, as bytes or with KiB, MiB or GiB.
    #[arg(long, value_name = "BYTES")]
    pub(super) memory: Option<Memory>,
}

/// No arguments but those of the cluster.
#[derive(Debug, Args)]
pub(super) struct NoArgs {}

/// The flags of a program with arguments `A` of its own.
pub(super) fn command<A: Args>() -> Command {
    let name = std::env::current_exe().ok().and_then(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let name = name.unwrap_or_else(|| "program".to_owned());
    let examples = format!(
        "Examples:\n  {name}\n  {name} --executors 4 --slots 2 --memory 2GiB\n  {name} --driver http://10.0.0.1:7077\n\n\
         Without --driver, the program starts a cluster of processes on this machine and takes it down at the end. \
         On several machines, start this program in other roles first, so that all of them know its functions:\n  \
         {name} serve --listen 10.0.0.1:7077 --insecure\n  \
         {name} executor --driver http://10.0.0.1:7077 --listen 10.0.0.2:7079 --insecure\n\
         and then the program itself with --driver. What it logs is set by RUST_LOG. Exit codes: 0 when all went well, 1 when it did not, 2 when it was started wrongly, 130 after Ctrl-C."
    );
    let command = A::augment_args(Flags::augment_args(Command::new(name)).next_help_heading(None));
    command.about("A program on Howdah's RDDs.").after_help(examples)
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    #[derive(Debug, Args)]
    struct Own {
        /// What to read.
        files: Vec<String>,
    }

    fn parsed(arguments: &[&str]) -> Result<(Flags, Own), String> {
        let arguments = ["program"].iter().chain(arguments);
        let matches = command::<Own>().try_get_matches_from(arguments).map_err(|error| error.to_string())?;
        Ok((Flags::from_arg_matches(&matches).unwrap(), Own::from_arg_matches(&matches).unwrap()))
    }

    #[test]
    fn a_program_has_the_flags_of_its_cluster_and_its_own() {
        let (flags, own) = parsed(&["--executors", "3", "--memory", "1GiB", "a", "b"]).unwrap();
        assert_eq!((flags.executors, flags.memory, own.files.len()), (Some(3), Some(Memory(1 << 30)), 2));
        command::<Own>().debug_assert();
    }

    #[test]
    fn a_cluster_elsewhere_is_as_large_as_it_is() {
        let error = parsed(&["--driver", "http://127.0.0.1:1", "--slots", "2"]).unwrap_err();
        assert!(error.contains("--slots"), "{error}");
    }
}
