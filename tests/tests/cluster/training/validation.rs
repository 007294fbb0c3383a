//! Training pictures that nobody trains on choose the epoch whose weights become the model.

use howdah_proto::{
    event::Event,
    settings::{DataSettings, Monitor, Optimizer, TrainSettings, Updates, Validation},
};
use howdah_tests::{
    cluster::Cluster, evaluation::assert_evaluates_to, model::model_of, pictures::Pictures,
    settings::learning,
};

fn settings(pictures: &Pictures, optimizer: Optimizer, patience: Option<u32>) -> TrainSettings {
    let validation = Validation { fraction: 0.3, monitor: Monitor::Loss, patience };
    TrainSettings {
        epochs: 6,
        updates: Updates::Deltas { optimizer },
        validation: Some(validation),
        ..learning(&pictures.data)
    }
}

#[test]
fn weights_that_do_not_move_end_the_training_and_the_first_of_equal_epochs_is_the_model() {
    let pictures = Pictures::draw(120);
    let cluster = Cluster::start();
    let _servers = [cluster.paramserver("left"), cluster.paramserver("right")];
    let _executors = [cluster.executor("one"), cluster.executor("two")];
    let mut job = cluster.submit(&settings(&pictures, Optimizer::Sgd { learning_rate: 1e-30 }, Some(2)));
    let report = job.wait_for_report();
    let validation: u64 = job
        .heard
        .iter()
        .find_map(|event| match event {
            Event::DatasetListed { validation, .. } => Some(validation.iter().sum()),
            _ => None,
        })
        .unwrap();
    assert!(validation > 10, "{validation}");
    assert_eq!((report.epochs.len(), report.best_epoch.map(|epoch| epoch.0)), (3, Some(1)));
}

#[test]
fn the_model_has_the_weights_of_the_best_epoch() {
    let (pictures, held_out) = (Pictures::draw(120), Pictures::draw(60));
    let mut settings = settings(&pictures, Optimizer::Adam { learning_rate: 0.3 }, None);
    let DataSettings::Folder { test, .. } = &mut settings.data else { panic!() };
    *test = Some(held_out.data.clone());
    let cluster = Cluster::start();
    let _servers = [cluster.paramserver("left"), cluster.paramserver("right")];
    let _executors = [cluster.executor("one"), cluster.executor("two")];
    let mut job = cluster.submit(&settings);
    let report = job.wait_for_report();
    let losses: Vec<f64> = report.epochs.iter().map(|epoch| epoch.validation_loss.unwrap()).collect();
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let best = report.epochs.iter().find(|epoch| epoch.validation_loss == Some(lowest)).unwrap();
    assert_eq!((report.epochs.len(), report.best_epoch), (6, Some(best.epoch)), "{losses:?}");

    assert_evaluates_to(best.test_accuracy.unwrap(), &model_of(&cluster, &job), &held_out);
}
