use std::{collections::BTreeMap, path::PathBuf};

use clap::ValueEnum;
use howdah_executor::{
    role::Memory,
    vision::{Augment, seed_pipeline},
};
use howdah_proto::settings::{
    DataSettings, Mode, NetworkSettings, Optimizer, TrainSettings, UpdateRule, Updates,
};

use super::super::CliError;
use crate::{
    dataset::parse_mapping,
    driver::built_in,
    local::{LocalOptions, Placement, Restart},
};

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  howdah-driver train\n  \
                        howdah-driver train --data pictures --test-fraction 0.2 --epochs 10\n  \
                        howdah-driver train --data caltech101 --classes cat=Leopards,cougar_face dog=dalmatian\n  \
                        howdah-driver train --driver http://10.0.0.1:7077 --data /srv/pictures\n\n\
                        The output folder has the model (model.safetensors), metrics.json, the event log \
                        (events.jsonl) and the logs of the processes.")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(in crate::cli) data: DataArgs,
    #[command(flatten)]
    pub(in crate::cli) learn: LearnArgs,
    #[command(flatten)]
    pub(in crate::cli) cluster: LocalArgs,
    /// Submit the job to this driver instead of starting a cluster; --data is then a folder on the driver's machine.
    #[arg(long, value_name = "URL", env = "HOWDAH_DRIVER", conflicts_with_all = ["executors", "slots", "memory", "no_restart"])]
    pub(in crate::cli) driver: Option<String>,
    /// Where the results go; by default runs/NAME. It must not exist, or be empty.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) output: Option<PathBuf>,
    /// The name of the run; by default made from the date and time.
    #[arg(long)]
    pub(in crate::cli) name: Option<String>,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Pictures")]
pub(in crate::cli) struct DataArgs {
    /// The training pictures: a folder for each class. Without it, synthetic cats and dogs are drawn.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The held-out pictures, in the same form.
    #[arg(long, value_name = "DIR", requires = "data", conflicts_with = "test_fraction")]
    test: Option<PathBuf>,
    /// Without --test: the fraction of the pictures to hold out, chosen by a hash of their paths.
    #[arg(long, value_name = "FRACTION", default_value_t = 0.2)]
    test_fraction: f64,
    /// Which folders make up which class: class=folder,folder. Other folders are left out.
    #[arg(long, value_name = "CLASS=FOLDER,..", num_args = 1.., requires = "data")]
    classes: Vec<String>,
    /// Without --data: how many synthetic pictures to draw, a fifth of them held out.
    #[arg(long, value_name = "PICTURES", default_value_t = 4000, conflicts_with = "data")]
    synthetic: u32,
    /// Pictures are scaled to so many pixels in width and height.
    #[arg(long, value_name = "PIXELS", default_value_t = 128)]
    size: u32,
    /// How far the Gaussian denoising reaches, in pixels; 0 for none.
    #[arg(long, value_name = "SIGMA", default_value_t = 1.0)]
    denoise: f32,
    /// How training pictures are varied, anew in each epoch.
    #[arg(long, value_enum, default_value = "flip-rotate")]
    augment: AugmentArg,
    /// How many pictures that can't be used are left out before the job fails.
    #[arg(long, value_name = "PICTURES", default_value_t = 100)]
    max_bad_pictures: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AugmentArg {
    /// Mirror half of them, and turn all by up to 10 degrees.
    FlipRotate,
    /// Mirror half of them.
    Flip,
    /// Not at all.
    None,
}

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
    epochs: u32,
    /// Pictures in a step.
    #[arg(long, default_value_t = 32)]
    batch: u32,
    /// The learning rate; by default 0.0005 for Adam and 0.01 for the others.
    #[arg(long, value_name = "RATE")]
    lr: Option<f32>,
    /// The optimizer in the replicas; they push the sum of its updates.
    #[arg(long, value_enum, default_value = "adam")]
    optimizer: OptimizerArg,
    /// Push gradients instead, and let the parameter servers apply this rule to them.
    #[arg(long, value_enum, conflicts_with = "optimizer")]
    rule: Option<RuleArg>,
    /// The share of the velocity that is kept, for --rule momentum.
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    momentum: f32,
    /// Steps between two pushes; by default 8, and 1 with --rule.
    #[arg(long, value_name = "STEPS")]
    push_every: Option<u32>,
    /// Decides shuffling, augmentation, dropout and the initial weights.
    #[arg(long, default_value_t = 0)]
    pub(in crate::cli) seed: u64,
    /// Into how many partitions the training pictures are cut; by default four for each task slot.
    #[arg(long)]
    partitions: Option<u32>,
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
    /// Stochastic gradient descent.
    Sgd,
    /// Heavy-ball momentum (Polyak 1964).
    Momentum,
    /// Adam (Kingma and Ba 2015).
    Adam,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(in crate::cli) struct LocalArgs {
    /// How many executor processes to start; by default one for each core, up to 4.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(in crate::cli) executors: Option<u32>,
    /// Over how many parameter servers the weights are spread, each a process of its own; by default 2, or with
    /// --driver all that have joined it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(in crate::cli) shards: Option<u32>,
    /// How many tasks each executor runs at once; by default the cores divided by the executors.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    slots: Option<u32>,
    /// How much memory the blocks of each executor may take, as bytes or with KiB, MiB or GiB.
    #[arg(long, value_name = "BYTES")]
    memory: Option<Memory>,
    /// Leave executors that die dead instead of starting them again.
    #[arg(long)]
    no_restart: bool,
    /// How often a task is tried before the job fails.
    #[arg(long, value_name = "TIMES", default_value_t = 4)]
    task_attempts: u32,
    /// How long the job waits when it has no executor, in seconds; by default for ever.
    #[arg(long, value_name = "SECONDS")]
    executor_wait: Option<u64>,
}

impl LocalArgs {
    /// The processes to start on a machine with `cores` cores. No more threads compute than there are cores.
    pub(in crate::cli) fn options(&self, cores: u32, folder: PathBuf) -> LocalOptions {
        let executors = self.executors.unwrap_or_else(|| cores.clamp(1, 4));
        let slots = self.slots.unwrap_or(cores / executors).max(1);
        LocalOptions {
            executors,
            paramservers: self.shards.unwrap_or(2),
            slots,
            threads: (cores / (executors * slots)).max(1),
            memory_bytes: self.memory.map(|memory| memory.0),
            restart: if self.no_restart { Restart::Never } else { Restart::Always },
            folder,
            registry: built_in(),
            placement: Placement::Processes,
            pools: Vec::new(),
        }
    }
}

impl DataArgs {
    fn settings(&self) -> Result<DataSettings, CliError> {
        let Some(train) = &self.data else { return Ok(DataSettings::Synthetic { pictures: self.synthetic }) };
        let mut classes = BTreeMap::new();
        for text in &self.classes {
            let (class, folders) = parse_mapping(text)?;
            if classes.insert(class.clone(), folders).is_some() {
                return Err(CliError::Flag {
                    flag: "--classes".to_owned(),
                    reason: format!("the class `{class}` is there twice"),
                });
            }
        }
        // A path that is here is made independent of this command's folder; one that isn't may be on the driver.
        let absolute = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        Ok(DataSettings::Folder {
            train: absolute(train),
            test: self.test.as_ref().map(absolute),
            test_fraction: self.test_fraction,
            classes,
        })
    }

    fn augment(&self) -> Augment {
        match self.augment {
            AugmentArg::FlipRotate => Augment::FlipAndRotate,
            AugmentArg::Flip => Augment::Flip,
            AugmentArg::None => Augment::None,
        }
    }
}

impl LearnArgs {
    fn updates(&self) -> Updates {
        let learning_rate = |default: f32| self.lr.unwrap_or(default);
        match (self.rule, self.optimizer) {
            (None, OptimizerArg::Adam) => {
                Updates::AtReplica(Optimizer::Adam { learning_rate: learning_rate(5e-4) })
            }
            (None, OptimizerArg::Sgd) => {
                Updates::AtReplica(Optimizer::Sgd { learning_rate: learning_rate(1e-2) })
            }
            (Some(RuleArg::Sgd), _) => {
                Updates::AtServer(UpdateRule::Sgd { learning_rate: learning_rate(1e-2) })
            }
            (Some(RuleArg::Momentum), _) => Updates::AtServer(UpdateRule::Momentum {
                learning_rate: learning_rate(1e-2),
                momentum: self.momentum,
            }),
            (Some(RuleArg::Adam), _) => {
                Updates::AtServer(UpdateRule::Adam { learning_rate: learning_rate(5e-4) })
            }
        }
    }
}

impl Args {
    /// What the driver is told.
    pub(in crate::cli) fn settings(&self) -> Result<TrainSettings, CliError> {
        let (learn, data) = (&self.learn, &self.data);
        let push_every = learn.push_every.unwrap_or(if learn.rule.is_some() { 1 } else { 8 });
        let hidden = if learn.hidden == [0] { Vec::new() } else { learn.hidden.clone() };
        let settings = TrainSettings {
            data: data.settings()?,
            pipeline: seed_pipeline(data.size, data.denoise, data.augment()),
            network: NetworkSettings { hidden, dropout: learn.dropout },
            epochs: learn.epochs,
            batch: learn.batch,
            updates: learn.updates(),
            mode: Mode::Asynchronous { push_every },
            seed: learn.seed,
            partitions: learn.partitions,
            shards: self.cluster.shards,
            max_bad_pictures: data.max_bad_pictures,
            task_attempts: self.cluster.task_attempts,
            executor_wait_seconds: self.cluster.executor_wait,
        };
        settings.validate()?;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(flags: &[&str]) -> Args {
        Only::try_parse_from(["train"].iter().chain(flags)).unwrap_or_else(|error| panic!("{error}")).args
    }

    #[test]
    fn the_default_is_the_seed_workflow() {
        let settings = parsed(&[]).settings().unwrap();
        assert_eq!(settings.network, NetworkSettings { hidden: vec![256, 128], dropout: 0.3 });
        assert_eq!((settings.epochs, settings.batch), (5, 32));
        assert!(matches!(settings.data, DataSettings::Synthetic { .. }));
    }

    #[test]
    fn a_rule_moves_the_updates_to_the_servers_and_pushes_every_step() {
        let settings = parsed(&["--rule", "momentum", "--lr", "0.1"]).settings().unwrap();
        let rule = UpdateRule::Momentum { learning_rate: 0.1, momentum: 0.9 };
        assert_eq!(settings.updates, Updates::AtServer(rule));
        assert_eq!(settings.mode, Mode::Asynchronous { push_every: 1 });
    }

    #[test]
    fn classes_are_mapped_from_folders_and_a_class_given_twice_is_refused() {
        let flags = ["--data", "/pictures", "--classes", "cat=Leopards,cougar_face", "dog=dalmatian"];
        let DataSettings::Folder { classes, .. } = parsed(&flags).settings().unwrap().data else {
            panic!("no folder")
        };
        assert_eq!(classes["cat"], ["Leopards", "cougar_face"]);
        let twice = ["--data", "/pictures", "--classes", "cat=a", "cat=b"];
        assert!(parsed(&twice).settings().unwrap_err().to_string().contains("`cat` is there twice"));
    }

    #[test]
    fn nonsense_is_refused_by_the_name_of_its_setting() {
        for (flags, name) in [
            (&["--epochs", "0"][..], "epochs"),
            (&["--batch", "0"], "batch"),
            (&["--dropout", "1"], "dropout"),
            (&["--lr=-1"], "learning_rate"),
            (&["--lr", "nan"], "learning_rate"),
            (&["--hidden", "256,0"], "hidden"),
            (&["--data", "/x", "--test-fraction", "1.5"], "test_fraction"),
            (&["--synthetic", "3"], "synthetic"),
        ] {
            let error = parsed(flags).settings().unwrap_err();
            assert!(error.to_string().contains(name), "{flags:?}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn a_cluster_uses_every_core_once() {
        let shape = |flags: &[&str], cores| {
            let options = parsed(flags).cluster.options(cores, PathBuf::new());
            (options.executors, options.slots, options.threads)
        };
        assert_eq!(shape(&[], 1), (1, 1, 1));
        assert_eq!(shape(&[], 2), (2, 1, 1));
        assert_eq!(shape(&[], 64), (4, 16, 1));
        assert_eq!(shape(&["--executors", "2", "--slots", "1"], 8), (2, 1, 4));
        assert_eq!(shape(&["--executors", "5"], 2), (5, 1, 1));
    }
}
