use std::path::Path;

use bytes::Bytes;
use howdah_proto::{
    WireError,
    pb::{self, action::Kind},
    required,
};

use crate::rdd::{
    RddError,
    action::{Action, End, read_saved},
    saved,
};

/// What a task is to do, beside leaving map outputs.
pub(super) enum Wanted {
    /// Something with the records of its partition.
    Rows(Action),
    /// Their computation, for the sake of what is kept by it.
    Compute,
    /// The end of a folder whose partitions were saved, whole or not at all.
    End(Saved),
}

/// What was saved for a folder.
pub(super) struct Saved {
    folder: String,
    token: String,
    /// What the tasks gave back; none if the folder will not be completed.
    parts: Option<Vec<Bytes>>,
}

impl Saved {
    fn new(save: pb::SaveAction, completes: bool) -> Self {
        Self { folder: save.folder, token: token(save.token), parts: completes.then_some(save.parts) }
    }
}

impl TryFrom<pb::Action> for Wanted {
    type Error = WireError;

    fn try_from(action: pb::Action) -> Result<Self, WireError> {
        Ok(Self::Rows(match required(action.kind, "action.kind")? {
            Kind::Compute(_) => return Ok(Self::Compute),
            Kind::Commit(save) => return Ok(Self::End(Saved::new(save, true))),
            Kind::Discard(save) => return Ok(Self::End(Saved::new(save, false))),
            Kind::Collect(_) => Action::Collect,
            Kind::Count(_) => Action::Count,
            Kind::Take(records) => Action::Take(records),
            Kind::Ordered(ordered) => {
                let end = if ordered.largest { End::Largest } else { End::Smallest };
                Action::Ordered { records: ordered.count, end }
            }
            Kind::Lookup(key) => Action::Lookup { key },
            Kind::CountBy(by) if by.whole_record => Action::CountByRecord,
            Kind::CountBy(_) => Action::CountByKey,
            Kind::Fold(fold) => {
                let combiner = required(fold.combiner, "action.fold.combiner")?.try_into()?;
                Action::Fold { combiner, combined: fold.combined }
            }
            Kind::ForEach(function) => Action::ForEach(function.try_into()?),
            Kind::Save(save) => Action::Save { folder: save.folder, token: token(save.token) },
        }))
    }
}

impl Saved {
    /// Completes the folder, or removes what there is of it.
    ///
    /// # Errors
    /// [`RddError`].
    pub(super) fn end(self) -> Result<(), RddError> {
        let folder = Path::new(&self.folder);
        let Some(given) = self.parts else { return saved::discard(folder, &self.token) };
        let mut parts = Vec::with_capacity(given.len());
        for part in given {
            parts.extend(read_saved(part)?);
        }
        saved::commit(folder, &self.token, &parts)
    }
}

fn token(number: u64) -> String {
    format!("{number:016x}")
}
