//! Every mode with 2, 4 and 8 replicas, beside a single replica that learns in sequence.

use howdah_proto::{
    event::JobReport,
    settings::{Mode, Optimizer, PushEvery, TrainSettings, UpdateRule, Updates},
};

use crate::{
    plot::{self, Curve},
    run,
};

const REPLICAS: [u32; 3] = [2, 4, 8];
const EVERY: PushEvery = PushEvery::Steps(8);

/// Trains, prints a table, and draws the curves if a file is named.
pub async fn run(svg: Option<&str>) {
    println!("{:<12} {:>8} {:>10} {:>8}  test loss by epoch", "mode", "replicas", "images/s", "accuracy");
    let sequential = run::train(1, 2, &run::settings()).await;
    let mut curves = vec![show("sequential", 1, &sequential)];
    for (name, change) in modes() {
        for replicas in REPLICAS {
            let settings = change(TrainSettings { partitions: Some(8), ..run::settings() });
            curves.push(show(name, replicas, &run::train(replicas, 2, &settings).await));
        }
    }
    if let Some(path) = svg {
        plot::draw(path, &curves).expect("a plot");
        println!("drawn: {path}");
    }
}

type Change = fn(TrainSettings) -> TrainSettings;

fn modes() -> [(&'static str, Change); 5] {
    [
        ("async", |settings| TrainSettings { mode: Mode::Asynchronous { push_every: EVERY }, ..settings }),
        ("ssp", |settings| TrainSettings {
            mode: Mode::BoundedStaleness { push_every: EVERY, staleness: 2 },
            ..settings
        }),
        ("hogwild", |settings| TrainSettings { mode: Mode::Hogwild { push_every: EVERY }, ..settings }),
        ("sync", |settings| TrainSettings {
            updates: Updates::Gradients,
            rule: UpdateRule::Adam { learning_rate: 1e-3 },
            mode: Mode::Synchronous { backups: 0 },
            partitions: Some(4),
            ..settings
        }),
        ("local", |settings| TrainSettings {
            updates: Updates::Deltas { optimizer: Optimizer::Adam { learning_rate: 5e-4 } },
            rule: UpdateRule::Nesterov { learning_rate: 0.7, momentum: 0.9 },
            mode: Mode::Local { steps: 16 },
            partitions: Some(4),
            ..settings
        }),
    ]
}

fn show(name: &str, replicas: u32, report: &JobReport) -> Curve {
    let losses: Vec<f64> = report.epochs.iter().filter_map(|epoch| epoch.test_loss).collect();
    let accuracy = report.epochs.last().and_then(|epoch| epoch.test_accuracy).unwrap_or_default();
    let text: Vec<String> = losses.iter().map(|loss| format!("{loss:.3}")).collect();
    let rate = report.images_per_second;
    println!("{name:<12} {replicas:>8} {rate:>10.0} {:>7.2}%  {}", accuracy * 100.0, text.join(" "));
    Curve { name: format!("{name}, {replicas}"), losses }
}
