use clap::ValueEnum;
use howdah_proto::settings::{Mode, NetworkSettings, Optimizer, UpdateRule, Updates};

use super::mode::{ModeArg, ModeArgs};

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Learning")]
pub(in crate::cli) struct LearnArgs {
    /// The width of each hidden layer; 0 for no hidden layer.
    #[arg(long, value_name = "UNITS,..", value_delimiter = ',', default_value = "256,128")]
    hidden: Vec<u32>,
    /// The fraction of hidden units that are dropped in training.
    #[arg(long, value_name = "FRACTION", default_value_t = 0.3)]
    dropout: f32,
    /// Passes over the training pictures.
    #[arg(long, default_value_t = 5)]
    pub(super) epochs: u32,
    /// Pictures in a step.
    #[arg(long, default_value_t = 32)]
    pub(super) batch: u32,
    /// The optimizer in the replicas; they push what it moves the weights by. By default Adam, unless gradients are
    /// pushed.
    #[arg(long, value_enum)]
    optimizer: Option<OptimizerArg>,
    /// What the parameter servers do with a push. Without --optimizer replicas push gradients for it; with
    /// --optimizer it is the outer rule for what the optimizers moved the weights by. By default `sum`, `adam` on
    /// gradients with --mode sync, and `nesterov` with --mode local.
    #[arg(long, value_enum)]
    rule: Option<RuleArg>,
    /// The learning rate of the optimizer, or of the rule when gradients are pushed; by default 0.0005 for Adam and
    /// its kin, and 0.01 for the others.
    #[arg(long, value_name = "RATE")]
    lr: Option<f32>,
    /// The learning rate of an outer rule; by default 0.7 for Nesterov's, and 1 for the others.
    #[arg(long, value_name = "RATE")]
    outer_lr: Option<f32>,
    /// The share of the velocity that is kept, for rules with momentum.
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    momentum: f32,
    /// The share of the mean square that is kept, for --rule rmsprop.
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    decay: f32,
    /// The share of each weight that decays, for --rule adamw.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    weight_decay: f32,
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
enum OptimizerArg {
    /// Adam (Kingma and Ba 2015).
    Adam,
    /// Stochastic gradient descent.
    Sgd,
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
    pub(super) fn network(&self) -> NetworkSettings {
        let hidden = if self.hidden == [0] { Vec::new() } else { self.hidden.clone() };
        NetworkSettings { hidden, dropout: self.dropout }
    }

    /// What a push carries, what the shards do with it, and when there is one.
    pub(super) fn exchange(&self, mode: &ModeArgs) -> (Updates, UpdateRule, Mode) {
        let (updates, rule) = self.updates(mode.mode);
        (updates, rule, mode.mode(updates == Updates::Gradients))
    }

    fn updates(&self, mode: ModeArg) -> (Updates, UpdateRule) {
        let optimizer = self.optimizer(self.optimizer.unwrap_or(OptimizerArg::Adam));
        let outer = |rule| (Updates::Deltas { optimizer }, self.rule(rule, true));
        match (self.rule, self.optimizer, mode) {
            (Some(RuleArg::Elastic), _, _) => {
                (Updates::Weights { optimizer }, UpdateRule::Elastic { rate: self.elastic_rate })
            }
            (Some(rule), Some(_), _) | (Some(rule), None, ModeArg::Local) => outer(rule),
            (None, _, ModeArg::Local) => outer(RuleArg::Nesterov),
            (None, None, ModeArg::Sync) => (Updates::Gradients, self.rule(RuleArg::Adam, false)),
            (None | Some(RuleArg::Sum), _, _) => outer(RuleArg::Sum),
            (Some(rule), None, _) => (Updates::Gradients, self.rule(rule, false)),
        }
    }

    fn optimizer(&self, optimizer: OptimizerArg) -> Optimizer {
        match optimizer {
            OptimizerArg::Adam => Optimizer::Adam { learning_rate: self.lr.unwrap_or(5e-4) },
            OptimizerArg::Sgd => Optimizer::Sgd { learning_rate: self.lr.unwrap_or(1e-2) },
        }
    }

    fn rule(&self, rule: RuleArg, is_outer: bool) -> UpdateRule {
        let rate = |outer: f32, inner: f32| {
            if is_outer { self.outer_lr.unwrap_or(outer) } else { self.lr.unwrap_or(inner) }
        };
        let momentum = self.momentum;
        match rule {
            RuleArg::Sum => UpdateRule::Sum,
            RuleArg::Sgd => UpdateRule::Sgd { learning_rate: rate(1.0, 1e-2) },
            RuleArg::Momentum => UpdateRule::Momentum { learning_rate: rate(1.0, 1e-2), momentum },
            RuleArg::Nesterov => UpdateRule::Nesterov { learning_rate: rate(0.7, 1e-2), momentum },
            RuleArg::Adagrad => UpdateRule::Adagrad { learning_rate: rate(1.0, 1e-2) },
            RuleArg::Rmsprop => UpdateRule::RmsProp { learning_rate: rate(1.0, 5e-4), decay: self.decay },
            RuleArg::Adam => UpdateRule::Adam { learning_rate: rate(1.0, 5e-4) },
            RuleArg::Adamw => {
                UpdateRule::AdamW { learning_rate: rate(1.0, 5e-4), weight_decay: self.weight_decay }
            }
            RuleArg::Elastic => UpdateRule::Elastic { rate: self.elastic_rate },
            RuleArg::DelayedNesterov => UpdateRule::DelayedNesterov {
                learning_rate: rate(0.7, 1e-2),
                momentum,
                every: self.momentum_every,
            },
        }
    }
}
