//! What a person sees of a job while it runs.

use howdah_proto::{
    event::{EpochReport, Event, Recorded, Role, StageKind},
    settings::{TrainSettings, Updates},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::out::{complain, percent};

/// Shows the events of a job on standard error: a bar for the stage that runs, a line for what is worth one.
pub(super) struct Display {
    epochs: u32,
    /// Whether there is something to say of the loss: a job that counts batches learns nothing.
    learns: bool,
    driver: String,
    bar: Option<(StageKind, ProgressBar)>,
}

impl Display {
    /// Makes a display for a job on the driver at this address.
    pub(super) fn new(settings: &TrainSettings, driver: &str) -> Self {
        let learns = settings.updates != Updates::Ones;
        Self { epochs: settings.epochs, learns, driver: driver.to_owned(), bar: None }
    }

    /// Shows an event.
    pub(super) fn show(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::Progress { kind, done, total, .. } => self.progress(*kind, *done, *total),
            Event::StageFinished { kind, .. } => {
                if let Some((_, bar)) = self.bar.take_if(|(shown, _)| shown == kind) {
                    bar.finish_and_clear();
                }
            }
            Event::DatasetListed { classes, train, test, validation, synthetic } => {
                let source = if *synthetic { "synthetic pictures" } else { "pictures" };
                let [train, validation, test] =
                    [train, validation, test].map(|counts| counts.iter().sum::<u64>());
                let validation = match validation {
                    0 => String::new(),
                    count => format!("{count} for validation, "),
                };
                self.line(&format!(
                    "{source}: {train} to train on, {validation}{test} held out, {} classes",
                    classes.len()
                ));
            }
            Event::EpochFinished(report) if self.learns => self.line(&epoch_line(report, self.epochs)),
            Event::MemberLost { role, name, reason, .. } => {
                self.line(&format!("lost {role} {name}: {reason}"))
            }
            Event::MemberLeft { role, name, .. } => self.line(&format!("{role} {name} left")),
            // Those that were there from the beginning are no news.
            Event::MemberJoined { role, name, .. } if self.bar.is_some() => {
                self.line(&format!("{role} {name} has joined"));
            }
            Event::TaskFailed { partition, attempt, message, .. } => self.line(&format!(
                "the task on partition {partition} is tried again after attempt {attempt}: {message}"
            )),
            Event::PictureSkipped { path, reason } => self.line(&format!("left out {path}: {reason}")),
            Event::BlocksShared { partitions, awaited } => self.line(&format!(
                "{} partitions need not be prepared: other jobs have the same",
                partitions + awaited
            )),
            Event::OperatorFitted { operator, records, seconds, .. } => {
                self.line(&format!("fitted `{operator}` to {records} records in {seconds:.1} s"));
            }
            Event::Waiting { reason } => {
                let role = if reason.contains("no parameter server") { "paramserver" } else { "executor" };
                self.line(&format!("waiting: {reason}; start one with"));
                self.line(&format!("  howdah-driver {role} --driver {}", self.driver));
            }
            Event::ShardLost { shard, address } => self.line(&format!("lost shard {shard} on {address}")),
            Event::ShardMoved { shard, address, how, seconds } => {
                self.line(&format!("shard {shard} is on {address} after {seconds:.2} s: {how}"));
            }
            Event::StandbyFailed { shard, address, reason } => self.line(&format!(
                "shard {shard} goes on without its standby on {address} until there is another one: {reason}"
            )),
            Event::NoStandby => {
                self.line("there is no second parameter server to hold standbys: going on without")
            }
            Event::BestEpochLost { epoch } => self.line(&format!(
                "the weights of epoch {epoch}, the best so far, are not kept any more: the best is chosen among the \
                 epochs after it"
            )),
            Event::SnapshotFailed { reason } => {
                self.line(&format!("a snapshot could not be taken: {reason}"))
            }
            Event::Resumed { snapshot, epoch, .. } => {
                self.line(&format!("going on with epoch {epoch}, from snapshot {snapshot}"));
            }
            Event::GoesOn => self.line("the job goes on"),
            _ => {}
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn progress(&mut self, kind: StageKind, done: u64, total: u64) {
        let shown = self.bar.as_ref().map(|(shown, _)| *shown);
        // The evaluation of an epoch runs beside the training of the next, which is what is shown.
        if matches!((kind, shown), (StageKind::Evaluate { .. }, Some(StageKind::Train { .. }))) {
            return;
        }
        if shown != Some(kind) {
            self.finish();
            self.bar = Some((kind, bar(kind, total, self.epochs)));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some((_, bar)) if !bar.is_hidden() => bar.println(text),
            _ => complain(text),
        }
    }
}

fn bar(kind: StageKind, total: u64, epochs: u32) -> ProgressBar {
    let (title, unit) = match kind {
        StageKind::Prepare => ("prepare".to_owned(), "pictures"),
        StageKind::Fit { .. } => ("fit".to_owned(), "pictures"),
        StageKind::Save => ("save".to_owned(), "pictures"),
        StageKind::Train { epoch } => (format!("epoch {epoch}/{epochs}"), "steps"),
        StageKind::Evaluate { epoch } => (format!("evaluate {epoch}/{epochs}"), "pictures"),
    };
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let template = format!("{{prefix:14}} {{bar:40}} {{pos}}/{{len}} {unit} {{per_sec}}, {{eta}} left");
    // A template that indicatif can't read would leave its own style in place.
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.with_prefix(title)
}

fn epoch_line(report: &EpochReport, epochs: u32) -> String {
    let shown = |name: &str, loss: Option<f64>, accuracy: Option<f64>| match (loss, accuracy) {
        (Some(loss), Some(accuracy)) => format!("   {name} loss {loss:.4}, accuracy {}", percent(accuracy)),
        _ => String::new(),
    };
    let train = shown("train", report.train_loss, report.train_accuracy);
    let validation = shown("validation", report.validation_loss, report.validation_accuracy);
    let test = shown("test", report.test_loss, report.test_accuracy);
    format!(
        "epoch {}/{epochs}{train}{validation}{test}   {:.0} images/s, {:.1} s",
        report.epoch, report.images_per_second, report.seconds
    )
}

/// Whether a member of this role was lost.
pub(super) fn is_lost(event: &Event, of: Role) -> bool {
    matches!(event, Event::MemberLost { role, .. } if *role == of)
}
