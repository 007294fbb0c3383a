use howdah_executor::learn::{Combine, Model};
use howdah_proto::settings::DataSettings;

use super::{
    ALWAYS_NAMES_A_CLASS, DRAWINGS, SAME_KIND,
    markdown::{code_block, escape, list, table},
    quality::percent,
};
use crate::output::CARD_FILE;

/// What the card of an ensemble is made of.
#[derive(Debug, Clone, Copy)]
pub struct EnsembleCard<'a> {
    /// What the study is called.
    pub name: &'a str,
    /// One of the models; all have the same classes.
    pub model: &'a Model,
    /// How their answers become one.
    pub combine: Combine,
    /// Its models, in their order.
    pub members: &'a [Member],
    /// What each of them was measured on.
    pub measured_on: MeasuredOn,
    /// Where the pictures came from.
    pub data: &'a DataSettings,
}

/// A model of an ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its folder, below that of the ensemble.
    pub folder: String,
    /// The share of the pictures held out that it classified rightly; none if nothing was held out.
    pub accuracy: Option<f64>,
    /// The mean loss on them.
    pub loss: Option<f64>,
    /// Whether it has a card of its own.
    pub card: OwnCard,
}

/// Whether a model of an ensemble has a card of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnCard {
    /// In its folder.
    There,
    /// Whoever trained it wrote none.
    Missing,
}

/// What the models of an ensemble were measured on, each alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasuredOn {
    /// Pictures that none of them was trained on.
    HeldOut,
    /// The fold that it alone was not trained on.
    OwnFold,
}

impl EnsembleCard<'_> {
    /// The card in Markdown.
    pub fn markdown(&self) -> String {
        let combine = match self.combine {
            Combine::Average => "the mean of their probabilities",
            Combine::Vote => "the class that most of them take a picture for",
        };
        let classes: Vec<String> = self.model.classes.iter().map(|class| escape(class)).collect();
        let mut text = format!(
            "# {}\n\nTells {} classes of pictures apart: {}. {} dense networks that answer together, trained with Howdah \
             {}; their answer is {combine}.\n\n",
            escape(self.name),
            classes.len(),
            classes.join(", "),
            self.members.len(),
            howdah_proto::SOFTWARE_VERSION,
        );
        text += "## Use\n\n";
        text += &code_block(
            "sh",
            "howdah-driver predict --model . photo.jpg\n\
             howdah-driver evaluate --model . --data pictures\n\
             howdah-driver export --model . --onnx model.onnx",
        );
        text += &format!("\n## Models\n\n{}\n", self.members());
        let is_measured = self.members.iter().any(|member| member.accuracy.is_some());
        text += match self.measured_on {
            _ if !is_measured => "No picture was held out: how well they do on others is not known.\n",
            MeasuredOn::HeldOut => {
                "Each was measured alone, on pictures that none of them was trained on: `evaluate` tells how well they do \
                 together.\n"
            }
            MeasuredOn::OwnFold => {
                "Each was measured alone, on the pictures that it was not trained on and the others were: how well they do \
                 together can only be told from pictures that are new to all of them.\n"
            }
        };
        let mut limits = vec![ALWAYS_NAMES_A_CLASS, SAME_KIND];
        if matches!(self.data, DataSettings::Synthetic { .. }) {
            limits.push(DRAWINGS);
        }
        text + &format!("\n## Limits\n\n{}", list(limits))
    }

    fn members(&self) -> String {
        let cell = |value: Option<f64>, show: fn(f64) -> String| value.map_or_else(|| "-".to_owned(), show);
        let rows = self.members.iter().map(|member| {
            let card = match member.card {
                OwnCard::There => format!("[{0}](<{0}/{CARD_FILE}>)", member.folder),
                OwnCard::Missing => escape(&member.folder),
            };
            vec![card, cell(member.accuracy, percent), cell(member.loss, |loss| format!("{loss:.4}"))]
        });
        table(&["card", "accuracy", "loss"], &rows.collect::<Vec<_>>())
    }
}
