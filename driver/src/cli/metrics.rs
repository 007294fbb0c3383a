//! Metrics for people, the same at the end of `train` and of `evaluate`.

use howdah_proto::event::{ClassMetrics, Interval, Metrics};

use super::out::{percent, table};

/// The most classes of which the confusion matrix and all rows are shown.
const MOST_CLASSES: usize = 12;
/// How many of more classes are shown: those that are found least.
const WORST: usize = 5;
/// The k of the top-k accuracy that is shown.
const TOP_K: u32 = 5;

/// All that is shown of an evaluation.
pub(super) fn text(names: &[String], metrics: Option<&Metrics>) -> String {
    let Some(metrics) = metrics else { return "no picture could be used".to_owned() };
    let mut rows = rows(metrics);
    rows.push(["pictures".to_owned(), metrics.pictures.to_string()]);
    let width = rows.iter().map(|[name, _]| name.len()).max().unwrap_or(0);
    let lines: Vec<String> = rows.iter().map(|[name, value]| format!("{name:width$}  {value}")).collect();
    format!("{}\n\n{}", by_class(names, metrics), lines.join("\n"))
}

/// The metrics as JSON, with the names of the classes; `null` if there are none.
pub(super) fn json(names: &[String], metrics: Option<&Metrics>) -> String {
    let mut value = serde_json::to_value(metrics).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("class_names".to_owned(), names.into());
    }
    format!("{value:#}")
}

/// Name and value of the metrics over all pictures.
pub(super) fn rows(metrics: &Metrics) -> Vec<[String; 2]> {
    let intervals = &metrics.intervals;
    let within = |value: String, interval: Option<Interval>, shown: fn(f64) -> String| match interval {
        Some(Interval { low, high }) => format!("{value} ({} to {})", shown(low), shown(high)),
        None => value,
    };
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    row("accuracy", within(percent(metrics.accuracy), intervals.accuracy, short_percent));
    row(
        "balanced accuracy",
        within(percent(metrics.balanced_accuracy), intervals.balanced_accuracy, short_percent),
    );
    if let Some(top) = metrics.top_k.iter().find(|top| top.k == TOP_K) {
        let name = format!("top-{} accuracy", top.k);
        row(&name, within(percent(top.accuracy), Some(top.interval), short_percent));
    }
    row(
        "precision, F1",
        format!("{}, {}, mean of the classes", percent(metrics.precision), percent(metrics.f1)),
    );
    if let Some(area) = metrics.roc_auc {
        row("ROC-AUC", within(number(area), intervals.roc_auc, number));
    }
    row("loss", within(number(metrics.loss), intervals.loss, number));
    row("calibration error", percent(metrics.calibration_error));
    rows
}

/// The confusion matrix and all classes if they are few, else the classes that are found least.
pub(super) fn by_class(names: &[String], metrics: &Metrics) -> String {
    let mut classes: Vec<(&String, &ClassMetrics)> = names.iter().zip(&metrics.classes).collect();
    if classes.len() <= MOST_CLASSES {
        return format!("{}\n\n{}", confusion(names, &metrics.confusion), class_table("class", &classes));
    }
    classes.retain(|(_, class)| class.recall.is_some());
    classes.sort_by(|(_, a), (_, b)| a.recall.unwrap_or(1.0).total_cmp(&b.recall.unwrap_or(1.0)));
    classes.truncate(WORST);
    class_table(&format!("least found of {}", names.len()), &classes)
}

fn class_table(heading: &str, classes: &[(&String, &ClassMetrics)]) -> String {
    let heading = [heading, "pictures", "recall", "95 %", "precision", "95 %", "F1", "ROC-AUC"];
    let shown = |value: Option<f64>, shown: fn(f64) -> String| value.map_or_else(|| "-".to_owned(), shown);
    let ends = |interval: Option<Interval>| match interval {
        Some(Interval { low, high }) => format!("{:.1} to {:.1}", 100.0 * low, 100.0 * high),
        None => String::new(),
    };
    let row = |(name, class): &(&String, &ClassMetrics)| {
        vec![
            (*name).clone(),
            class.pictures.to_string(),
            shown(class.recall, percent),
            ends(class.intervals.recall),
            shown(class.precision, percent),
            ends(class.intervals.precision),
            shown(class.f1, percent),
            shown(class.roc_auc, number),
        ]
    };
    let heading = std::iter::once(heading.map(str::to_owned).to_vec());
    table(&heading.chain(classes.iter().map(row)).collect::<Vec<_>>())
}

/// A confusion matrix for people: a row for each true class.
fn confusion(classes: &[String], rows: &[Vec<u64>]) -> String {
    let heading = std::iter::once("true \\ predicted".to_owned()).chain(classes.iter().cloned()).collect();
    let body = classes
        .iter()
        .zip(rows)
        .map(|(class, row)| std::iter::once(class.clone()).chain(row.iter().map(u64::to_string)).collect());
    table(&std::iter::once(heading).chain(body).collect::<Vec<Vec<String>>>())
}

fn short_percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

fn number(value: f64) -> String {
    format!("{value:.4}")
}

#[cfg(test)]
mod tests {
    use howdah_executor::learn::Summary;

    use super::*;

    /// Pictures of so many classes: of class n, n of them are taken for class 0.
    fn metrics(classes: usize) -> (Vec<String>, Metrics) {
        let mut summary = Summary::new(classes);
        for class in 0..classes {
            for picture in 0..classes {
                let mut probabilities = vec![0.0; classes];
                probabilities[if picture < class { 0 } else { class }] = 1.0;
                summary.add(class as u32, &probabilities).unwrap();
            }
        }
        ((0..classes).map(|class| format!("class {class}")).collect(), summary.metrics().unwrap())
    }

    #[test]
    fn a_few_classes_are_all_shown_and_of_many_the_least_found() {
        let (names, few) = metrics(3);
        let shown = by_class(&names, &few);
        assert!(
            shown.contains("true \\ predicted") && shown.contains("class 1         3   66.67 %"),
            "{shown}"
        );
        let (names, many) = metrics(30);
        let shown = by_class(&names, &many);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 1 + WORST, "{shown}");
        assert!(lines[0].starts_with("least found of 30") && lines[1].starts_with("class 29"), "{shown}");
        assert!(rows(&many).iter().any(|[name, _]| name == "top-5 accuracy"));
    }

    #[test]
    fn values_have_their_intervals_beside_them() {
        let (_, metrics) = metrics(2);
        let rows = rows(&metrics);
        assert_eq!(rows[0], ["accuracy".to_owned(), "75.00 % (30.1 to 95.4)".to_owned()]);
    }
}
