use std::path::{Path, PathBuf};

use howdah_executor::rdd::Data;
use howdah_proto::pb::{SaveAction, action::Kind};

use crate::rdd::{Context, ContextError, Rdd, context::Job};

impl<T: Data> Rdd<T> {
    /// Writes the records into a new folder that all executors can see, a file for each partition. It appears whole or
    /// not at all; [`Context::load`] reads it.
    ///
    /// ```
    /// # use howdah_driver::rdd::{Context, ContextError};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), ContextError> {
    /// # let context = Context::builder().in_process(1).start().await?;
    /// # let folder = std::env::temp_dir().join(format!("howdah-save-{}", std::process::id()));
    /// context.range(0..100, 4).save(&folder).await?;
    /// let numbers = context.load::<i64>(&folder).await?;
    /// assert_eq!((numbers.partitions(), numbers.sum().await?), (4, 4950));
    /// # std::fs::remove_dir_all(folder).ok();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ContextError`]; [`ContextError::Exists`] if there is something already.
    pub async fn save(&self, folder: impl AsRef<Path>) -> Result<(), ContextError> {
        self.save_as("save", &absolute(folder.as_ref())?).await
    }

    pub(super) async fn save_as(&self, what: &'static str, folder: &Path) -> Result<(), ContextError> {
        self.plan()?;
        let name = folder.display().to_string();
        let path = folder.to_owned();
        let exists = tokio::task::spawn_blocking(move || path.symlink_metadata().is_ok()).await;
        if exists.unwrap_or(false) {
            return Err(ContextError::Exists { folder: name });
        }
        let action = SaveAction { folder: name, token: rand::random(), parts: Vec::new() };
        let parts = self.act(what, Kind::Save(action.clone())).await?.into_values().collect();
        commit(self.context(), what, SaveAction { parts, ..action }).await
    }
}

/// Makes a folder of what was saved: a job of one task, on an RDD of one partition without a record.
async fn commit(context: &Context, what: &'static str, action: SaveAction) -> Result<(), ContextError> {
    let nothing = context.parallelize::<()>([], 1);
    let node = nothing.plan()?.node;
    context.run(Job { what, node, partitions: 0..1, of: 1, action: Kind::Commit(action) }).await?;
    Ok(())
}

/// The path from the root: executors work elsewhere.
pub(in crate::rdd) fn absolute(folder: &Path) -> Result<PathBuf, ContextError> {
    std::path::absolute(folder).map_err(|error| ContextError::Load {
        folder: folder.display().to_string(),
        reason: error.to_string(),
    })
}
