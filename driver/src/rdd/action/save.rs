use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use howdah_executor::rdd::Data;
use howdah_proto::pb::{SaveAction, action::Kind};
use tokio::runtime::Handle;

use crate::rdd::{Context, ContextError, Rdd, context::Job};

/// How long a save that has failed waits for its parts to be removed, before it says so.
const DISCARD: Duration = Duration::from_secs(10);

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
        let unfinished = Unfinished(Some((self.context().clone(), action.clone())));
        let written = async {
            let parts = self.act(what, Kind::Save(action.clone())).await?.into_values().collect();
            end(self.context(), what, Kind::Commit(SaveAction { parts, ..action })).await
        };
        let written = written.await;
        unfinished.end(written.is_ok()).await;
        written
    }
}

/// Ends what was saved for a folder: a job of one task, on an RDD of one partition without a record.
async fn end(context: &Context, what: &'static str, action: Kind) -> Result<(), ContextError> {
    let nothing = context.parallelize::<()>([], 1);
    let node = nothing.plan()?.node;
    context.run(Job { what, node, partitions: 0..1, of: 1, action }).await?;
    Ok(())
}

/// A folder that is being saved: what there is of it is removed if this goes before it is complete.
struct Unfinished(Option<(Context, SaveAction)>);

impl Unfinished {
    async fn end(mut self, is_complete: bool) {
        let Some((context, action)) = self.0.take().filter(|_| !is_complete) else { return };
        // It goes on when nobody waits for it any more.
        let _removed = tokio::time::timeout(DISCARD, tokio::spawn(discard(context, action))).await;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let (Some((context, action)), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(discard(context, action));
        }
    }
}

async fn discard(context: Context, action: SaveAction) {
    let folder = action.folder.clone();
    if let Err(error) = end(&context, "discard", Kind::Discard(action)).await {
        tracing::warn!(folder, %error, "what was saved of a folder that is not complete could not be removed");
    }
}

/// The path from the root: executors work elsewhere.
pub(in crate::rdd) fn absolute(folder: &Path) -> Result<PathBuf, ContextError> {
    std::path::absolute(folder).map_err(|error| ContextError::Load {
        folder: folder.display().to_string(),
        reason: error.to_string(),
    })
}
