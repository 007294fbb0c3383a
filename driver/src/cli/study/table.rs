use std::collections::BTreeSet;

use super::super::out::percent;
use crate::search::{Flags, Judged, Outcome, Trials};

/// The heading of the rows.
pub(super) fn heading() -> String {
    format!("{:>5}  {:>6}  {:>9}  {:>8}  {:>7}  settings", "trial", "epochs", "accuracy", "loss", "seconds")
}

/// A trial that has ended, in a line for people.
pub(super) fn row(trials: &Trials, judged: &Judged) -> String {
    let assignment = judged.assignment;
    let flags = trials.study().drawn(assignment.trial);
    let flags: Vec<String> = flags.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (trial, epochs, flags) = (assignment.trial.0, assignment.epochs, flags.join(" "));
    match &judged.outcome {
        Outcome::Trained(measured) => {
            let accuracy = measured.accuracy.map_or_else(|| "-".to_owned(), percent);
            let loss = measured.loss.map_or_else(|| "-".to_owned(), |loss| format!("{loss:.4}"));
            let seconds = measured.seconds;
            format!("{trial:>5}  {epochs:>6}  {accuracy:>9}  {loss:>8}  {seconds:>7.1}  {flags}")
        }
        Outcome::Failed { error } => {
            format!("{trial:>5}  {epochs:>6}  {:>9}  {:>8}  {:>7}  {flags}: {error}", "failed", "-", "-")
        }
    }
}

/// All trials that have ended, as CSV (RFC 4180): a row each time that one was judged.
pub(super) fn csv(trials: &Trials) -> String {
    let drawn = |judged: &Judged| trials.study().drawn(judged.assignment.trial);
    let names: BTreeSet<String> =
        trials.judged().iter().flat_map(|judged| drawn(judged).into_keys()).collect();
    let fixed = ["trial", "rung", "epochs", "accuracy", "loss", "seconds"].map(str::to_owned);
    let heading: Vec<String> =
        fixed.into_iter().chain(names.iter().cloned()).chain(["error".to_owned()]).collect();
    let mut text = line(&heading);
    for judged in trials.judged() {
        text.push_str(&line(&cells(judged, &drawn(judged), &names)));
    }
    text
}

fn cells(judged: &Judged, flags: &Flags, names: &BTreeSet<String>) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let (accuracy, loss, seconds, error) = match &judged.outcome {
        Outcome::Trained(measured) => (measured.accuracy, measured.loss, Some(measured.seconds), ""),
        Outcome::Failed { error } => (None, None, None, error.as_str()),
    };
    let assignment = judged.assignment;
    let mut cells = vec![
        assignment.trial.to_string(),
        assignment.rung.to_string(),
        assignment.epochs.to_string(),
        number(accuracy),
        number(loss),
        number(seconds),
    ];
    cells.extend(names.iter().map(|name| flags.get(name).cloned().unwrap_or_default()));
    cells.push(error.to_owned());
    cells
}

fn line(cells: &[String]) -> String {
    let quoted = |cell: &String| {
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.clone()
        }
    };
    format!("{}\n", cells.iter().map(quoted).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{Measured, Study};

    #[test]
    fn the_csv_has_a_row_for_each_time_that_a_trial_was_judged() {
        let mut trials = Trials::new(Study::CrossValidation { folds: 2, epochs: 3 });
        let outcomes = [
            Outcome::Trained(Measured { accuracy: Some(0.5), loss: None, seconds: 1.5 }),
            Outcome::Failed { error: "a \"bad\" one, really".to_owned() },
        ];
        for outcome in outcomes {
            let trial = trials.next_trial().unwrap().trial;
            trials.on_ended(trial, outcome);
        }
        assert_eq!(
            csv(&trials),
            "trial,rung,epochs,accuracy,loss,seconds,fold,error\n0,0,3,0.5,,1.5,1/2,\n\
             1,0,3,,,,2/2,\"a \"\"bad\"\" one, really\"\n"
        );
    }
}
