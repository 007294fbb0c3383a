use super::{CliError, out};
use crate::client::Client;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the driver is.
    #[arg(long, value_name = "URL", env = "HOWDAH_DRIVER", default_value = "http://127.0.0.1:7077")]
    driver: String,
}

/// Lists the members of the cluster.
pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let members = Client::connect(&args.driver).await?.members().await?;
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
    Ok(())
}
