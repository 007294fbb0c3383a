use std::{collections::BTreeMap, ops::Range};

use howdah_proto::{Attempt, Step, fence::TrainTask, settings::Course};

use super::{Array, Image, ImageHeader, bytes::bad};
use crate::{
    rules::{self, OutOfMemory, Weights},
    shard::{Fences, Seen, ShardError, fence::Retired},
};

impl Image {
    /// Puts together the image of the parameters in `range` from images that cover it. They must have the same
    /// marks and the same spec, and no round under way; in rounds also the same version. Tags, and the weights before the
    /// last round, are left out.
    ///
    /// In rounds that go on without the slowest, each shard has gone on without others: of a task's marks the highest is
    /// taken.
    ///
    /// Where they differ in what they have counted, or in the single numbers of the rule's state, those of the piece
    /// with the highest version are taken.
    ///
    /// # Errors
    /// [`ShardError::Image`] and [`ShardError::OutOfMemory`].
    pub fn assemble(range: Range<u64>, mut pieces: Vec<Self>) -> Result<Self, ShardError> {
        pieces.retain(|piece| piece.header.start < range.end && piece.end() > range.start);
        pieces.sort_by_key(|piece| piece.header.start);
        for piece in &pieces {
            let arrays = piece.header.check()?;
            let mut lengths = piece.arrays.iter().map(|array| array.len() as u64);
            if piece.arrays.len() as u64 != arrays || !lengths.all(|len| len == piece.header.len) {
                return Err(bad(format!("the piece from {} hasn't the arrays it says", piece.header.start)));
            }
        }
        check_cover(&range, &pieces)?;
        let header = join_headers(&range, &pieces)?;
        let own = 1 + header.rule_arrays as usize + usize::from(header.mean_square);
        if let [piece] = &mut *pieces
            && piece.header.start == range.start
            && piece.end() == range.end
        {
            let mut arrays = std::mem::take(&mut piece.arrays);
            arrays.truncate(own);
            return Ok(Self { header, arrays });
        }
        let arrays =
            (0..own).map(|array| join_arrays(&range, &pieces, array)).collect::<Result<_, OutOfMemory>>()?;
        Ok(Self { header, arrays })
    }

    fn end(&self) -> u64 {
        self.header.start.saturating_add(self.header.len)
    }
}

fn check_cover(range: &Range<u64>, pieces: &[Image]) -> Result<(), ShardError> {
    let mut covered = range.start;
    for (place, piece) in pieces.iter().enumerate() {
        let start = piece.header.start;
        if start > covered || (place > 0 && start < covered) {
            return Err(bad(format!("the pieces don't meet at {covered}: the next one begins at {start}")));
        }
        covered = piece.end();
    }
    if range.is_empty() || covered < range.end {
        return Err(bad(format!("the pieces end at {covered}, and the values {range:?} are needed")));
    }
    Ok(())
}

fn join_headers(range: &Range<u64>, pieces: &[Image]) -> Result<ImageHeader, ShardError> {
    let headers = || pieces.iter().map(|piece| &piece.header);
    let furthest = headers().max_by_key(|header| header.version).ok_or_else(|| bad("there are no pieces"))?;
    let last_retired = headers().filter_map(|header| header.retired).map(|(epoch, _)| epoch).max();
    let level = |header: &ImageHeader| {
        let seen = header.seen.iter();
        let seen = seen.map(|(task, mark, highest)| (*task, Seen { mark: *mark, highest: *highest }));
        let before = header.retired.map(|(epoch, steps)| Retired { epoch, steps });
        let mut fences = Fences::new(seen, before);
        last_retired.into_iter().for_each(|epoch| fences.retire(epoch));
        fences
    };
    let first = level(furthest);
    let goes_on_without = matches!(furthest.spec.mode.course(), Course::Rounds { backups: 1.., .. });
    let mut retired = first.retired();
    let mut seen: BTreeMap<TrainTask, (Step, Attempt)> = BTreeMap::new();
    for header in headers() {
        let differs = |what: &str| {
            bad(format!("the pieces from {} and {} differ in {what}", furthest.start, header.start))
        };
        if header.spec != furthest.spec
            || (header.rule_arrays, header.mean_square) != (furthest.rule_arrays, furthest.mean_square)
        {
            return Err(differs("what they do with pushes"));
        }
        if header.pending.is_some() {
            return Err(bad(format!("the piece from {} was cut in the middle of a round", header.start)));
        }
        if header.spec.mode.in_rounds() && header.version != furthest.version {
            return Err(differs("the round they are at"));
        }
        let fences = level(header);
        let marks = |(task, there): (TrainTask, Seen)| first.seen(task).mark == there.mark;
        let behind = |(task, there): (TrainTask, Seen)| there.mark <= fences.seen(task).mark;
        let is_alike =
            || fences.iter().all(marks) && first.iter().all(behind) && fences.retired() == first.retired();
        if !goes_on_without && !is_alike() {
            return Err(differs("the marks of their tasks"));
        }
        if let (Some(retired), Some(there)) = (&mut retired, fences.retired()) {
            retired.steps = retired.steps.max(there.steps);
        }
        for (task, there) in fences.iter() {
            let (mark, highest) = seen.entry(task).or_insert((there.mark, there.highest));
            (*mark, *highest) = (there.mark.max(*mark), there.highest.max(*highest));
        }
    }
    Ok(ImageHeader {
        start: range.start,
        len: range.end - range.start,
        written: headers().any(|header| header.written),
        seen: seen.into_iter().map(|(task, (mark, highest))| (task, mark, highest)).collect(),
        retired: retired.map(|retired| (retired.epoch, retired.steps)),
        before: None,
        tags: Vec::new(),
        ..furthest.clone()
    })
}

fn join_arrays(range: &Range<u64>, pieces: &[Image], array: usize) -> Result<Array, OutOfMemory> {
    // The cover has been checked, so every place below lies within its array.
    let joined = |part: Range<usize>| {
        let mut joined = rules::zeros(part.len())?;
        let (start, end) = (range.start + part.start as u64, range.start + part.end as u64);
        for piece in pieces {
            let (from, to) = (piece.header.start.max(start), piece.end().min(end));
            if from < to {
                let there = (from - piece.header.start) as usize..(to - piece.header.start) as usize;
                let here = (from - start) as usize..(to - start) as usize;
                piece.arrays[array].copy_to(there, &mut joined[here]);
            }
        }
        Ok(joined)
    };
    let len = (range.end - range.start) as usize;
    if array == 0 {
        return Weights::of_pieces(len, joined).map(Array::Pieces);
    }
    joined(0..len).map(Array::Whole)
}
