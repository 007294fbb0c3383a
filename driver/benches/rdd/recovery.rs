//! From the death of an executor to its task running elsewhere.

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use howdah_driver::rdd::{Context, ContextError};
use rustix::process::{Pid, Signal, kill_process};

use crate::{functions::Holds, workloads::Sizes};

/// What it took, in seconds, in order.
pub struct Recovery(Vec<f64>);

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |part: f64| self.0[((self.0.len() - 1) as f64 * part) as usize];
        let (median, most, times) = (at(0.5), at(1.0), self.0.len());
        write!(
            f,
            "seconds from SIGKILL to the task running elsewhere, {times} times: median {median:.6}, most {most:.6}"
        )
    }
}

/// Kills an executor in the middle of a task, again and again.
pub async fn run(context: &Context, sizes: &Sizes) -> Result<Recovery, ContextError> {
    let mut seconds = Vec::new();
    for _ in 0..sizes.kills {
        both_are_there(context).await?;
        let folder = tempfile::tempdir().unwrap();
        let job = context.range(0..1, 1).map(Holds { folder: folder.path().to_owned() });
        let job = tokio::spawn(async move { job.count().await });
        let (first, _) = began(folder.path(), None).await;
        let killed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        kill_process(Pid::from_raw(first as i32).unwrap(), Signal::KILL).unwrap();
        let (_, again) = began(folder.path(), Some(first)).await;
        seconds.push(again.saturating_sub(killed).as_secs_f64());
        fs::write(folder.path().join("go"), "").unwrap();
        job.await.unwrap()?;
    }
    seconds.sort_by(f64::total_cmp);
    Ok(Recovery(seconds))
}

/// Waits until two executors compute.
async fn both_are_there(context: &Context) -> Result<(), ContextError> {
    loop {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("go"), "").unwrap();
        let who = context.range(0..64, 64).map(Holds { folder: folder.path().to_owned() });
        let ids: BTreeSet<u32> = who.collect().await?.into_iter().collect();
        if ids.len() == 2 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until a process other than `but` has begun the task; which one, and when.
async fn began(folder: &Path, but: Option<u32>) -> (u32, Duration) {
    loop {
        let files =
            fs::read_dir(folder).unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut ids = files.filter_map(|name| name.parse::<u32>().ok());
        if let Some(id) = ids.find(|id| Some(*id) != but) {
            let nanos = fs::read_to_string(folder.join(id.to_string())).unwrap();
            return (id, Duration::from_nanos(nanos.parse().unwrap()));
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}
