use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::place::independent;
use crate::cli::{
    CliError,
    line::{Base, flags},
    train,
};

/// The flags of `train` in another command: parsed, and as they were given, to be put together with those of a trial.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Given {
    pub(in crate::cli) args: train::Args,
    /// Those that are not as they are without being given.
    pub(in crate::cli) base: Base,
}

/// What belongs to one run of the command and to none of its trials.
const OF_THE_RUN: [&str; 4] = ["driver", "output", "name", "resume"];

/// What a trial can't have of its own: the pictures, and what would make trials incomparable.
const THE_SAME_FOR_ALL: [&str; 13] = [
    "data",
    "test",
    "test-fraction",
    "classes",
    "format",
    "synthetic",
    "max-bad-pictures",
    "fold",
    "data-seed",
    "epochs",
    "schedule-epochs",
    "seed",
    "partitions",
];

/// The headings of flags that have nothing to do with what is learned.
const CLUSTER: &str = "Cluster";
const SNAPSHOTS: &str = "Snapshots";

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let args = train::Args::from_arg_matches(matches)?;
        let mut base = args.line.0.clone();
        base.retain(|name, _| !OF_THE_RUN.contains(&name.as_str()));
        for (name, values) in &mut base {
            values
                .iter_mut()
                .for_each(|text| *text = independent(name, std::mem::take(text), args.driver.is_some()));
        }
        Ok(Self { args, base })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Given {
    fn augment_args(command: Command) -> Command {
        train::Args::augment_args(command).mut_arg("resume", |arg| {
            arg.value_name("DIR").help(
                "Go on with what was begun in this folder: what has ended is not done again, and what was under way \
                 goes on from its snapshot. Only flags of the cluster, and how many run at the same time, may be \
                 given with it",
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// Whether a flag of another command is one of `train`.
pub(super) fn is_of_train(arg: &Arg) -> bool {
    flags().iter().any(|flag| flag.get_id() == arg.get_id())
}

/// The flags that a search can vary.
pub(in crate::cli) fn searchable() -> Vec<String> {
    let apart =
        |arg: &Arg| arg.get_help_heading().is_none_or(|heading| [CLUSTER, SNAPSHOTS].contains(&heading));
    let names =
        flags().into_iter().filter(|arg| !apart(arg)).filter_map(|arg| arg.get_long().map(str::to_owned));
    names.filter(|name| !THE_SAME_FOR_ALL.contains(&name.as_str())).collect()
}

/// The flags of a run that goes on: those of its journal, with the cluster of now.
///
/// # Errors
/// [`CliError::Settled`] for a flag that is given now and would make it another run.
pub(in crate::cli) fn go_on(journal: &Base, now: &Base) -> Result<Base, CliError> {
    let of_cluster: Vec<String> = flags()
        .into_iter()
        .filter(|arg| arg.get_help_heading() == Some(CLUSTER))
        .filter_map(|arg| arg.get_long().map(str::to_owned))
        .collect();
    let mut base = journal.clone();
    for (name, values) in now {
        if of_cluster.contains(name) {
            base.insert(name.clone(), values.clone());
        } else if journal.get(name) != Some(values) {
            return Err(CliError::Settled { flag: format!("--{name}") });
        }
    }
    Ok(base)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        cli::line::{command_line, parse},
        search::Flags,
    };

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        given: Given,
        #[arg(long)]
        own: Option<u32>,
    }

    fn base(words: &[&str]) -> Base {
        Only::try_parse_from(["x"].iter().chain(words)).unwrap_or_else(|error| panic!("{error}")).given.base
    }

    #[test]
    fn flags_are_kept_as_they_were_given_and_parsed_again_to_the_same() {
        let words = [
            "--data=/pictures",
            "--classes",
            "cat=a,b",
            "dog=c",
            "--hidden",
            "64,32",
            "--lr=0.01",
            "--compress-pulls",
            "--own=3",
            "--output=x",
        ];
        let base = base(&words);
        let line = command_line(&base, &[]);
        let expected = [
            "--classes=cat=a,b",
            "--classes=dog=c",
            "--compress-pulls",
            "--data=/pictures",
            "--hidden=64,32",
            "--lr=0.01",
        ];
        assert_eq!(line, expected);
        let again = parse(&line).unwrap().settings().unwrap();
        assert_eq!(again.network.hidden, [64, 32]);
        assert!(
            matches!(again.data, howdah_proto::settings::DataSettings::Folder { classes, .. } if classes.len() == 2)
        );
    }

    #[test]
    fn a_trial_s_flags_replace_those_that_were_given() {
        let base = base(&["--lr=0.01", "--compress-pulls", "--momentum=0.9"]);
        assert!(!base.contains_key("momentum"), "{base:?}");
        let over = [("lr", "0.5"), ("compress-pulls", "false"), ("batch", "8")];
        let over: Flags =
            over.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(command_line(&base, &[&over]), ["--batch=8", "--lr=0.5"]);
    }

    #[test]
    fn a_search_can_vary_what_is_learned_and_not_what_it_is_learned_from() {
        let known = searchable();
        for name in ["lr", "hidden", "dropout", "batch", "optimizer", "rule", "mode", "push-every"] {
            assert!(known.iter().any(|known| known == name), "{name} is not in {known:?}");
        }
        for name in ["data", "test", "seed", "epochs", "executors", "snapshots", "driver", "output", "resume"]
        {
            assert!(known.iter().all(|known| known != name), "{name} is in {known:?}");
        }
    }

    #[test]
    fn a_run_goes_on_with_another_cluster_and_with_nothing_else_changed() {
        let journal = base(&["--lr=0.01", "--executors=2"]);
        let now = base(&["--executors=3", "--lr=0.01"]);
        assert_eq!(go_on(&journal, &now).unwrap()["executors"], ["3"]);
        let error = go_on(&journal, &base(&["--lr=0.02"])).unwrap_err().to_string();
        assert!(error.starts_with("--lr: it was settled"), "{error}");
    }
}
