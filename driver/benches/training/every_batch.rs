//! Pushing after every batch, as elephas does with `frequency='batch'`.

use std::process::Command;

use howdah_executor::vision::{Augment, seed_pipeline};
use howdah_proto::{
    event::JobReport,
    settings::{Compression, DataSettings, Encoding, Mode, PushEvery, TrainSettings},
};

use crate::run;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/training/elephas_every_batch.py");

/// Trains one epoch with each encoding, and elephas if `HOWDAH_ELEPHAS` names a Python that has it.
///
/// As elephas does, it augments nothing, and what counts is the time that training takes: the evaluation comes after.
pub async fn run() {
    let peer = elephas();
    if let Some(rate) = peer {
        println!("elephas, asynchronous, a push for every batch: {rate:.0} images/s");
    }
    for (name, encoding) in [("f32", Encoding::F32), ("bf16", Encoding::Bf16), ("int8", Encoding::Int8)] {
        let settings = TrainSettings {
            epochs: 1,
            pipeline: seed_pipeline(128, 1.0, Augment::None),
            mode: Mode::Asynchronous { push_every: PushEvery::Steps(1) },
            compression: Compression { push: encoding, pull: encoding, delta_pulls: false },
            ..run::settings()
        };
        let report = run::train(2, 2, &settings).await;
        let (rate, whole) = (trained_per_second(&report), report.images_per_second);
        let times = peer.map(|other| format!(", {:.1} times as many", rate / other)).unwrap_or_default();
        println!("{name}: {rate:.0} images/s{times} ({whole:.0} with the evaluation)");
    }
}

fn trained_per_second(report: &JobReport) -> f64 {
    let seconds: f64 = report.epochs.iter().map(|epoch| epoch.seconds).sum();
    let pictures: f64 = report.epochs.iter().map(|epoch| epoch.images_per_second * epoch.seconds).sum();
    pictures / seconds
}

fn elephas() -> Option<f64> {
    let python = std::env::var_os("HOWDAH_ELEPHAS")?;
    let DataSettings::Folder { train, .. } = run::pictures() else {
        println!("elephas is compared on the pictures that HOWDAH_PICTURES names");
        return None;
    };
    let output = Command::new(python).arg(SCRIPT).arg(train).output().expect("a Python");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.trim().lines().last()?.parse().expect("images per second"))
}
