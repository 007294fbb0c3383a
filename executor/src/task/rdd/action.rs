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
    /// A folder completed, of which every partition has been saved.
    Commit(Commit),
}

pub(super) struct Commit {
    folder: String,
    token: String,
    parts: Vec<Bytes>,
}

impl TryFrom<pb::Action> for Wanted {
    type Error = WireError;

    fn try_from(action: pb::Action) -> Result<Self, WireError> {
        Ok(Self::Rows(match required(action.kind, "action.kind")? {
            Kind::Compute(_) => return Ok(Self::Compute),
            Kind::Commit(save) => {
                let token = token(save.token);
                return Ok(Self::Commit(Commit { folder: save.folder, token, parts: save.parts }));
            }
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

impl Commit {
    /// Completes the folder.
    ///
    /// # Errors
    /// [`RddError`].
    pub(super) fn run(self) -> Result<(), RddError> {
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in self.parts {
            parts.extend(read_saved(part)?);
        }
        saved::commit(Path::new(&self.folder), &self.token, &parts)
    }
}

fn token(number: u64) -> String {
    format!("{number:016x}")
}
