//! Flags that were given and change nothing: something else was meant.

use clap::Arg;
use howdah_proto::settings::TrainSettings;

use super::Args;
use crate::cli::{
    CliError,
    line::{Base, command_line, flags, is_switch, parse},
};

/// The headings of flags that set what a driver is told, whatever the cluster.
const HEADINGS: [&str; 3] = ["Learning", "Exchange of weights", "Validation"];

/// Refuses a flag for which any other value would have told the driver the same.
///
/// # Errors
/// [`CliError::NoEffect`], naming it.
pub(super) fn check(args: &Args) -> Result<(), CliError> {
    check_among(flags(), args, |other| other.settings().ok())
}

/// The same, where what the driver is told depends on the run that is gone on with.
///
/// # Errors
/// [`CliError::NoEffect`], naming it.
pub(super) fn check_going_on(
    args: &Args,
    told: impl Fn(&Args) -> Option<TrainSettings>,
) -> Result<(), CliError> {
    // A switch that the run was begun with may stand there once more.
    check_among(flags().into_iter().filter(|flag| !is_switch(flag)), args, told)
}

fn check_among(
    flags: impl IntoIterator<Item = Arg>,
    args: &Args,
    told: impl Fn(&Args) -> Option<TrainSettings>,
) -> Result<(), CliError> {
    // Flags that are wrong tell nothing, which is said elsewhere.
    let Some(settings) = told(args) else { return Ok(()) };
    let of_interest = |arg: &Arg| {
        let heading = arg.get_help_heading().unwrap_or_default();
        HEADINGS.contains(&heading) && args.said.has(arg.get_id().as_str())
    };
    for arg in flags.into_iter().filter(of_interest) {
        let Some(name) = arg.get_long() else { continue };
        let told = |line: Base| told(&parse(&command_line(&line, &[])).ok()?);
        let mut others = others(&arg, name, &args.line).into_iter().filter_map(told).peekable();
        if others.peek().is_some() && others.all(|other| other == settings) {
            return Err(CliError::NoEffect { flag: format!("--{name}") });
        }
    }
    Ok(())
}

/// The same flags with other values of one of them.
fn others(arg: &Arg, name: &str, line: &Base) -> Vec<Base> {
    if is_switch(arg) {
        let mut without = line.clone();
        without.remove(name);
        return vec![without];
    }
    let possible = arg.get_possible_values();
    let default = || arg.get_default_values().first().and_then(|value| value.to_str());
    let given = line.get(name).and_then(|values| values.first()).map(String::as_str).or_else(default);
    // Those that aren't valid are left out later.
    let values: Vec<String> = if possible.is_empty() {
        match given.and_then(|value| value.parse::<f64>().ok()) {
            Some(given) => {
                let others = [given / 2.0, given + 1.0, 0.5].into_iter().filter(|other| *other != given);
                others.map(|other| other.to_string()).collect()
            }
            None => vec![7.to_string()],
        }
    } else {
        let names = possible.iter().map(|value| value.get_name().to_owned());
        names.filter(|other| Some(other.as_str()) != given).collect()
    };
    let with = |value: String| {
        let mut line = line.clone();
        line.insert(name.to_owned(), vec![value]);
        line
    };
    values.into_iter().map(with).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Whole {
        #[command(flatten)]
        args: Args,
    }

    fn refused(words: &[&str]) -> Option<String> {
        let whole = Whole::try_parse_from(["train"].iter().chain(words));
        let whole = whole.unwrap_or_else(|error| panic!("{error}"));
        check(&whole.args).err().map(|error| error.to_string())
    }

    #[test]
    fn a_flag_that_changes_nothing_is_refused_by_name() {
        for (words, flag) in [
            (&["--staleness", "2"][..], "--staleness"),
            // As it is by default.
            (&["--staleness=4", "--mode=async"], "--staleness"),
            (&["--backups=1", "--mode=local"], "--backups"),
            (&["--local-steps=8"], "--local-steps"),
            (&["--push-every=4", "--mode=sync"], "--push-every"),
            (&["--push-every=epoch", "--mode=local"], "--push-every"),
            (&["--compress-pulls"], "--compress-pulls"),
            (&["--compress=bf16", "--delta-pulls"], "--delta-pulls"),
            (&["--compress=bf16", "--compress-pulls", "--delta-pulls", "--mode=sync"], "--delta-pulls"),
            (&["--compress=bf16", "--compress-pulls", "--delta-pulls", "--mode=hogwild"], "--delta-pulls"),
            (&["--compress=topk", "--compress-pulls", "--delta-pulls", "--mode=hogwild"], "--compress-pulls"),
            (&["--rate-step=0.5"], "--rate-step"),
            (&["--momentum=0.5"], "--momentum"),
            (&["--outer-lr=0.5"], "--outer-lr"),
            (&["--weight-decay=0.1", "--optimizer=sgd"], "--weight-decay"),
            (&["--elastic-rate=0.2"], "--elastic-rate"),
        ] {
            let error = refused(words).unwrap_or_else(|| panic!("{words:?}"));
            assert!(error.starts_with(&format!("{flag}: ")), "{error}");
        }
    }

    #[test]
    fn a_flag_that_could_change_something_is_fine_whatever_its_value() {
        for words in [
            &[][..],
            &["--staleness=4", "--mode=ssp"],
            &["--backups=0", "--mode=sync"],
            &["--push-every=8", "--compress=bf16", "--compress-pulls", "--delta-pulls"],
            &["--push-every=epoch", "--mode=hogwild"],
            &["--hidden=256", "--dropout=0.5", "--epochs=12", "--batch=64", "--lr=0.001", "--seed=0"],
            &["--hidden=0", "--class-weights=balanced", "--clip-norm=1", "--l2=0", "--average=0.99"],
            &["--optimizer=momentum", "--momentum=0.9", "--schedule=step", "--rate-step-epochs=10"],
            &["--rule=rmsprop", "--decay=0.9"],
            &["--validation-fraction=0.2", "--patience=3", "--monitor=loss"],
            &["--mode=local", "--outer-lr=0.7", "--local-steps=32"],
            &["--dropout=0", "--input-dropout=0", "--label-smoothing=0", "--warm-up=0"],
            &["--momentum=0", "--optimizer=momentum"],
            &["--decay=0", "--rule=rmsprop"],
            &["--weight-decay=0", "--rule=adamw"],
            &["--mode=sync", "--correction=none", "--optimizer=adam", "--compress=none"],
            &["--warm-up=0.1", "--label-smoothing=0.1", "--schedule-epochs=12", "--correction=none"],
        ] {
            assert_eq!(refused(words), None, "{words:?}");
        }
    }
}
