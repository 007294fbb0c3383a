use std::num::ParseFloatError;

use clap::ValueEnum;
use howdah_proto::settings::{
    ClassWeights, Learning, Mode, NetworkSettings, Optimizer, RateShape, Schedule, UpdateRule, Updates,
};

use super::{
    mode::{ModeArg, ModeArgs},
    recipe::Recipe,
};
use crate::cli::{CliError, said::Said};

/// The learning rate of optimizers and rules that don't adapt it to each weight.
const PLAIN_RATE: f32 = 1e-2;
/// The share of a one-cycle training in which the rate rises.
const RISE: f32 = 0.25;

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Learning")]
pub(in crate::cli) struct LearnArgs {
    /// The width of each hidden layer; 0 for no hidden layer. This default, and others below, go with the pipeline:
    /// 256, and 256,128 for `seed`.
    #[arg(long, value_name = "UNITS,..", value_delimiter = ',')]
    hidden: Option<Vec<u32>>,
    /// The fraction of hidden units that are dropped in training; by default 0.5, and 0.3 for `seed`.
    #[arg(long, value_name = "FRACTION")]
    dropout: Option<f32>,
    /// The fraction of features that are dropped in training; by default 0.5, and none for `seed`.
    #[arg(long, value_name = "FRACTION")]
    input_dropout: Option<f32>,
    /// Passes over the training pictures; by default 12, and 5 for `seed`.
    #[arg(long)]
    epochs: Option<u32>,
    /// Pictures in a step; by default 64, and 32 for `seed`.
    #[arg(long)]
    batch: Option<u32>,
    /// The optimizer in the replicas; they push what it moves the weights by. By default AdamW, and Adam for `seed`,
    /// unless gradients are pushed.
    #[arg(long, value_enum)]
    optimizer: Option<OptimizerArg>,
    /// How the learning rate goes through the training; by default one-cycle, and it stays for `seed`.
    #[arg(long, value_enum)]
    schedule: Option<ScheduleArg>,
    /// The share of the training in which the learning rate rises evenly, before and beside what --schedule does.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    warm_up: f32,
    /// For how many epochs the schedule is laid out, if training shall go on beyond --epochs with --resume.
    #[arg(long, value_name = "EPOCHS")]
    schedule_epochs: Option<u32>,
    /// To which share of itself the learning rate falls, for --schedule step.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    rate_step: f32,
    /// After how many epochs it does, each time, for --schedule step.
    #[arg(long, value_name = "EPOCHS", default_value_t = 10)]
    rate_step_epochs: u32,
    /// The share of each target that is spread over all classes; by default 0.1, and none for `seed`.
    #[arg(long, value_name = "SHARE")]
    label_smoothing: Option<f32>,
    /// How much a training picture counts: `none` for all alike, `balanced` for each class as much as any other, or a
    /// weight for each class in the order of their names.
    #[arg(long, value_name = "none|balanced|WEIGHT,..", default_value = "none")]
    class_weights: String,
    /// The longest that the gradient of a step may be.
    #[arg(long, value_name = "LENGTH")]
    clip_norm: Option<f32>,
    /// What is added to the gradient for each unit of a weight (L2); see --weight-decay for AdamW.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    l2: f32,
    /// Evaluate, and keep as the model, a moving average of the weights of which each step leaves this share in place,
    /// such as 0.99.
    #[arg(long, value_name = "SHARE")]
    average: Option<f32>,
    /// What the parameter servers do with a push. Without --optimizer replicas push gradients for it, but for `sum`,
    /// `elastic` and --mode local; with --optimizer it is the outer rule for what the optimizers moved the weights by. By
    /// default `sum`, `adam` on gradients with --mode sync, and `nesterov` with --mode local.
    #[arg(long, value_enum)]
    rule: Option<RuleArg>,
    /// The learning rate of the optimizer, or of the rule when gradients are pushed; for Adam and its kin 0.001 by default,
    /// and 0.0005 for `seed`; for the others 0.01.
    #[arg(long, value_name = "RATE")]
    lr: Option<f32>,
    /// The learning rate of an outer rule; by default 0.7 for Nesterov's, and 1 for the others.
    #[arg(long, value_name = "RATE")]
    outer_lr: Option<f32>,
    /// The share of the velocity that is kept, for rules and optimizers with momentum.
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    momentum: f32,
    /// The share of the mean square that is kept, for --rule rmsprop.
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    decay: f32,
    /// The share of each weight that decays, times the learning rate, for AdamW; by default 0.1, and 0.01 for `seed`.
    #[arg(long, value_name = "SHARE")]
    weight_decay: Option<f32>,
    /// The share of their distance that replica and shard move towards each other, for --rule elastic.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    elastic_rate: f32,
    /// How many pushes make one step of the momentum, for --rule delayed-nesterov.
    #[arg(long, value_name = "PUSHES", default_value_t = 8)]
    momentum_every: u32,
    /// Decides shuffling, augmentation, dropout and the initial weights.
    #[arg(long, default_value_t = 0)]
    pub(in crate::cli) seed: u64,
    /// Into how many partitions the training pictures are cut; by default four for each task slot, and 4 with
    /// --mode sync and local, whose result depends on it.
    #[arg(long)]
    pub(super) partitions: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OptimizerArg {
    /// Adam (Kingma and Ba 2015).
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    Adamw,
    /// Heavy-ball momentum (Polyak 1964).
    Momentum,
    /// Momentum that looks ahead (Nesterov 1983).
    Nesterov,
    /// Stochastic gradient descent.
    Sgd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ScheduleArg {
    /// It stays.
    Constant,
    /// It falls now and then, see --rate-step.
    Step,
    /// It falls to 0 along half a cosine (Loshchilov and Hutter 2017).
    Cosine,
    /// It rises for a quarter of the training, and then falls to next to nothing (Smith and Topin 2017).
    OneCycle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RuleArg {
    /// Add what is pushed.
    Sum,
    /// Stochastic gradient descent.
    Sgd,
    /// Heavy-ball momentum (Polyak 1964).
    Momentum,
    /// Momentum that looks ahead (Nesterov 1983).
    Nesterov,
    /// Adagrad (Duchi et al. 2011), as in Downpour SGD.
    Adagrad,
    /// RMSProp (Tieleman and Hinton 2012).
    Rmsprop,
    /// Adam (Kingma and Ba 2015).
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    Adamw,
    /// Elastic averaging (Zhang et al. 2015): replicas keep their own weights.
    Elastic,
    /// Nesterov's momentum that is applied only now and then (Liu et al. 2024).
    DelayedNesterov,
}

impl LearnArgs {
    pub(super) fn network(&self, recipe: &Recipe) -> NetworkSettings {
        let hidden = self.hidden.as_deref().unwrap_or(recipe.hidden);
        NetworkSettings {
            hidden: if hidden == [0] { Vec::new() } else { hidden.to_vec() },
            dropout: self.dropout.unwrap_or(recipe.dropout),
            input_dropout: self.input_dropout.unwrap_or(recipe.input_dropout),
        }
    }

    pub(super) fn epochs(&self, recipe: &Recipe) -> u32 {
        self.epochs.unwrap_or(recipe.epochs)
    }

    pub(super) fn batch(&self, recipe: &Recipe) -> u32 {
        self.batch.unwrap_or(recipe.batch)
    }

    /// How replicas learn from a batch.
    pub(super) fn learning(&self, recipe: &Recipe) -> Result<Learning, CliError> {
        let shape = match self.schedule.unwrap_or(recipe.schedule) {
            ScheduleArg::Constant => RateShape::Constant,
            ScheduleArg::Step => self.steps(),
            ScheduleArg::Cosine => RateShape::Cosine,
            ScheduleArg::OneCycle => RateShape::OneCycle { rise: RISE },
        };
        Ok(Learning {
            schedule: Schedule { shape, warm_up: self.warm_up },
            schedule_epochs: self.schedule_epochs,
            label_smoothing: self.label_smoothing.unwrap_or(recipe.label_smoothing),
            class_weights: self.class_weights()?,
            clip_norm: self.clip_norm,
            l2: self.l2,
            average: self.average,
        })
    }

    /// A learning rate that falls now and then.
    fn steps(&self) -> RateShape {
        RateShape::Step { every_epochs: self.rate_step_epochs, share: self.rate_step }
    }

    /// How the learning rate of a run goes on: as it went, but for what was said.
    pub(in crate::cli) fn shape_after(&self, earlier: RateShape, given: RateShape, said: &Said) -> RateShape {
        match (earlier, self.steps()) {
            _ if said.has("schedule") => given,
            (
                RateShape::Step { every_epochs, share },
                RateShape::Step { every_epochs: now_every, share: now_share },
            ) => RateShape::Step {
                every_epochs: if said.has("rate_step_epochs") { now_every } else { every_epochs },
                share: if said.has("rate_step") { now_share } else { share },
            },
            _ => earlier,
        }
    }

    fn class_weights(&self) -> Result<ClassWeights, CliError> {
        let weights = |text: &str| -> Result<Vec<f32>, ParseFloatError> {
            text.split(',').map(|weight| weight.trim().parse()).collect()
        };
        match self.class_weights.as_str() {
            "none" => Ok(ClassWeights::None),
            "balanced" => Ok(ClassWeights::Balanced),
            text => weights(text).map(ClassWeights::Given).map_err(|_| CliError::Flag {
                flag: "--class-weights".to_owned(),
                reason: format!("`{text}` is neither `none` nor `balanced`, nor a number for each class"),
            }),
        }
    }

    /// What a push carries, what the shards do with it, and when there is one.
    pub(super) fn exchange(&self, mode: &ModeArgs, recipe: &Recipe) -> (Updates, UpdateRule, Mode) {
        let (updates, rule) = self.updates(mode.mode, recipe);
        (updates, rule, mode.mode(updates == Updates::Gradients))
    }

    fn updates(&self, mode: ModeArg, recipe: &Recipe) -> (Updates, UpdateRule) {
        let optimizer = self.optimizer(recipe);
        let outer = |rule| (Updates::Deltas { optimizer }, self.rule(rule, true, recipe));
        match (self.rule, self.optimizer, mode) {
            (Some(RuleArg::Elastic), _, _) => {
                (Updates::Weights { optimizer }, UpdateRule::Elastic { rate: self.elastic_rate })
            }
            (Some(rule), Some(_), _) | (Some(rule), None, ModeArg::Local) => outer(rule),
            (None, _, ModeArg::Local) => outer(RuleArg::Nesterov),
            (None, None, ModeArg::Sync) => (Updates::Gradients, self.rule(RuleArg::Adam, false, recipe)),
            (None | Some(RuleArg::Sum), _, _) => outer(RuleArg::Sum),
            (Some(rule), None, _) => (Updates::Gradients, self.rule(rule, false, recipe)),
        }
    }

    fn optimizer(&self, recipe: &Recipe) -> Optimizer {
        let (adaptive, plain) = (self.lr.unwrap_or(recipe.adaptive_rate), self.lr.unwrap_or(PLAIN_RATE));
        let momentum = self.momentum;
        match self.optimizer.unwrap_or(recipe.optimizer) {
            OptimizerArg::Adam => Optimizer::Adam { learning_rate: adaptive },
            OptimizerArg::Adamw => {
                let weight_decay = self.weight_decay.unwrap_or(recipe.weight_decay);
                Optimizer::AdamW { learning_rate: adaptive, weight_decay }
            }
            OptimizerArg::Momentum => Optimizer::Momentum { learning_rate: plain, momentum },
            OptimizerArg::Nesterov => Optimizer::Nesterov { learning_rate: plain, momentum },
            OptimizerArg::Sgd => Optimizer::Sgd { learning_rate: plain },
        }
    }

    fn rule(&self, rule: RuleArg, is_outer: bool, recipe: &Recipe) -> UpdateRule {
        let rate = |outer: f32, inner: f32| {
            if is_outer { self.outer_lr.unwrap_or(outer) } else { self.lr.unwrap_or(inner) }
        };
        let momentum = self.momentum;
        match rule {
            RuleArg::Sum => UpdateRule::Sum,
            RuleArg::Sgd => UpdateRule::Sgd { learning_rate: rate(1.0, PLAIN_RATE) },
            RuleArg::Momentum => UpdateRule::Momentum { learning_rate: rate(1.0, PLAIN_RATE), momentum },
            RuleArg::Nesterov => UpdateRule::Nesterov { learning_rate: rate(0.7, PLAIN_RATE), momentum },
            RuleArg::Adagrad => UpdateRule::Adagrad { learning_rate: rate(1.0, PLAIN_RATE) },
            RuleArg::Rmsprop => {
                UpdateRule::RmsProp { learning_rate: rate(1.0, recipe.adaptive_rate), decay: self.decay }
            }
            RuleArg::Adam => UpdateRule::Adam { learning_rate: rate(1.0, recipe.adaptive_rate) },
            RuleArg::Adamw => {
                let weight_decay = self.weight_decay.unwrap_or(recipe.weight_decay);
                UpdateRule::AdamW { learning_rate: rate(1.0, recipe.adaptive_rate), weight_decay }
            }
            RuleArg::Elastic => UpdateRule::Elastic { rate: self.elastic_rate },
            RuleArg::DelayedNesterov => UpdateRule::DelayedNesterov {
                learning_rate: rate(0.7, PLAIN_RATE),
                momentum,
                every: self.momentum_every,
            },
        }
    }
}
