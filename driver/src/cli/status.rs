use super::{CliError, out};
use crate::client::Client;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the driver is.
    #[arg(long, value_name = "URL", env = "HOWDAH_DRIVER", default_value = "http://127.0.0.1:7077")]
    driver: String,
}

/// Lists the members of the cluster, and the training jobs that have not ended.
pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let mut client = Client::connect(&args.driver).await?;
    let (members, jobs) = (client.members().await?, client.running().await?);
    let heading = ["member", "role", "name", "address", "slots", "MiB used"].map(str::to_owned).to_vec();
    let rows = members.into_iter().map(|member| {
        let mebibytes = member.used_bytes >> 20;
        vec![
            member.id.to_string(),
            member.role,
            member.name,
            member.address,
            member.slots.to_string(),
            mebibytes.to_string(),
        ]
    });
    let table: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    out::say(&out::table(&table));
    if !jobs.is_empty() {
        let heading = ["job", "name", "epoch", "shards"].map(str::to_owned).to_vec();
        let rows = jobs.into_iter().map(|job| {
            let epoch = format!("{} of {}", job.epoch, job.epochs);
            vec![job.job_id.to_string(), job.name, epoch, job.shards.to_string()]
        });
        let table: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
        out::say(&format!("\n{}", out::table(&table)));
    }
    Ok(())
}
