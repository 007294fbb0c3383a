//! Images per second in training the seed network: a cluster of two executors of one thread each, and what others do
//! with the same two cores.

use howdah_executor::vision::{Augment, seed_pipeline};
use howdah_proto::settings::{Mode, PushEvery, TrainSettings};

use crate::{candle_loop, peer::Peer, run};

const EPOCHS: u32 = 2;
/// Epochs before the clock is started: the others warm up, too.
const WARM_UP: u32 = 1;
/// Systems take turns, as the speed of a machine drifts; the median of the turns counts.
const TURNS: usize = 3;

/// Trains with every system, for batches of 32 and 128 pictures, and prints the ratios.
pub async fn run() {
    for batch in [32, 128] {
        println!("batches of {batch}, images/s");
        let mut rates = vec![Vec::new(); 2];
        let mut others: Vec<(&str, Vec<f64>)> = Vec::new();
        for _ in 0..TURNS {
            for (rates, push_every) in rates.iter_mut().zip([PushEvery::Steps(8), PushEvery::Epoch]) {
                let report = run::train(2, 2, &settings(batch, push_every)).await;
                rates.push(run::trained_per_second(report.epochs.iter().skip(WARM_UP as usize)));
            }
            let candle = tokio::task::block_in_place(|| candle_loop::images_per_second(batch));
            note(&mut others, "candle as it comes, one process of two threads", candle);
            for peer in [Peer::Torch, Peer::Keras, Peer::ElephasEachEpoch] {
                if let Some(rate) = peer.train(batch, EPOCHS) {
                    note(&mut others, peer.name(), rate);
                }
            }
        }
        let [eight, epoch] = [0, 1].map(|row| median(&mut rates[row]));
        println!("{:50} {eight:8.0}", "howdah, a push for every 8 batches");
        println!("{:50} {epoch:8.0}", "howdah, a push for every epoch");
        for (name, rates) in &mut others {
            let rate = median(rates);
            println!(
                "{name:50} {rate:8.0}   howdah has {:.2} and {:.2} times as many",
                eight / rate,
                epoch / rate
            );
        }
    }
}

fn settings(batch: usize, push_every: PushEvery) -> TrainSettings {
    TrainSettings {
        epochs: WARM_UP + EPOCHS,
        batch: batch as u32,
        // As many as there are executors, as elephas has it: an epoch is one task for each, with one push if that is wanted.
        partitions: Some(2),
        pipeline: seed_pipeline(128, 1.0, Augment::None),
        mode: Mode::Asynchronous { push_every },
        ..run::settings()
    }
}

fn note<'a>(rows: &mut Vec<(&'a str, Vec<f64>)>, name: &'a str, rate: f64) {
    match rows.iter_mut().find(|(other, _)| *other == name) {
        Some((_, rates)) => rates.push(rate),
        None => rows.push((name, vec![rate])),
    }
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
