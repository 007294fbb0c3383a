//! Pushing after every batch, as elephas does with `frequency='batch'`.

use howdah_executor::vision::{Augment, seed_pipeline};
use howdah_proto::settings::{Compression, Encoding, Mode, PushEvery, TrainSettings};

use crate::{peer::Peer, run};

/// Trains one epoch with each encoding, and elephas if `HOWDAH_ELEPHAS` names a Python that has it.
///
/// As elephas does, it augments nothing, and what counts is the time that training takes: the evaluation comes after.
pub async fn run() {
    let peer = Peer::ElephasEachBatch.train(32, 1);
    if let Some(rate) = peer {
        println!("{}: {rate:.0} images/s", Peer::ElephasEachBatch.name());
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
        let (rate, whole) = (run::trained_per_second(report.epochs.iter()), report.images_per_second);
        let times = peer.map(|other| format!(", {:.1} times as many", rate / other)).unwrap_or_default();
        println!("{name}: {rate:.0} images/s{times} ({whole:.0} with the evaluation)");
    }
}
