use std::path::Path;

use super::super::out::{percent, table};
use crate::output::Metrics;

/// The table that a training ends with.
pub(in crate::cli) fn results(metrics: &Metrics, model: &Path, output: &Path) -> String {
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    let data =
        if metrics.data == "synthetic" { "synthetic, drawn by Howdah" } else { "pictures from a folder" };
    row("data", format!("{data}: {}", metrics.classes_shown()));
    match &metrics.test {
        Some(test) => {
            row(
                "test accuracy",
                format!("{} of {} held-out pictures", percent(test.accuracy), test.pictures),
            );
            row("balanced accuracy", percent(test.balanced_accuracy));
        }
        None => row("test accuracy", "no picture was held out".to_owned()),
    }
    row("training", format!("{:.0} images/s", metrics.train.images_per_second));
    row(
        "batches applied",
        format!("{}, each exactly once on {} shards", metrics.train.batches_applied, metrics.shards.len()),
    );
    let seconds = &metrics.seconds;
    row(
        "seconds",
        format!(
            "{:.1} in all: {:.1} to start, {:.1} to list, {:.1} to prepare, {:.1} to train; first step after {:.1}",
            seconds.total, seconds.start, seconds.list, seconds.preprocess, seconds.train, seconds.first_step
        ),
    );
    let failures = &metrics.failures;
    if failures.executors_lost + failures.task_retries + failures.skipped_pictures > 0 {
        row(
            "made good",
            format!(
                "{} executors lost, {} tasks tried again, {} pictures left out",
                failures.executors_lost, failures.task_retries, failures.skipped_pictures
            ),
        );
    }
    row("model", model.display().to_string());
    row("output", output.display().to_string());
    let width = rows.iter().map(|[name, _]| name.len()).max().unwrap_or(0);
    let lines = rows.iter().map(|[name, value]| format!("{name:width$}  {value}"));
    let mut text = lines.collect::<Vec<_>>().join("\n");
    if let Some(test) = metrics.test.as_ref().filter(|test| test.confusion.len() <= 12) {
        text = format!("{}\n\n{text}", confusion(&metrics.classes, &test.confusion));
    }
    text
}

/// A confusion matrix for people: a row for each true class.
pub(in crate::cli) fn confusion(classes: &[String], rows: &[Vec<u64>]) -> String {
    let heading = std::iter::once("true \\ predicted".to_owned()).chain(classes.iter().cloned()).collect();
    let body = classes
        .iter()
        .zip(rows)
        .map(|(class, row)| std::iter::once(class.clone()).chain(row.iter().map(u64::to_string)).collect());
    table(&std::iter::once(heading).chain(body).collect::<Vec<Vec<String>>>())
}
