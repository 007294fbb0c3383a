//! What rules are tested against: an oracle, and themselves.

use howdah_proto::settings::UpdateRule as Rule;
use proptest::prelude::*;

use super::{Averaged, UpdateRule, Weights, build};

fn wave(value: usize, push: usize) -> f32 {
    ((value * 7 + push * 13 + 1) as f32 * 0.37).sin()
}

/// Runs a rule over some pushes and compares the weights with an oracle that works value by value in f64.
pub(super) fn assert_follows<S: Clone>(
    mut rule: impl UpdateRule,
    start: S,
    oracle: impl Fn(&mut S, f64, f64, f64) -> f64,
) {
    let values = 37;
    let start_values: Vec<f32> = (0..values).map(|value| wave(value, 100)).collect();
    let mut weights = Weights::of(&start_values).unwrap();
    let mut expected: Vec<(f64, S)> =
        start_values.iter().map(|weight| (f64::from(*weight), start.clone())).collect();
    for push in 0..20 {
        let steps = 1 + push as u64 % 4;
        let pushed: Vec<f32> = (0..values).map(|value| wave(value, push)).collect();
        rule.apply(&mut weights, &pushed, steps, 1.0);
        for ((weight, state), pushed) in expected.iter_mut().zip(&pushed) {
            *weight = oracle(state, *weight, f64::from(*pushed), steps as f64);
        }
    }
    for (value, (weight, (expected, _))) in weights.to_vec().iter().zip(&expected).enumerate() {
        assert!((f64::from(*weight) - expected).abs() < 1e-4, "value {value}: {weight} is not {expected}");
    }
}

/// Every rule, with settings that make all of its state matter.
pub(crate) const RULES: [Rule; 10] = [
    Rule::Sum,
    Rule::Sgd { learning_rate: 0.1 },
    Rule::Momentum { learning_rate: 0.1, momentum: 0.9 },
    Rule::Nesterov { learning_rate: 0.1, momentum: 0.9 },
    Rule::Adagrad { learning_rate: 0.1 },
    Rule::RmsProp { learning_rate: 0.1, decay: 0.9 },
    Rule::Adam { learning_rate: 0.1 },
    Rule::AdamW { learning_rate: 0.1, weight_decay: 0.01 },
    Rule::Elastic { rate: 0.25 },
    Rule::DelayedNesterov { learning_rate: 0.1, momentum: 0.9, every: 3 },
];

pub(crate) fn any_rule() -> impl Strategy<Value = Rule> {
    prop::sample::select(RULES.to_vec())
}

#[test]
fn a_rule_accounts_for_the_state_it_keeps() {
    let arrays = [0, 0, 1, 1, 1, 1, 2, 2, 0, 2];
    for (rule, arrays) in RULES.iter().zip(arrays) {
        assert_eq!(build(rule, 1000).unwrap().state_bytes(), arrays * 4000, "{rule:?}");
    }
}

#[test]
fn a_rule_at_half_its_learning_rate_is_the_rule_of_half_the_rate() {
    let of = |learning_rate| {
        [
            Rule::Sgd { learning_rate },
            Rule::Momentum { learning_rate, momentum: 0.9 },
            Rule::Nesterov { learning_rate, momentum: 0.9 },
            Rule::Adagrad { learning_rate },
            Rule::RmsProp { learning_rate, decay: 0.9 },
            Rule::Adam { learning_rate },
            Rule::AdamW { learning_rate, weight_decay: 0.01 },
            Rule::DelayedNesterov { learning_rate, momentum: 0.9, every: 3 },
        ]
    };
    for (whole, half) in of(0.25).iter().zip(&of(0.125)) {
        let (mut slowed, mut slow) = (build(whole, 5).unwrap(), build(half, 5).unwrap());
        let mut left = Weights::of(&[1.0; 5]).unwrap();
        let mut right = left.clone();
        for push in 0..7 {
            let pushed: Vec<f32> = (0..5).map(|value| wave(value, push)).collect();
            slowed.apply(&mut left, &pushed, 2, 0.5);
            slow.apply(&mut right, &pushed, 2, 1.0);
        }
        let (left, right) = (left.to_vec(), right.to_vec());
        assert!(left.iter().zip(&right).all(|(a, b)| (a - b).abs() < 1e-6), "{whole:?}");
        assert_ne!(left, [1.0; 5], "{whole:?}");
    }
}

#[test]
fn an_average_shows_its_state_behind_that_of_its_rule() {
    for rule in RULES {
        let plain = build(&rule, 5).unwrap();
        let (arrays, scalars) = (plain.arrays().len(), plain.scalars().len());
        let mut averaged = Averaged::new(plain, 0.9, 5).unwrap();
        assert_eq!((averaged.arrays().len(), averaged.arrays_mut().len()), (arrays + 1, arrays + 1));
        assert_eq!((averaged.scalars().len(), averaged.scalars_mut().len()), (scalars + 1, scalars + 1));
    }
}

#[test]
fn what_a_rule_shows_of_its_state_is_what_can_be_put_in_its_place() {
    for rule in RULES {
        let mut rule = build(&rule, 5).unwrap();
        assert_eq!(rule.arrays().len(), rule.arrays_mut().len());
        for (place, array) in rule.arrays_mut().into_iter().enumerate() {
            array.fill(place as f32 + 1.0);
        }
        let shown: Vec<Vec<f32>> = rule.arrays().into_iter().map(<[f32]>::to_vec).collect();
        assert!(shown.iter().enumerate().all(|(place, array)| *array == [place as f32 + 1.0; 5]));
        rule.scalars_mut().into_iter().zip([7.0, 8.0]).for_each(|(scalar, value)| *scalar = value);
        assert_eq!(rule.scalars(), [7.0, 8.0][..rule.scalars().len()]);
    }
}
