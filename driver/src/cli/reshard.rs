use howdah_proto::JobId;

use super::{CliError, out};
use crate::client::Client;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  howdah-driver reshard --driver http://10.0.0.1:7077 --job 17 --shards 4")]
pub(super) struct Args {
    /// The driver of the job.
    #[arg(long, value_name = "URL", env = "HOWDAH_DRIVER")]
    driver: String,
    /// The job, as `status` shows it, which must be training and taking snapshots.
    #[arg(long, value_name = "ID")]
    job: u64,
    /// Over how many shards its parameters are spread from now on.
    #[arg(long)]
    shards: u32,
}

/// Spreads the parameters of a job over another number of shards.
pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    Client::connect(&args.driver).await?.reshard(JobId(args.job), args.shards).await?;
    out::say(&format!("job {} moves to {} shards with its next snapshot", args.job, args.shards));
    Ok(())
}
