use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use futures::future::try_join_all;
use howdah_proto::settings::{SnapshotSettings, TrainSettings};
use tokio_util::sync::CancellationToken;

use super::{Args, seed};
use crate::{
    cli::{
        CliError,
        out::{self, quoted},
        train,
    },
    local::LocalCluster,
    output::{OutputError, RunFolder},
    snapshot::Store,
};

/// The seeds that are left, and what is done with each.
struct Seeds<'a> {
    args: &'a Args,
    base: &'a TrainSettings,
    output: &'a Path,
    next: AtomicU64,
    end: u64,
    interrupted: &'a CancellationToken,
}

/// What came of seeds.
#[derive(Debug, Default)]
struct Results {
    exact: u64,
    wrong: Vec<u64>,
    killed: u64,
    paused: u64,
    woke: u64,
}

/// Goes through all seeds, and prints a line for each.
pub(super) async fn run(
    args: &Args,
    base: &TrainSettings,
    output: &Path,
    interrupted: &CancellationToken,
) -> Result<(), CliError> {
    let began = Instant::now();
    let end = base.seed.saturating_add(args.seeds);
    let mut base = base.clone();
    // All seeds train on the same pictures, which are drawn and prepared once.
    base.selection.seed.get_or_insert(base.seed);
    let seeds = Seeds { args, base: &base, output, next: AtomicU64::new(base.seed), end, interrupted };
    let clusters = u64::from(args.at_once).min(args.seeds);
    let all = try_join_all((0..clusters).map(|_| seeds.on_a_cluster())).await?;
    let mut results = all.into_iter().fold(Results::default(), Results::and);
    out::say(&format!(
        "{} of {} seeds exact; {} processes killed, {} put to sleep, {} of which went on while the job did ({:.1} s)",
        results.exact,
        args.seeds,
        results.killed,
        results.paused,
        results.woke,
        began.elapsed().as_secs_f64()
    ));
    results.wrong.sort_unstable();
    let Some(first) = results.wrong.first() else { return Ok(()) };
    Err(CliError::Drill(format!(
        "seeds {:?} went wrong; their events and the logs of the processes are in {}; the same again: howdah-driver {}",
        results.wrong,
        output.display(),
        again(std::env::args().skip(1), *first)
    )))
}

impl Results {
    fn and(self, other: Self) -> Self {
        Self {
            exact: self.exact + other.exact,
            wrong: self.wrong.into_iter().chain(other.wrong).collect(),
            killed: self.killed + other.killed,
            paused: self.paused + other.paused,
            woke: self.woke + other.woke,
        }
    }
}

impl Seeds<'_> {
    fn next(&self) -> Option<u64> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        (next < self.end).then_some(next)
    }

    /// Takes one seed after the other, on the same cluster until something goes wrong on it.
    async fn on_a_cluster(&self) -> Result<Results, CliError> {
        let mut results = Results::default();
        let mut kept = None;
        while let Some(seed) = self.next() {
            let cluster = match kept.take() {
                Some(cluster) => cluster,
                None => self.start(seed).await?,
            };
            let path = self.output.join(format!("seed-{seed}"));
            let mut folder = RunFolder::create(&path)?;
            let settings = seed::settings(self.args, self.base, seed, folder.path());
            let ended = seed::run(self.args, &settings, &cluster, &mut folder, None, self.interrupted).await;
            match ended {
                Ok(outcome) => {
                    out::say(&format!("seed {seed}: {outcome}"));
                    let harm = outcome.done.harm;
                    results.exact += 1;
                    results.killed += u64::from(harm.executors + harm.servers);
                    results.paused += u64::from(harm.executors_paused + harm.servers_paused);
                    results.woke += u64::from(outcome.done.woke);
                    remove(path)?;
                    clear(settings.snapshots.as_ref()).await;
                    kept = Some(cluster);
                }
                Err(error) => {
                    cluster.shutdown().await;
                    if self.interrupted.is_cancelled() {
                        return Err(error);
                    }
                    out::say(&format!("seed {seed}: WRONG: {error}"));
                    results.wrong.push(seed);
                }
            }
        }
        if let Some(cluster) = kept {
            cluster.shutdown().await;
        }
        Ok(results)
    }

    async fn start(&self, seed: u64) -> Result<LocalCluster, CliError> {
        let folder = self.output.join(format!("cluster-from-seed-{seed}"));
        train::start_cluster(self.args.cluster(folder), self.interrupted).await
    }
}

fn remove(path: PathBuf) -> Result<(), OutputError> {
    fs::remove_dir_all(&path).map_err(|error| OutputError::Write { path, reason: error.to_string() })
}

/// Drops the snapshots of a seed that are not in its folder: a drill of the same seed would be refused there.
async fn clear(snapshots: Option<&SnapshotSettings>) {
    let Some(SnapshotSettings { location, .. }) = snapshots else { return };
    let cleared = async { Store::open(location)?.clear().await };
    if let Err(error) = cleared.await {
        out::complain(&format!("the snapshots of a seed could not be dropped: {error}"));
    }
}

/// The arguments that repeat one seed.
fn again(arguments: impl Iterator<Item = String>, seed: u64) -> String {
    // The place of the seed's snapshots has some now: the next ones go to its own folder.
    const LEFT_OUT: [&str; 5] = ["--seed", "--seeds", "--at-once", "--output", "--snapshots"];
    let mut kept = Vec::new();
    let mut is_value = false;
    for argument in arguments {
        let flag = argument.split('=').next().unwrap_or_default();
        let left_out = LEFT_OUT.contains(&flag);
        if !std::mem::take(&mut is_value) && !left_out {
            kept.push(quoted(&argument));
        } else {
            is_value = left_out && !argument.contains('=');
        }
    }
    kept.push(format!("--seed {seed}"));
    kept.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_repeated_with_the_flags_of_all_of_them() {
        let arguments = "drill --seeds 100 --kills 2 --output=runs/a --seed 7 --at-once 4 --replicas 2";
        let repeated = again(arguments.split(' ').map(str::to_owned), 42);
        assert_eq!(repeated, "drill --kills 2 --replicas 2 --seed 42");
        let arguments =
            "drill --snapshots /srv/s --kills 2 --snapshots=s3://b/s --snapshot-every 1 --seeds 9";
        let repeated = again(arguments.split(' ').map(str::to_owned), 3);
        assert_eq!(repeated, "drill --kills 2 --snapshot-every 1 --seed 3");
        let repeated = again(["drill", "--data", "my pictures"].map(str::to_owned).into_iter(), 1);
        assert_eq!(repeated, "drill --data 'my pictures' --seed 1");
    }
}
