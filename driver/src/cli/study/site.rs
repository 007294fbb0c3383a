use tokio_util::sync::CancellationToken;

use super::Run;
use crate::{
    cli::{
        CliError,
        line::{command_line, parse},
        train,
    },
    local::LocalCluster,
    scheduler::{Pool, PoolMode, PoolName},
};

/// The cluster of a study.
pub(in crate::cli) struct Site {
    pub(in crate::cli) url: String,
    pub(super) own: Option<LocalCluster>,
}

impl Site {
    /// Takes the cluster down, if it is the study's own.
    pub(in crate::cli) async fn close(self) {
        if let Some(cluster) = self.own {
            cluster.shutdown().await;
        }
    }
}

impl Run {
    /// Finds the cluster that the study is carried out on: that of the driver at this address, or one of its own.
    pub(in crate::cli) async fn open(
        &self,
        driver: Option<&str>,
        interrupted: &CancellationToken,
    ) -> Result<Site, CliError> {
        if let Some(driver) = driver {
            return Ok(Site { url: driver.to_owned(), own: None });
        }
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let args = parse(&command_line(&self.base, &[]))?;
        let mut options = args.cluster.options(cores, self.folder.path().to_owned());
        // Trials share the slots, instead of the first one having all that it can use.
        options.pools =
            vec![Pool { name: PoolName::default(), mode: PoolMode::Fair, weight: 1, min_share: 0 }];
        let cluster = train::start_cluster(options, interrupted).await?;
        Ok(Site { url: cluster.url(), own: Some(cluster) })
    }
}
