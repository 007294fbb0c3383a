use howdah_executor::{rdd::Registry, role};

use super::CliError;

/// Runs an executor in this process.
pub(super) async fn executor(args: role::Args, registry: Registry) -> Result<(), CliError> {
    Ok(role::run(args, registry).await?)
}

/// Runs a parameter server in this process.
pub(super) async fn paramserver(args: howdah_paramserver::cli::Args) -> Result<(), CliError> {
    Ok(howdah_paramserver::cli::run(args).await?)
}
