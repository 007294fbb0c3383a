use clap::{Arg, Args, Command};

use super::given::is_of_train;
use crate::cli::{CliError, said::Said};

/// What may be said of a study that is gone on with: how it is carried out, and what is done when it is over.
const AT_ANY_TIME: [&str; 2] = ["concurrent", "refit"];

/// Checks that no flag was given that a command has beside those of `train`, and that would make its study another one.
///
/// # Errors
/// [`CliError::Settled`], naming it.
pub(super) fn check_going_on<A: Args>(said: &Said) -> Result<(), CliError> {
    let of_command = A::augment_args(Command::new("study"));
    let is_free = |arg: &&Arg| is_of_train(arg) || AT_ANY_TIME.contains(&arg.get_id().as_str());
    let mut settled = of_command.get_arguments().filter(|arg| !is_free(arg));
    match settled.find(|arg| said.has(arg.get_id().as_str())) {
        None => Ok(()),
        Some(arg) => Err(CliError::Settled {
            flag: format!("--{}", arg.get_long().unwrap_or_else(|| arg.get_id().as_str())),
        }),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{super::Given, *};
    use crate::cli::parsed::Parsed;

    #[derive(Parser)]
    struct Whole {
        #[command(flatten)]
        own: Own,
    }

    #[derive(clap::Args)]
    #[group(skip)]
    struct Own {
        #[command(flatten)]
        said: Parsed<Said>,
        #[arg(short = 'k', long, default_value_t = 5)]
        folds: u32,
        #[arg(long, default_value_t = 2)]
        concurrent: u32,
        #[command(flatten)]
        train: Given,
    }

    fn check(words: &[&str]) -> Result<(), String> {
        let whole = Whole::try_parse_from(["x", "--resume", "runs/x"].iter().chain(words));
        let own = whole.unwrap_or_else(|error| panic!("{error}")).own;
        assert!(own.folds > 0 && own.concurrent > 0 && own.train.args.snapshots.resume.is_some());
        check_going_on::<Own>(&own.said).map_err(|error| error.to_string())
    }

    #[test]
    fn a_study_s_own_flags_are_refused_by_name_when_it_is_gone_on_with() {
        assert_eq!(check(&["--concurrent", "3", "--executors", "2", "--lr", "0.1"]), Ok(()));
        for words in [&["-k", "5"][..], &["--folds=7"]] {
            let error = check(words).unwrap_err();
            assert!(error.starts_with("--folds: it was settled"), "{error}");
        }
    }
}
