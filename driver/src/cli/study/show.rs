use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    super::out::{complain, percent},
    table,
};
use crate::search::{Judged, Outcome, Trials};

/// Shows a study on standard error while it is carried out: a line for each trial that has ended, and a line at the
/// bottom for what runs.
pub(super) struct Show {
    bar: ProgressBar,
}

impl Show {
    /// Begins with what has ended already.
    pub(super) fn new(trials: &Trials) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // A template that indicatif can't read would leave its own style in place.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}   {elapsed}") {
            bar.set_style(style);
        }
        let this = Self { bar };
        this.line(&table::heading());
        for judged in trials.judged() {
            this.line(&table::row(trials, judged));
        }
        if !trials.judged().is_empty() {
            this.line(&format!("going on after {} that have ended", trials.judged().len()));
        }
        this
    }

    /// Shows the trial that ended last.
    pub(super) fn judged(&self, trials: &Trials) {
        if let Some(judged) = trials.judged().last() {
            self.line(&table::row(trials, judged));
        }
    }

    /// Shows what runs.
    pub(super) fn running(&self, trials: &Trials) {
        let running: Vec<String> =
            trials.running().map(|run| format!("{} to epoch {}", run.trial, run.epochs)).collect();
        let best = trials.best().map_or_else(String::new, |best| format!("   best: {}", shown(best)));
        self.bar.set_message(format!("training {}{best}", running.join(", ")));
        self.bar.tick();
    }

    /// Shows a line.
    pub(super) fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            complain(text);
        } else {
            self.bar.println(text);
        }
    }

    /// Takes the line at the bottom away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A trial and its accuracy.
fn shown(judged: &Judged) -> String {
    let trial = judged.assignment.trial;
    match &judged.outcome {
        Outcome::Trained(measured) => {
            let accuracy =
                measured.accuracy.map_or_else(String::new, |share| format!(" ({})", percent(share)));
            format!("{trial}{accuracy}")
        }
        Outcome::Failed { .. } => trial.to_string(),
    }
}
