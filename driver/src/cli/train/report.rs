use std::path::Path;

use super::super::{metrics, out::percent};
use crate::output::RunMetrics;

/// The table that a training ends with.
pub(in crate::cli) fn results(run: &RunMetrics, model: &Path, output: &Path) -> String {
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    let data = if run.data == "synthetic" { "synthetic, drawn by Howdah" } else { "pictures from a folder" };
    row("data", format!("{data}: {}", run.classes_shown()));
    match &run.test {
        Some(test) => {
            row("held out", format!("{} pictures, with intervals of 95 % confidence:", test.pictures));
            metrics::rows(test).into_iter().for_each(|[name, value]| row(&format!("  {name}"), value));
        }
        None => row("held out", "no picture: how well the model does is not known".to_owned()),
    }
    if let Some(validation) = &run.validation {
        let (accuracy, loss) = (percent(validation.accuracy), validation.loss);
        row("validation", format!("accuracy {accuracy}, loss {loss:.4} on {} pictures", validation.pictures));
    }
    if let Some(best) = run.best_epoch {
        let epochs = run.epochs.last().map_or(best, |last| last.epoch);
        row("model from", format!("epoch {best} of {epochs}, the best on the validation pictures"));
    }
    row("training", format!("{:.0} images/s", run.train.images_per_second));
    row(
        "batches applied",
        format!("{}, each exactly once on {} shards", run.train.batches_applied, run.shards.len()),
    );
    let seconds = &run.seconds;
    row(
        "seconds",
        format!(
            "{:.1} in all: {:.1} to start, {:.1} to list, {:.1} to prepare, {:.1} to train; first step after {:.1}",
            seconds.total, seconds.start, seconds.list, seconds.preprocess, seconds.train, seconds.first_step
        ),
    );
    let failures = &run.failures;
    if failures.executors_lost + failures.shards_lost + failures.task_retries + failures.skipped_pictures > 0
    {
        row(
            "made good",
            format!(
                "{} executors lost, {} shards lost, {} tasks tried again, {} pictures left out",
                failures.executors_lost,
                failures.shards_lost,
                failures.task_retries,
                failures.skipped_pictures
            ),
        );
    }
    if failures.snapshots > 0 {
        row("snapshots", format!("{} taken; --resume goes on with the last", failures.snapshots));
    }
    for (shard, report) in run.shards.iter().enumerate() {
        if let Some(shown) = staleness(&report.staleness) {
            row(&format!("staleness, shard {shard}"), shown);
        }
    }
    row("model", model.display().to_string());
    row("output", output.display().to_string());
    let width = rows.iter().map(|[name, _]| name.len()).max().unwrap_or(0);
    let lines = rows.iter().map(|[name, value]| format!("{name:width$}  {value}"));
    let mut text = lines.collect::<Vec<_>>().join("\n");
    if let Some(test) = &run.test {
        text = format!("{}\n\n{text}", metrics::by_class(&run.classes, test));
    }
    text
}

/// A histogram of staleness in a line: how many of a hundred pushes were so many versions behind; none if there was
/// no push.
fn staleness(counts: &[u64]) -> Option<String> {
    let all: u64 = counts.iter().sum();
    let label = |bucket: usize| match bucket {
        0..4 => bucket.to_string(),
        _ => format!("{}-{}", 1u64 << (bucket - 2), (1u64 << (bucket - 1)) - 1),
    };
    let share = |(bucket, count): (usize, &u64)| {
        format!("{}: {}", label(bucket), percent(*count as f64 / all as f64))
    };
    let shares = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(share);
    (all > 0).then(|| shares.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staleness_is_shown_by_versions_behind() {
        assert_eq!(staleness(&[0, 0]), None);
        let shown = staleness(&[5, 0, 0, 0, 3, 2]).unwrap();
        assert!(
            shown.starts_with("0: 50") && shown.contains("4-7: 30") && shown.contains("8-15: 20"),
            "{shown}"
        );
    }
}
