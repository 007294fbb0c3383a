use clap::Parser;
use howdah_executor::{rdd::Registry, role};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{LocalError, child::Program};

/// Runs an executor as a task, as its program would run it, until the cluster stops.
pub(super) async fn executor(
    program: Program,
    registry: Registry,
    stop: CancellationToken,
    died: mpsc::Sender<LocalError>,
) {
    let ended = match role::Args::try_parse_from(&program.arguments) {
        Ok(args) => role::serve(args, registry, stop.clone()).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(log) = ended
        && !stop.is_cancelled()
    {
        let name = program.name;
        tracing::warn!(name, log, "an executor ended");
        // Nobody listens once the cluster is up: the driver sees that it is gone.
        let _ = died.try_send(LocalError::Died { name, status: "it failed".to_owned(), log });
    }
}
