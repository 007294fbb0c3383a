use std::str::FromStr;

use clap::ValueEnum;
use howdah_proto::settings::{Compression, Correction, Encoding, Mode, PushEvery, StalenessScale};

/// How replicas and parameter servers stay in step, and how values travel between them.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Exchange of weights")]
pub(in crate::cli) struct ModeArgs {
    /// How replicas and parameter servers stay in step.
    #[arg(long, value_enum, default_value = "async")]
    pub(super) mode: ModeArg,
    /// Steps between two pushes of a replica, or `epoch`, with --mode async, ssp and hogwild; by default 8, and 1 when
    /// gradients are pushed. A partition's last steps are pushed in any case.
    #[arg(long, value_name = "STEPS|epoch")]
    push_every: Option<Interval>,
    /// How many pushes a replica may be ahead of the slowest and still begin the next one, with --mode ssp.
    #[arg(long, value_name = "PUSHES", default_value_t = 4)]
    staleness: u32,
    /// How many of the slowest partitions a round goes on without, with --mode sync. The result then depends on who
    /// was slow.
    #[arg(long, value_name = "PARTITIONS", default_value_t = 0)]
    backups: u32,
    /// Steps of a replica in a round, with --mode local.
    #[arg(long, value_name = "STEPS", default_value_t = 32)]
    local_steps: u32,
    /// Scale pushes down by how many others came since their weights were pulled.
    #[arg(long, value_enum, default_value = "none")]
    correction: ScaleArg,
    /// Correct stale gradients by how far the weights have moved, with this strength (DC-ASGD).
    #[arg(long, value_name = "LAMBDA")]
    delay_compensation: Option<f32>,
    /// How pushes travel: none, bf16, fp16, int8, or topk:PERMILLE for the largest of a thousand values each. bf16
    /// rounds each value to 8 bits, which is as good as none. Of the others, where pushes are added up, what one loses
    /// goes with the next, and the last one of a partition in an epoch is sent as it is: with --push-every epoch that is
    /// every push.
    #[arg(long, value_name = "ENCODING", default_value = "none")]
    compress: EncodingArg,
    /// Compress pulls as --compress says.
    #[arg(long)]
    compress_pulls: bool,
    /// With --compress-pulls, and --mode async or ssp: pull the differences to what a replica has, compressed. Each shard
    /// keeps a copy of its weights for each replica.
    #[arg(long)]
    delta_pulls: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ModeArg {
    /// Replicas never wait for each other.
    Async,
    /// As async, but no replica gets further ahead than --staleness allows.
    Ssp,
    /// All partitions contribute to each step: the result depends on the seed alone.
    Sync,
    /// As async, and pushes are applied at the same time with no lock: with --rule sum or sgd, without standbys, and with
    /// snapshots only between epochs.
    Hogwild,
    /// Replicas take --local-steps by themselves, and then meet (DiLoCo).
    Local,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScaleArg {
    /// Not at all.
    None,
    /// By 1/staleness.
    Inverse,
    /// By 1/(staleness + 1).
    InversePlusOne,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Interval(PushEvery);

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "epoch" {
            return Ok(Self(PushEvery::Epoch));
        }
        let steps = text.parse().map_err(|_| "a number of steps or `epoch` is needed".to_owned())?;
        Ok(Self(PushEvery::Steps(steps)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EncodingArg(Encoding);

impl FromStr for EncodingArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, permille) = text.split_once(':').map_or((text, None), |(name, value)| (name, Some(value)));
        let encoding = match (name, permille) {
            ("none", None) => Encoding::F32,
            ("bf16", None) => Encoding::Bf16,
            ("fp16", None) => Encoding::F16,
            ("int8", None) => Encoding::Int8,
            ("topk", permille) => {
                let permille = permille.unwrap_or("10").parse();
                let permille =
                    permille.map_err(|_| "topk takes a number from 1 to 1000, as topk:10".to_owned())?;
                Encoding::TopK { permille }
            }
            _ => return Err("it is one of none, bf16, fp16, int8, topk and topk:PERMILLE".to_owned()),
        };
        Ok(Self(encoding))
    }
}

impl ModeArgs {
    /// The mode, when `gradients` are pushed or not.
    pub(super) fn mode(&self, gradients: bool) -> Mode {
        let default = Interval(PushEvery::Steps(if gradients { 1 } else { 8 }));
        let push_every = self.push_every.unwrap_or(default).0;
        match self.mode {
            ModeArg::Async => Mode::Asynchronous { push_every },
            ModeArg::Ssp => Mode::BoundedStaleness { push_every, staleness: self.staleness },
            ModeArg::Sync => Mode::Synchronous { backups: self.backups },
            ModeArg::Hogwild => Mode::Hogwild { push_every },
            ModeArg::Local => Mode::Local { steps: self.local_steps },
        }
    }

    pub(super) fn correction(&self) -> Correction {
        let scale = match self.correction {
            ScaleArg::None => StalenessScale::None,
            ScaleArg::Inverse => StalenessScale::Inverse,
            ScaleArg::InversePlusOne => StalenessScale::InversePlusOne,
        };
        Correction { scale, delay_compensation: self.delay_compensation }
    }

    pub(super) fn compression(&self, mode: &Mode) -> Compression {
        compression(self.compress.0, self.compress_pulls, self.delta_pulls, mode)
    }
}

/// How values travel. Pulls are encoded as pushes are, or not at all; as differences only if that is asked for, they are
/// encoded, and shards keep what a replica holds: rounds begin with weights of one version, and shards without a lock know
/// nobody's weights.
pub(in crate::cli::train) fn compression(
    push: Encoding,
    compress_pulls: bool,
    delta_pulls: bool,
    mode: &Mode,
) -> Compression {
    let knows_weights = matches!(mode, Mode::Asynchronous { .. } | Mode::BoundedStaleness { .. });
    let pull = match push {
        // The largest values alone make no weights, where differences are asked for that there are none of.
        Encoding::TopK { .. } if delta_pulls && !knows_weights => Encoding::F32,
        encoding if compress_pulls => encoding,
        _ => Encoding::F32,
    };
    Compression { push, pull, delta_pulls: delta_pulls && knows_weights && pull != Encoding::F32 }
}
