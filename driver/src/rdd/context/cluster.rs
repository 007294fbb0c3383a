use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    local::{LocalCluster, LocalOptions},
    rdd::ContextError,
};

/// The cluster that was started for a context.
#[derive(Debug)]
pub(super) struct OwnCluster {
    cluster: LocalCluster,
    /// Goes with the cluster.
    temporary: Temporary,
}

/// A folder that is removed when this is dropped.
#[derive(Debug)]
struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(folder) = self.0.take() {
            // What is left lies among temporary files.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

impl OwnCluster {
    /// Starts a cluster, in a new temporary folder if the options name none.
    pub(super) async fn start(mut options: LocalOptions) -> Result<Self, ContextError> {
        let temporary = if options.folder.as_os_str().is_empty() {
            options.folder = temporary();
            Temporary(Some(options.folder.clone()))
        } else {
            Temporary(None)
        };
        let cluster = LocalCluster::start(options).await?;
        Ok(Self { cluster, temporary })
    }

    pub(super) fn url(&self) -> String {
        self.cluster.url()
    }

    /// Ends all processes of the cluster.
    pub(super) async fn stop(self) {
        self.cluster.shutdown().await;
        drop(self.temporary);
    }
}

fn temporary() -> PathBuf {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("howdah-{}-{number}", std::process::id()))
}
