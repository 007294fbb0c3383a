use howdah_proto::settings::{NetworkSettings, Optimizer};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use super::*;
use crate::learn::{Adam, initial_weights, predicted};

fn network(features: usize, hidden: &[u32], classes: usize, dropout: f32) -> Network {
    let settings = NetworkSettings { hidden: hidden.to_vec(), dropout, input_dropout: 0.0 };
    Network::new(&settings, features, classes).unwrap()
}

/// A replica with drawn weights and a full batch of drawn samples.
pub(super) fn replica(network: Network, batch: usize, threads: usize, seed: u64) -> Replica {
    let weights = initial_weights(&network, seed);
    let classes = network.classes() as u32;
    let mut replica = Replica::new(network, batch, threads).unwrap();
    replica.set_weights(&weights).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for row in 0..batch {
        replica
            .samples_mut()
            .input_row(row)
            .unwrap()
            .fill_with(|| random.next_u32() as f32 / u32::MAX as f32 - 0.5);
        replica.samples_mut().set_label(row, random.next_u32() % classes).unwrap();
    }
    replica
}

/// Compares the gradient with central differences of the loss, for every parameter.
fn check_gradient(mut replica: Replica, rows: usize, seed: u64) {
    // Biases of 0 would leave units that get nothing exactly on the kink of ReLU, where there is no slope.
    for layer in replica.network().clone().layers() {
        replica.weights_mut()[layer.bias.clone()].fill(0.1);
    }
    replica.step(rows, seed).unwrap();
    let gradient = replica.gradient().unwrap().to_vec();
    let step = 3e-4;
    for (at, &slope) in gradient.iter().enumerate() {
        let weight = replica.weights()[at];
        let mut loss_at = |moved: f32| {
            replica.weights_mut()[at] = moved;
            replica.step(rows, seed).unwrap().loss_sum / rows as f64
        };
        let difference = (loss_at(weight + step) - loss_at(weight - step)) / f64::from(2.0 * step);
        replica.weights_mut()[at] = weight;
        assert!((difference - f64::from(slope)).abs() < 1e-3, "{at}: {difference} {slope}");
    }
    assert!(gradient.iter().any(|slope| slope.abs() > 0.01), "there was no gradient to compare");
}

#[test]
fn gradients_agree_with_finite_differences() {
    for classes in [2, 4] {
        for dropout in [0.0, 0.4] {
            check_gradient(replica(network(6, &[7, 5], classes, dropout), 9, 1, 2), 9, 11);
        }
    }
    check_gradient(replica(network(6, &[], 3, 0.0), 4, 1, 3), 4, 0);
}

#[test]
fn gradients_agree_with_finite_differences_when_features_are_dropped_and_the_objective_is_another() {
    let settings = NetworkSettings { hidden: vec![7], dropout: 0.3, input_dropout: 0.4 };
    for classes in [2, 3] {
        let mut replica = replica(Network::new(&settings, 6, classes).unwrap(), 9, 1, 2);
        let class_weights = (0..classes).map(|class| 0.5 + class as f32).collect();
        let objective = Objective { label_smoothing: 0.1, class_weights, ..Objective::PLAIN };
        replica.set_objective(objective).unwrap();
        check_gradient(replica, 9, 11);
    }
}

#[test]
fn a_step_drops_its_share_of_the_features_and_evaluating_none() {
    let settings = NetworkSettings { hidden: vec![], dropout: 0.0, input_dropout: 0.5 };
    let mut replica = Replica::new(Network::new(&settings, 10_000, 2).unwrap(), 1, 1).unwrap();
    replica.samples_mut().input_row(0).unwrap().fill(1.0);
    replica.step(1, 3).unwrap();
    let dropped = replica.gradient().unwrap()[..10_000].iter().filter(|slope| **slope == 0.0).count();
    assert!((4_800..5_200).contains(&dropped), "{dropped}");
    let first = replica.gradient().unwrap().to_vec();
    replica.step(1, 4).unwrap();
    assert_ne!(replica.gradient().unwrap(), first);
    replica.weights_mut().fill(1e-4);
    let whole = replica.probabilities(1).unwrap();
    assert!((whole[0][1] - 1.0 / (1.0 + (-1.0001f32).exp())).abs() < 1e-5, "{whole:?}");
}

#[test]
fn a_gradient_that_is_too_long_is_scaled_and_weights_are_pulled_towards_nought() {
    let norm = |replica: &mut Replica| {
        replica.gradient().unwrap().iter().map(|slope| slope * slope).sum::<f32>().sqrt()
    };
    let mut replica = replica(network(6, &[7], 2, 0.0), 9, 1, 2);
    replica.step(9, 0).unwrap();
    let (plain, length) = (replica.gradient().unwrap().to_vec(), norm(&mut replica));
    let clipped = |most| Objective { clip_norm: Some(most), ..Objective::PLAIN };
    replica.set_objective(clipped(2.0 * length)).unwrap();
    replica.step(9, 0).unwrap();
    assert_eq!(replica.gradient().unwrap(), plain);
    replica.set_objective(clipped(0.25 * length)).unwrap();
    replica.step(9, 0).unwrap();
    assert!((norm(&mut replica) - 0.25 * length).abs() < 1e-5);
    assert!(replica.gradient().unwrap().iter().zip(&plain).all(|(a, b)| (4.0 * a - b).abs() < 1e-5));
    replica.set_objective(Objective { l2: 0.5, ..Objective::PLAIN }).unwrap();
    replica.step(9, 0).unwrap();
    let layers = replica.network().clone();
    for layer in layers.layers() {
        for (at, before) in plain.iter().enumerate().take(layer.bias.end).skip(layer.weight.start) {
            let pull = if layer.weight.contains(&at) { 0.5 * replica.weights()[at] } else { 0.0 };
            assert!((replica.gradient().unwrap()[at] - before - pull).abs() < 1e-6);
        }
    }
}

#[test]
fn class_weights_that_do_not_fit_the_classes_are_refused() {
    let mut replica = replica(network(3, &[2], 2, 0.0), 4, 1, 10);
    let wrong = replica.set_objective(Objective { class_weights: vec![1.0; 3], ..Objective::PLAIN });
    assert!(matches!(wrong, Err(LearnError::ClassWeights { weights: 3, classes: 2 })));
}

#[test]
fn a_batch_that_is_not_full_counts_only_its_rows() {
    check_gradient(replica(network(6, &[7], 2, 0.0), 9, 1, 4), 1, 0);
    let mut full = replica(network(6, &[7], 3, 0.0), 3, 1, 5);
    let mut half = replica(network(6, &[7], 3, 0.0), 9, 1, 5);
    assert_eq!(full.step(3, 0).unwrap(), half.step(3, 0).unwrap());
    assert_eq!(full.gradient().unwrap(), half.gradient().unwrap());
}

#[test]
fn the_same_seeds_give_the_same_bits() {
    let train = |dropout_seed: u64| {
        let mut replica = replica(network(40, &[16, 8], 2, 0.5), 8, 1, 6);
        let mut adam = Adam::new(0.01, replica.network().parameters());
        for step in 0..5 {
            replica.step(8, dropout_seed + step).unwrap();
            replica.update(&mut adam, 1.0).unwrap();
        }
        replica.weights().to_vec()
    };
    assert_eq!(train(1), train(1));
    assert_ne!(train(1), train(100));
}

#[test]
fn a_replica_with_threads_of_its_own_computes_the_same_step() {
    for (features, hidden, batch) in [(300, vec![64], 32), (4_200, vec![256, 100], 128), (17, vec![5], 3)] {
        let weights = [1, 2, 3].map(|threads| {
            let mut replica = replica(network(features, &hidden, 2, 0.3), batch, threads, 7);
            let mut optimizer =
                <dyn ReplicaOptimizer>::of(&Optimizer::Adam { learning_rate: 0.01 }, replica.network());
            for seed in 0..3 {
                replica.step(batch, seed).unwrap();
                replica.update(&mut *optimizer, 1.0).unwrap();
            }
            replica.weights().to_vec()
        });
        // Threads share the outputs of a product, not the sums for one of them.
        assert!(weights.windows(2).all(|pair| pair[0] == pair[1]), "{features} features");
    }
}

#[test]
fn a_replica_learns_what_no_line_separates() {
    let settings = [
        Optimizer::Adam { learning_rate: 0.02 },
        Optimizer::AdamW { learning_rate: 0.02, weight_decay: 0.01 },
        Optimizer::Sgd { learning_rate: 0.5 },
        Optimizer::Momentum { learning_rate: 0.1, momentum: 0.9 },
        Optimizer::Nesterov { learning_rate: 0.1, momentum: 0.9 },
    ];
    for settings in settings {
        let mut replica = replica(network(2, &[16], 2, 0.0), 64, 1, 8);
        for row in 0..64 {
            let features = replica.samples_mut().input_row(row).unwrap();
            let label = u32::from((features[0] > 0.0) != (features[1] > 0.0));
            features.iter_mut().for_each(|feature| *feature += feature.signum());
            replica.samples_mut().set_label(row, label).unwrap();
        }
        let mut optimizer = <dyn ReplicaOptimizer>::of(&settings, replica.network());
        for step in 0..300 {
            replica.step(64, step).unwrap();
            replica.update(&mut *optimizer, 1.0).unwrap();
        }
        let correct = replica.step(64, 300).unwrap().correct;
        assert!(correct > 61, "{settings:?}: {correct}");
        let labels: Vec<u32> = replica.samples.labels.clone();
        let probabilities = replica.probabilities(64).unwrap();
        let right = probabilities.iter().zip(labels).filter(|(row, label)| predicted(row) == *label as usize);
        assert_eq!(right.count() as u64, correct);
    }
}

#[test]
fn evaluating_leaves_the_gradient_and_drops_nothing() {
    let mut replica = replica(network(10, &[20], 3, 0.9), 4, 1, 9);
    replica.step(4, 1).unwrap();
    let gradient = replica.gradient().unwrap().to_vec();
    let first = replica.probabilities(4).unwrap();
    assert_eq!(first, replica.probabilities(4).unwrap());
    assert_eq!(replica.gradient().unwrap(), gradient);
    for row in replica.probabilities(4).unwrap() {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}

#[test]
fn rows_and_labels_that_do_not_exist_are_refused() {
    let mut replica = replica(network(3, &[2], 2, 0.0), 4, 1, 10);
    for rows in [0, 5] {
        assert!(matches!(replica.step(rows, 0), Err(LearnError::Rows { batch: 4, .. })));
    }
    assert!(matches!(replica.samples_mut().input_row(4), Err(LearnError::Row { row: 4, batch: 4 })));
    assert!(matches!(replica.samples_mut().set_label(4, 0), Err(LearnError::Row { .. })));
    assert!(matches!(
        replica.samples_mut().set_label(0, 2),
        Err(LearnError::Label { label: 2, classes: 2, .. })
    ));
    assert!(matches!(replica.set_weights(&[0.0; 3]), Err(LearnError::Weights { got: 3, .. })));
    let absurd = Replica::new(network(3, &[], 2, 0.0), usize::MAX, 1);
    assert!(matches!(absurd, Err(LearnError::Batch { .. })));
}

#[test]
fn what_is_no_number_is_reported_and_the_buffers_survive() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut replica = replica(network(3, &[8], 2, 0.5), 4, 1, 11);
        replica.samples_mut().input_row(2).unwrap()[1] = value;
        for _ in 0..2 {
            let step = replica.step(4, 0);
            assert!(matches!(step, Err(LearnError::Diverged { layer: 0, row: 2, .. })), "{value}: {step:?}");
        }
        assert!(matches!(replica.probabilities(4), Err(LearnError::Diverged { .. })));
        assert_eq!(replica.weights().len(), replica.network().parameters());
        assert!(replica.step(2, 0).is_ok());
        let last = replica.weights().len() - 1;
        replica.weights_mut()[last] = value;
        assert!(matches!(replica.step(2, 0), Err(LearnError::Diverged { layer: 1, .. })));
    }
}

#[test]
fn no_step_moves_the_buffers() {
    let mut replica = replica(network(3, &[2], 2, 0.0), 4, 1, 12);
    let addresses =
        |replica: &mut Replica| (replica.weights().as_ptr(), replica.gradient().unwrap().as_ptr());
    let before = addresses(&mut replica);
    replica.step(4, 0).unwrap();
    replica.probabilities(3).unwrap();
    assert_eq!(addresses(&mut replica), before);
}

#[test]
fn a_replica_may_go_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Replica>();
}

#[test]
fn a_gradient_that_waits_moves_the_weights_as_one_that_is_written_out() {
    let settings = NetworkSettings { hidden: vec![40, 5], dropout: 0.3, input_dropout: 0.2 };
    for input_dropout in [0.0, 0.2] {
        // More inputs than fit in a tile, and not a multiple of those.
        let network = Network::new(&NetworkSettings { input_dropout, ..settings.clone() }, 1_000, 3).unwrap();
        let optimizers = [
            Optimizer::Sgd { learning_rate: 0.1 },
            Optimizer::AdamW { learning_rate: 0.01, weight_decay: 0.1 },
            Optimizer::Nesterov { learning_rate: 0.1, momentum: 0.9 },
        ];
        for (optimizer, l2) in optimizers.into_iter().zip([0.0, 0.01, 0.1]) {
            let mut waiting = replica(network.clone(), 6, 1, 13);
            waiting.set_objective(Objective { l2, ..Objective::PLAIN }).unwrap();
            let mut weights = waiting.weights().to_vec();
            let mut written = <dyn ReplicaOptimizer>::of(&optimizer, &network);
            let mut tiled = <dyn ReplicaOptimizer>::of(&optimizer, &network);
            for step in 0..4 {
                waiting.step(5, step).unwrap();
                let gradient = waiting.gradient().unwrap().to_vec();
                written.step(&mut weights, &gradient, 0.5);
                waiting.step(5, step).unwrap();
                waiting.update(&mut *tiled, 0.5).unwrap();
                for (a, b) in weights.iter().zip(waiting.weights()) {
                    assert!((a - b).abs() < 1e-5, "{optimizer:?}: {a} {b}");
                }
            }
        }
    }
}
