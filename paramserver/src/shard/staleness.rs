use howdah_proto::Version;

/// How many pushes were how many versions behind, in the classes 0, 1, 2, 3, 4 to 7, 8 to 15 and so on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Staleness {
    classes: Vec<u64>,
}

/// The class of the largest staleness, and one.
pub(super) const CLASSES: usize = 66;

impl Staleness {
    /// Makes a histogram of the counts of the first classes.
    pub(super) fn new(classes: Vec<u64>) -> Self {
        Self { classes }
    }

    /// Counts `pushes` pushes.
    pub(super) fn count(&mut self, staleness: u64, pushes: u64) {
        let class = if staleness < 4 { staleness as usize } else { staleness.ilog2() as usize + 2 };
        if self.classes.len() <= class {
            self.classes.resize(class + 1, 0);
        }
        self.classes[class] += pushes;
    }

    /// Gives the counts, up to the last class that has any.
    pub(super) fn classes(&self) -> &[u64] {
        &self.classes
    }
}

/// How many changes of the weights a push hasn't seen.
pub(super) fn staleness(version: Version, base: Version) -> u64 {
    version.0.saturating_sub(base.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staleness_is_counted_one_by_one_and_then_in_doubling_classes() {
        let mut counted = Staleness::default();
        [0, 0, 1, 2, 3, 4, 7, 8, 15, 16].into_iter().for_each(|staleness| counted.count(staleness, 1));
        assert_eq!(counted.classes(), [2, 1, 1, 1, 2, 2, 1]);
        counted.count(u64::MAX, 1);
        assert_eq!(counted.classes().len(), CLASSES);
    }

    #[test]
    fn a_base_that_a_restored_shard_has_not_reached_yet_is_not_stale() {
        assert_eq!(staleness(Version(3), Version(5)), 0);
        assert_eq!(staleness(Version(5), Version(3)), 2);
    }
}
