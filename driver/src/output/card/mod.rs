//! The model card: what a model is, where it comes from and how well it does, for people (Mitchell et al. 2019, "Model
//! cards for model reporting").

mod ensemble;
mod markdown;
mod quality;

use std::path::Path;

use howdah_executor::learn::Model;
use howdah_proto::{
    event::Metrics,
    lineage::OperatorSpec,
    settings::{DataSettings, TrainSettings},
};

use super::{PictureCounts, RunMetrics};
use markdown::{code_block, escape, list, table};
use quality::percent;

pub use ensemble::{EnsembleCard, MeasuredOn, Member, OwnCard};

/// Parameters that are longer were fitted, and are no reading for people.
const LONGEST_PARAMETER: usize = 200;
/// With fewer pictures of a class, little is known of it.
const FEW_PICTURES: u64 = 30;
/// Confidence that is further from accuracy than this should not be relied on.
const MISCALIBRATED: f64 = 0.05;

const ALWAYS_NAMES_A_CLASS: &str =
    "It names one of its classes for every picture, also for one of something else.";
const DRAWINGS: &str = "It was trained on drawings, and is of no use for photographs.";
const SAME_KIND: &str = "What it was measured on is of the same kind as what it was trained on: of pictures that were taken \
                         or chosen in another way, nothing is known.";

/// What the pictures that were held out have decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldOut {
    /// Nothing.
    DecidedNothing,
    /// Which settings of a search are the best.
    ChoseSettings,
}

/// What a model card is made of.
#[derive(Debug, Clone, Copy)]
pub struct Card<'a> {
    /// The model.
    pub model: &'a Model,
    /// What the job was told.
    pub settings: &'a TrainSettings,
    /// The pictures, if they were listed while the run was watched.
    pub pictures: Option<&'a PictureCounts>,
    /// What the run gave.
    pub run: &'a RunMetrics,
    /// What the pictures have decided on which it was tested.
    pub held_out: HeldOut,
}

impl Card<'_> {
    /// The card in Markdown.
    pub fn markdown(&self) -> String {
        let (model, run) = (self.model, self.run);
        let mut text = format!("# {}\n\n", escape(&run.name));
        text += &format!(
            "Tells {} classes of pictures apart. A dense network of {} parameters on {} features, trained with Howdah \
             {}.\n\n",
            model.classes.len(),
            model.network.parameters(),
            model.network.inputs(),
            howdah_proto::SOFTWARE_VERSION,
        );
        text += "## Use\n\n";
        text += &code_block(
            "sh",
            "howdah-driver predict --model model.safetensors photo.jpg\n\
             howdah-driver evaluate --model model.safetensors --data pictures\n\
             howdah-driver export --model model.safetensors --onnx model.onnx",
        );
        text += "\nThe model file has the class names, the pipeline with all its parameters, and the settings of the \
                 training in its metadata.\n\n";
        text += &format!("## Data\n\n{}\n", self.data());
        text += &format!("## From pictures to features\n\n{}\n", self.pipeline());
        text += &format!("## Training\n\n{}\n", self.training());
        text += &format!("## How well it does\n\n{}\n", self.quality());
        text + &format!("## Limits\n\n{}", self.limits())
    }

    fn data(&self) -> String {
        let source = source_of(self.settings);
        let skipped = match self.run.failures.skipped_pictures {
            0 => String::new(),
            count => format!(" {count} pictures could not be used and were left out."),
        };
        let Some(counts) = self.pictures else { return format!("{source}{skipped}\n") };
        let validates = !counts.validation.is_empty();
        let mut heading = vec!["class", "to train on"];
        heading.extend(validates.then_some("for validation"));
        heading.push("held out");
        let count = |counts: &[u64], class: usize| counts.get(class).copied().unwrap_or(0).to_string();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for (class, name) in self.model.classes.iter().enumerate() {
            let mut row = vec![escape(name), count(&counts.train, class)];
            row.extend(validates.then(|| count(&counts.validation, class)));
            row.push(count(&counts.test, class));
            rows.push(row);
        }
        let sum = |counts: &[u64]| counts.iter().sum::<u64>().to_string();
        let mut all = vec!["all".to_owned(), sum(&counts.train)];
        all.extend(validates.then(|| sum(&counts.validation)));
        all.push(sum(&counts.test));
        rows.push(all);
        format!("{source}{skipped}\n\n{}", table(&heading, &rows))
    }

    fn pipeline(&self) -> String {
        let pipeline = &self.model.pipeline;
        let steps = pipeline.prepare.iter().chain(&pipeline.feed).zip(1..);
        let steps: String = steps.map(|(spec, number)| format!("{number}. {}\n", step(spec))).collect();
        let views = match pipeline.mirror_average {
            true => "\nPredictions are averaged over a picture and its mirrored view.\n",
            false => "",
        };
        format!("{steps}{views}")
    }

    fn training(&self) -> String {
        let (settings, run) = (self.settings, self.run);
        let mut rows = Vec::new();
        let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
        let network = &self.model.network;
        let layers = std::iter::once(network.inputs())
            .chain(network.layers().iter().map(|layer| layer.outputs))
            .map(|width| width.to_string());
        row("layers", layers.collect::<Vec<_>>().join(" - "));
        row("dropout, of inputs", format!("{}, {}", network.dropout(), network.input_dropout()));
        let epochs = run.epochs.last().map_or(0, |last| last.epoch.0);
        row("epochs", epochs.to_string());
        if let Some(best) = run.best_epoch {
            row("weights from", format!("epoch {best}, the best on the validation pictures"));
        }
        row("pictures in a step", settings.batch.to_string());
        row("seed", settings.seed.to_string());
        row("batches applied, each exactly once", run.train.batches_applied.to_string());
        if let (Some(loss), Some(accuracy)) = (run.train.loss, run.train.accuracy) {
            row("loss in the last epoch, as trained on", format!("{loss:.4}"));
            row("accuracy in the last epoch, as trained on", percent(accuracy));
        }
        row("seconds to train", format!("{:.1}", run.seconds.train));
        let mut all = serde_json::to_value(settings).unwrap_or_default();
        if let Some(fields) = all.as_object_mut() {
            // They have sections of their own, or belong to the machines.
            ["pipeline", "data", "snapshots", "resume"].iter().for_each(|field| drop(fields.remove(*field)));
        }
        let all = serde_json::to_string_pretty(&all).unwrap_or_default();
        format!("{}\nAll settings:\n\n{}", table(&["", ""], &rows), code_block("json", &all))
    }

    fn quality(&self) -> String {
        let (classes, run) = (&self.model.classes, self.run);
        let section = |title: &str, metrics: &Metrics| {
            let sections = quality::sections(classes, metrics);
            format!("### On {} {title}\n\n{sections}\n", metrics.pictures)
        };
        let mut text = match &run.test {
            Some(test) => section("held-out pictures", test),
            None => "No picture was held out: how well the model does on others is not known.\n\n".to_owned(),
        };
        if run.test.is_some() && self.held_out == HeldOut::ChoseSettings {
            text += "The held-out pictures are a part of the training pictures and chose the settings, among those of a \
                     search, so the model does a little better on them than on others.\n\n";
        }
        if let Some(validation) = &run.validation {
            text += &section("validation pictures", validation);
            text += "The validation pictures chose the epoch, so the model does a little better on them than on others.\n\n";
        }
        if run.test.is_some() || run.validation.is_some() {
            text += "Intervals are of 95 % confidence for other pictures of the same kind: Wilson's for shares, Zou and \
                     Donner's for the balanced accuracy, Newcombe's for ROC-AUC, the normal one for the loss. Means \
                     over classes count the classes that have pictures. ROC-AUC is of each class against the rest.\n";
        }
        text
    }

    fn limits(&self) -> String {
        let mut limits = vec![ALWAYS_NAMES_A_CLASS.to_owned(), SAME_KIND.to_owned()];
        if matches!(self.settings.data, DataSettings::Synthetic { .. }) {
            limits.push(DRAWINGS.to_owned());
        }
        if let Some(test) = &self.run.test {
            let named = || self.model.classes.iter().zip(&test.classes);
            let worst = named().filter_map(|(name, class)| Some((name, class.recall?)));
            if let Some((name, recall)) = worst.min_by(|a, b| a.1.total_cmp(&b.1)) {
                limits.push(format!(
                    "It finds {} of {}, fewer than of any other class.",
                    percent(recall),
                    escape(name)
                ));
            }
            let few = named().filter(|(_, class)| class.pictures < FEW_PICTURES).count();
            if few > 0 {
                limits.push(format!(
                    "{few} of {} classes have fewer than {FEW_PICTURES} held-out pictures: see their intervals.",
                    test.classes.len()
                ));
            }
            if test.calibration_error > MISCALIBRATED {
                limits.push(format!(
                    "Its probabilities are {} from how often it is right, on average: don't rely on them as they are.",
                    percent(test.calibration_error)
                ));
            }
        }
        list(limits)
    }
}

fn step(spec: &OperatorSpec) -> String {
    let params = match serde_json::to_string(&spec.params) {
        Ok(text) if text.len() <= LONGEST_PARAMETER => text,
        _ => abbreviated(&spec.params).to_string(),
    };
    let params =
        if params == "null" || params == "{}" { String::new() } else { format!(": {}", escape(&params)) };
    format!("{} (version {}){params}", escape(&spec.name), spec.version)
}

/// The parameters, without those that are long.
fn abbreviated(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), abbreviated(value))).collect()
        }
        Value::Array(values) if values.len() <= 8 => values.iter().map(abbreviated).collect(),
        Value::Array(values) => Value::String(format!("{} values", values.len())),
        Value::String(text) if text.len() > 64 => Value::String("fitted to the training pictures".to_owned()),
        plain => plain.clone(),
    }
}

fn source_of(settings: &TrainSettings) -> String {
    let fold = settings.selection.fold.map(|fold| format!("fold {fold} of the training pictures"));
    match &settings.data {
        DataSettings::Synthetic { .. } => {
            let held_out = fold.map_or_else(String::new, |fold| format!(" Held out is {fold}."));
            format!("Pictures of cats and dogs that Howdah drew itself.{held_out}")
        }
        DataSettings::Folder { train, test, test_fraction, classes, .. } => {
            let place = |path: &Path| escape(&path.to_string_lossy());
            let held_out = match (fold, test) {
                (Some(fold), _) => format!("held out is {fold}"),
                (None, Some(test)) => format!("those held out are {}", place(test)),
                (None, None) => format!(
                    "those held out are the ones that the set itself holds out, or {} of them by a hash of their names",
                    percent(*test_fraction)
                ),
            };
            let merged = classes
                .iter()
                .map(|(class, names)| format!(" {} is {}.", escape(class), escape(&names.join(", "))));
            format!("Pictures from {}; {held_out}.{}", place(train), merged.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests;
