//! Other systems that train the same network on the same pictures, in Python.

use std::process::Command;

use howdah_proto::settings::DataSettings;

use crate::run;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/training/peer.py");

/// What the script can train.
#[derive(Clone, Copy)]
pub enum Peer {
    Torch,
    Keras,
    ElephasEachEpoch,
    ElephasEachBatch,
}

impl Peer {
    /// What its row in a table is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Torch => "PyTorch, one process of two threads",
            Self::Keras => "Keras, one process",
            Self::ElephasEachEpoch => "elephas, asynchronous, a push for every epoch",
            Self::ElephasEachBatch => "elephas, asynchronous, a push for every batch",
        }
    }

    /// Trains, and gives images per second; none if no Python is named that has it, or no pictures.
    pub fn train(self, batch: usize, epochs: u32) -> Option<f64> {
        let (word, variable) = match self {
            Self::Torch => ("torch", "HOWDAH_TORCH"),
            Self::Keras => ("keras", "HOWDAH_ELEPHAS"),
            Self::ElephasEachEpoch => ("elephas-epoch", "HOWDAH_ELEPHAS"),
            Self::ElephasEachBatch => ("elephas-batch", "HOWDAH_ELEPHAS"),
        };
        let python = std::env::var_os(variable)?;
        let DataSettings::Folder { train, .. } = run::pictures() else {
            println!("{} trains on the pictures that HOWDAH_PICTURES names", self.name());
            return None;
        };
        let numbers = [batch.to_string(), epochs.to_string()];
        let output =
            Command::new(python).arg(SCRIPT).arg(word).args(numbers).arg(train).output().expect("a Python");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let text = String::from_utf8_lossy(&output.stdout);
        Some(text.trim().lines().last()?.parse().expect("images per second"))
    }
}
