//! Pushing after every batch, as elephas does with `frequency='batch'`.

use howdah_executor::vision::{Augment, seed_pipeline};
use howdah_proto::settings::{Compression, Encoding, Mode, PushEvery, TrainSettings};

use crate::{peer::Peer, run};

/// How often each is measured. What else a machine does changes from minute to minute: they take turns.
const TURNS: usize = 3;
/// Replicas, and partitions.
const WORKERS: u32 = 2;
const ENCODINGS: [(&str, Encoding); 3] =
    [("f32", Encoding::F32), ("bf16", Encoding::Bf16), ("int8", Encoding::Int8)];

/// Trains one epoch with each encoding, and elephas if `HOWDAH_ELEPHAS` names a Python that has it, in turns.
///
/// As elephas does, it augments nothing and cuts the pictures into a partition for each of two workers, and what counts is the
/// time that training takes: the evaluation comes after.
pub async fn run() {
    let mut peers = Vec::new();
    let mut ours = ENCODINGS.map(|_| Vec::new());
    for _ in 0..TURNS {
        peers.extend(Peer::ElephasEachBatch.train(32, 1));
        for ((_, encoding), rates) in ENCODINGS.into_iter().zip(&mut ours) {
            rates.push(rate(encoding).await);
        }
    }
    if !peers.is_empty() {
        println!("{}: {}", Peer::ElephasEachBatch.name(), text(&peers));
    }
    for ((name, _), rates) in ENCODINGS.into_iter().zip(&ours) {
        let times = mean(rates) / mean(&peers);
        let times = if peers.is_empty() { String::new() } else { format!(", {times:.1} times as many") };
        println!("{name}: {}{times}", text(rates));
    }
}

/// The images per second of one training.
async fn rate(encoding: Encoding) -> f64 {
    let settings = TrainSettings {
        epochs: 1,
        pipeline: seed_pipeline(128, 1.0, Augment::None),
        mode: Mode::Asynchronous { push_every: PushEvery::Steps(1) },
        compression: Compression { push: encoding, pull: encoding, delta_pulls: false },
        partitions: Some(WORKERS),
        ..run::settings()
    };
    run::trained_per_second(run::train(WORKERS, 2, &settings).await.epochs.iter())
}

fn mean(rates: &[f64]) -> f64 {
    rates.iter().sum::<f64>() / rates.len() as f64
}

fn text(rates: &[f64]) -> String {
    let each: Vec<String> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
    format!("{:.0} images/s, the mean of {}", mean(rates), each.join(", "))
}
