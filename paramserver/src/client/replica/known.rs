use std::ops::Range;

use howdah_proto::{Step, Term, fence::TrainTask};

use super::meet;
use crate::client::Place;

/// The marks of a task that shards have told: a shard that has moved may have another one.
#[derive(Debug, Default)]
pub(super) struct KnownMarks {
    task: Option<TrainTask>,
    marks: Vec<(Range<u64>, Term, Step)>,
}

impl KnownMarks {
    /// Forgets everything, for a new attempt.
    pub(super) fn clear(&mut self) {
        (self.task, self.marks) = (None, Vec::new());
    }

    /// Forgets what is known of any other task.
    pub(super) fn turn_to(&mut self, task: TrainTask) {
        if self.task != Some(task) {
            (self.task, self.marks) = (Some(task), Vec::new());
        }
    }

    /// Notes what a shard has told, in the place of what it told before.
    pub(super) fn note(&mut self, place: &Place, mark: Step) {
        self.marks.retain(|(range, _, _)| !meet(range, &place.range));
        self.marks.push((place.range.clone(), place.term, mark));
    }

    /// Whether a shard is known to have everything up to a step.
    pub(super) fn covers(&self, place: &Place, last: Step) -> bool {
        let known = self.marks.iter().find(|(range, term, _)| (range, *term) == (&place.range, place.term));
        known.is_some_and(|(_, _, mark)| *mark >= last)
    }

    /// Whether the values of a range are known to have everything up to a step, in whichever shard they are.
    pub(super) fn range_covers(&self, part: &Range<u64>, last: Step) -> bool {
        let mut there = self.marks.iter().filter(|(range, _, _)| meet(range, part)).peekable();
        there.peek().is_some() && there.all(|(_, _, mark)| *mark >= last)
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{Epoch, Partition, ShardIndex};

    use super::*;

    fn place(range: Range<u64>, term: u64) -> Place {
        Place {
            shard: ShardIndex(0),
            address: "http://127.0.0.1:1".to_owned(),
            range,
            term: Term(term),
            made: Term(1),
        }
    }

    #[test]
    fn a_mark_is_known_of_a_shard_until_it_moves() {
        let mut known = KnownMarks::default();
        known.note(&place(0..5, 1), Step(4));
        assert!(known.covers(&place(0..5, 1), Step(4)));
        for unknown in [place(0..5, 2), place(0..4, 1)] {
            assert!(!known.covers(&unknown, Step(1)), "{unknown:?}");
        }
        assert!(!known.covers(&place(0..5, 1), Step(5)));
        known.note(&place(0..5, 2), Step(2));
        assert!(!known.covers(&place(0..5, 1), Step(1)) && known.covers(&place(0..5, 2), Step(2)));
    }

    #[test]
    fn the_marks_of_one_task_say_nothing_of_another() {
        let task = |partition| TrainTask { epoch: Epoch(1), partition: Partition(partition) };
        let mut known = KnownMarks::default();
        known.turn_to(task(1));
        known.note(&place(0..5, 1), Step(4));
        known.turn_to(task(1));
        assert!(known.covers(&place(0..5, 1), Step(4)));
        known.turn_to(task(2));
        assert!(!known.covers(&place(0..5, 1), Step(1)));
    }

    #[test]
    fn a_range_has_what_all_shards_with_a_part_of_it_have() {
        let mut known = KnownMarks::default();
        known.note(&place(0..5, 1), Step(4));
        known.note(&place(5..9, 1), Step(2));
        assert!(known.range_covers(&(0..5), Step(4)) && !known.range_covers(&(4..6), Step(4)));
    }
}
