//! What a model card says of how well the model does.

use howdah_proto::event::{Interval, Metrics};

use super::markdown::{escape, table};

/// The most classes of which the confusion matrix is shown.
const MATRIX_CLASSES: usize = 20;
/// How many pairs of confused classes are shown instead of a larger matrix.
const PAIRS: usize = 20;

/// All metrics on some pictures, as the sections below a heading.
pub(super) fn sections(classes: &[String], metrics: &Metrics) -> String {
    let confused = if classes.len() <= MATRIX_CLASSES {
        format!(
            "Confusion matrix: a row for each true class, a column for each predicted one.\n\n{}",
            matrix(classes, metrics)
        )
    } else {
        format!("The {PAIRS} most frequent confusions:\n\n{}", pairs(classes, metrics))
    };
    format!("{}\n{}\n{confused}", overall(metrics), by_class(classes, metrics))
}

fn overall(metrics: &Metrics) -> String {
    let intervals = &metrics.intervals;
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String, interval: Option<String>| {
        rows.push(vec![name.to_owned(), value, interval.unwrap_or_default()]);
    };
    row("accuracy", percent(metrics.accuracy), intervals.accuracy.map(percents));
    row(
        "balanced accuracy (mean recall)",
        percent(metrics.balanced_accuracy),
        intervals.balanced_accuracy.map(percents),
    );
    row("mean precision", percent(metrics.precision), None);
    row("mean F1", percent(metrics.f1), None);
    if let Some(area) = metrics.roc_auc {
        row("ROC-AUC", format!("{area:.4}"), intervals.roc_auc.map(numbers));
    }
    for top in metrics.top_k.iter().filter(|top| [2, 3, 5, 10].contains(&top.k)) {
        row(&format!("top-{} accuracy", top.k), percent(top.accuracy), Some(percents(top.interval)));
    }
    row("loss (cross-entropy)", format!("{:.4}", metrics.loss), intervals.loss.map(numbers));
    row("expected calibration error", percent(metrics.calibration_error), None);
    table(&["", "value", "95 % interval"], &rows)
}

fn by_class(classes: &[String], metrics: &Metrics) -> String {
    let share = |value: Option<f64>, interval: Option<Interval>| match (value, interval) {
        (Some(value), Some(interval)) => format!("{} ({})", percent(value), percents(interval)),
        _ => "-".to_owned(),
    };
    let rows = classes.iter().zip(&metrics.classes).map(|(name, class)| {
        let intervals = &class.intervals;
        vec![
            escape(name),
            class.pictures.to_string(),
            share(class.recall, intervals.recall),
            share(class.precision, intervals.precision),
            class.f1.map_or_else(|| "-".to_owned(), percent),
            class.roc_auc.map_or_else(|| "-".to_owned(), |area| format!("{area:.4}")),
        ]
    });
    table(&["class", "pictures", "recall", "precision", "F1", "ROC-AUC"], &rows.collect::<Vec<_>>())
}

fn matrix(classes: &[String], metrics: &Metrics) -> String {
    let names: Vec<String> = classes.iter().map(|name| escape(name)).collect();
    let heading: Vec<&str> = std::iter::once("").chain(names.iter().map(String::as_str)).collect();
    let rows = names
        .iter()
        .zip(&metrics.confusion)
        .map(|(name, row)| std::iter::once(name.clone()).chain(row.iter().map(u64::to_string)).collect());
    table(&heading, &rows.collect::<Vec<_>>())
}

fn pairs(classes: &[String], metrics: &Metrics) -> String {
    let mut pairs: Vec<(u64, usize, usize)> = Vec::new();
    for (truth, row) in metrics.confusion.iter().enumerate() {
        let wrong = row.iter().enumerate().filter(|(predicted, count)| *predicted != truth && **count > 0);
        pairs.extend(wrong.map(|(predicted, count)| (*count, truth, predicted)));
    }
    pairs.sort_by_key(|(count, truth, predicted)| (std::cmp::Reverse(*count), *truth, *predicted));
    let name = |class: usize| classes.get(class).map(|name| escape(name)).unwrap_or_default();
    let row = |(count, truth, predicted): &(u64, usize, usize)| {
        let of = metrics.classes.get(*truth).map_or(0, |class| class.pictures);
        vec![name(*truth), name(*predicted), format!("{count} of {of}")]
    };
    table(&["class", "taken for", "pictures"], &pairs.iter().take(PAIRS).map(row).collect::<Vec<_>>())
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

pub(super) fn percents(interval: Interval) -> String {
    format!("{:.1} to {:.1} %", 100.0 * interval.low, 100.0 * interval.high)
}

fn numbers(interval: Interval) -> String {
    format!("{:.4} to {:.4}", interval.low, interval.high)
}
