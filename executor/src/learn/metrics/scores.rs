use std::{borrow::Cow, cmp::Ordering};

/// How often every probability of every class was given to samples of the class, and to others: all that a ROC curve is
/// made of.
///
/// There are never more than so many scores. When there would be, probabilities lose their low bits, one after the other,
/// until there are few enough: as many as the whole set of samples asks for, in whatever order and parts it came.
#[derive(Debug, Clone)]
pub struct Scores {
    /// By class, sorted by key; of two classes only the second, as the probability of the other tells nothing more.
    classes: Vec<Vec<Score>>,
    /// What is not yet among them.
    pending: Vec<Pending>,
    bits_dropped: u32,
    limit: usize,
}

/// How often a probability was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// The bits of the probability as f32, without those that were dropped: they compare as the probabilities do.
    pub key: u32,
    /// Samples of the class that it was given to.
    pub positives: u32,
    /// Samples of other classes that it was given to.
    pub negatives: u32,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    class: u32,
    score: Score,
}

/// The most scores of all classes together.
const LIMIT: usize = 1 << 20;
/// The most bits that can be dropped: all.
const ALL_BITS: u32 = 31;
/// The fewest scores that are worth being sorted in.
const PENDING: usize = 1 << 14;

impl Scores {
    /// Makes the scores of so many classes, without samples.
    pub fn new(classes: usize) -> Self {
        Self::with_limit(classes, LIMIT)
    }

    fn with_limit(classes: usize, limit: usize) -> Self {
        let tables = if classes == 2 { 1 } else { classes };
        Self { classes: vec![Vec::new(); tables], pending: Vec::new(), bits_dropped: 0, limit }
    }

    /// The scores of classes that were taken apart by [`Self::tables`]; none if they are not sorted, or their number is
    /// not that of so many classes.
    pub fn from_tables(classes: usize, tables: Vec<Vec<Score>>, bits_dropped: u32) -> Option<Self> {
        let mut scores = Self::new(classes);
        let sorted = |table: &Vec<Score>| table.is_sorted_by(|a, b| a.key < b.key);
        let largest = 1f32.to_bits().checked_shr(bits_dropped)?;
        let plausible = |score: &Score| score.key <= largest && score.positives.max(score.negatives) > 0;
        let right = tables.len() == scores.classes.len()
            && tables.iter().all(|table| sorted(table) && table.iter().all(plausible));
        (scores.classes, scores.bits_dropped) = (tables, bits_dropped);
        (right && bits_dropped <= ALL_BITS && (scores.count() <= LIMIT || bits_dropped == ALL_BITS))
            .then_some(scores)
    }

    /// Adds the probability of each class for a sample of class `truth`.
    pub(super) fn add(&mut self, truth: u32, probabilities: &[f32]) {
        let first = probabilities.len() - self.classes.len().min(probabilities.len());
        for ((class, probability), place) in (0..).zip(probabilities).skip(first).zip(0..) {
            let (positives, negatives) = if class == truth { (1, 0) } else { (0, 1) };
            // 0 has two signs.
            let key = if *probability == 0.0 { 0 } else { probability.to_bits() };
            let score = Score { key: key >> self.bits_dropped, positives, negatives };
            self.pending.push(Pending { class: place, score });
        }
        if self.pending.len() >= PENDING.max(self.count()) {
            self.settle();
        }
    }

    /// Adds what another counted of the same classes.
    pub(super) fn merge(&mut self, other: &Self) {
        let mut other = other.settled();
        self.settle();
        if other.bits_dropped < self.bits_dropped {
            other.to_mut().drop_bits(self.bits_dropped);
        }
        self.drop_bits(other.bits_dropped);
        for (ours, theirs) in self.classes.iter_mut().zip(&other.classes) {
            *ours = merged(ours, theirs);
        }
        self.keep_to_limit();
    }

    /// The scores by class, sorted by their keys; of two classes those of the second alone.
    pub fn tables(&self) -> Vec<Vec<Score>> {
        self.settled().into_owned().classes
    }

    /// How many low bits the probabilities do without.
    pub fn bits_dropped(&self) -> u32 {
        self.settled().bits_dropped
    }

    /// The area under the ROC curve of each class against the rest, which is the Mann-Whitney statistic: the share of
    /// the pairs of a positive and a negative in which the positive has the higher score, where equal ones count half
    /// (Hanley and McNeil 1982, "The meaning and use of the area under a receiver operating characteristic curve").
    /// None where there are no positives or no negatives.
    pub(super) fn areas(&self) -> Vec<Option<f64>> {
        self.settled().classes.iter().map(|table| area(table)).collect()
    }

    /// Positives and negatives of each table.
    pub(super) fn totals(&self) -> Vec<(u64, u64)> {
        let total = |table: &Vec<Score>| {
            let of = |count: fn(&Score) -> u32| table.iter().map(|score| u64::from(count(score))).sum();
            (of(|score| score.positives), of(|score| score.negatives))
        };
        self.settled().classes.iter().map(total).collect()
    }

    fn count(&self) -> usize {
        self.classes.iter().map(Vec::len).sum()
    }

    fn settled(&self) -> Cow<'_, Self> {
        if self.pending.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut settled = self.clone();
        settled.settle();
        Cow::Owned(settled)
    }

    fn settle(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_unstable_by_key(|pending| (pending.class, pending.score.key));
        for of_class in pending.chunk_by(|a, b| a.class == b.class) {
            let Some(table) = of_class.first().and_then(|first| self.classes.get_mut(first.class as usize))
            else {
                continue;
            };
            let scores = joined(of_class.iter().map(|pending| pending.score));
            *table = merged(table, &scores);
        }
        self.keep_to_limit();
    }

    /// Drops as few bits as leave few enough scores. More samples never ask for fewer dropped bits, so the number is
    /// that of all samples, whenever it was found.
    fn keep_to_limit(&mut self) {
        while self.count() > self.limit && self.bits_dropped < ALL_BITS {
            self.drop_bits(self.bits_dropped + 1);
        }
    }

    fn drop_bits(&mut self, bits: u32) {
        let more = bits.saturating_sub(self.bits_dropped);
        if more == 0 {
            return;
        }
        self.bits_dropped = bits;
        for table in &mut self.classes {
            *table = joined(table.iter().map(|score| Score { key: score.key >> more, ..*score }));
        }
    }
}

impl PartialEq for Scores {
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.settled(), other.settled());
        ours.bits_dropped == theirs.bits_dropped && ours.classes == theirs.classes
    }
}

impl Eq for Scores {}

/// Makes one of scores with the same key, which follow each other.
fn joined(scores: impl Iterator<Item = Score>) -> Vec<Score> {
    let mut all: Vec<Score> = Vec::new();
    for score in scores {
        match all.last_mut() {
            Some(last) if last.key == score.key => add(last, score),
            _ => all.push(score),
        }
    }
    all
}

/// Merges sorted scores.
fn merged(ours: &[Score], theirs: &[Score]) -> Vec<Score> {
    let mut all = Vec::with_capacity(ours.len() + theirs.len());
    let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
    loop {
        let order = match (ours.peek(), theirs.peek()) {
            (Some(our), Some(their)) => our.key.cmp(&their.key),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return all,
        };
        let mut next = if order.is_le() { ours.next() } else { theirs.next() }.copied();
        if let (Ordering::Equal, Some(score)) = (order, &mut next) {
            theirs.next().into_iter().for_each(|more| add(score, *more));
        }
        all.extend(next);
    }
}

/// Adds counts; a summary never has more samples than fit.
fn add(score: &mut Score, more: Score) {
    score.positives = score.positives.saturating_add(more.positives);
    score.negatives = score.negatives.saturating_add(more.negatives);
}

fn area(table: &[Score]) -> Option<f64> {
    let (mut twice, mut positives, mut below) = (0u128, 0u64, 0u64);
    for score in table {
        twice += u128::from(score.positives) * (2 * u128::from(below) + u128::from(score.negatives));
        positives += u64::from(score.positives);
        below += u64::from(score.negatives);
    }
    let pairs = u128::from(positives) * u128::from(below);
    (pairs > 0).then(|| twice as f64 / (2 * pairs) as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Sample = (u32, Vec<f32>);

    fn of(samples: &[Sample], limit: usize) -> Scores {
        let mut scores = Scores::with_limit(3, limit);
        samples.iter().for_each(|(truth, probabilities)| scores.add(*truth, probabilities));
        scores
    }

    fn samples() -> impl Strategy<Value = Vec<Sample>> {
        prop::collection::vec((0u32..3, prop::collection::vec(0f32..=1.0, 3)), 1..60)
    }

    proptest! {
        #[test]
        fn any_split_and_order_gives_the_same_scores_however_many_bits_are_dropped(
            (samples, shuffled) in samples().prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle())),
            cut in any::<prop::sample::Index>(),
            limit in 3usize..60,
        ) {
            let whole = of(&samples, limit);
            let cut = cut.index(shuffled.len() + 1);
            let (mut first, second) = (of(&shuffled[..cut], limit), of(&shuffled[cut..], limit));
            first.merge(&second);
            prop_assert!(first.tables().iter().map(Vec::len).sum::<usize>() <= limit);
            prop_assert_eq!(&first, &whole);
            let settled_early = samples.iter().fold(Scores::with_limit(3, limit), |mut scores, (truth, p)| {
                scores.add(*truth, p);
                scores.settle();
                scores
            });
            prop_assert_eq!(settled_early, whole);
        }

        #[test]
        fn the_area_is_the_share_of_pairs_in_the_right_order(samples in samples()) {
            let areas = of(&samples, 1000).areas();
            for class in 0..3u32 {
                let score = |sample: &&Sample| sample.1[class as usize];
                let (of_class, others): (Vec<_>, Vec<_>) = samples.iter().partition(|s| s.0 == class);
                let pairs = of_class.iter().flat_map(|p| others.iter().map(move |n| (score(p), score(n))));
                let wins = pairs.map(|(p, n)| if p > n { 1.0 } else if p == n { 0.5 } else { 0.0 });
                let all = of_class.len() * others.len();
                let expected = (all > 0).then(|| wins.sum::<f64>() / all as f64);
                match (areas[class as usize], expected) {
                    (Some(area), Some(expected)) => prop_assert!((area - expected).abs() < 1e-12),
                    (area, expected) => prop_assert_eq!(area, expected),
                }
            }
        }
    }

    #[test]
    fn few_scores_are_kept_exactly_and_too_many_to_the_limit() {
        let samples: Vec<Sample> =
            (0..500u16).map(|n| (u32::from(n) % 3, vec![f32::from(n) / 500.0; 3])).collect();
        let exact = of(&samples, 2000);
        assert_eq!((exact.bits_dropped(), exact.tables()[0].len()), (0, 500));
        let coarse = of(&samples, 300);
        assert!(coarse.bits_dropped() > 10 && coarse.tables()[0].len() <= 100);
        for (exact, coarse) in exact.areas().iter().zip(coarse.areas()) {
            assert!((exact.unwrap() - coarse.unwrap()).abs() < 0.02);
        }
        assert_eq!(of(&samples, 0).tables()[0].len(), 1, "a score for each class is the least");
    }

    #[test]
    fn tables_that_are_no_scores_are_refused() {
        let scores = of(&[(0, vec![0.5, 0.25, 0.25]), (1, vec![0.125, 0.75, 0.125])], 100);
        assert_eq!(Scores::from_tables(3, scores.tables(), 0).as_ref(), Some(&scores));
        let score = |key: u32, positives| Score { key, positives, negatives: 0 };
        for table in [
            vec![score(2, 1), score(1, 1)],
            vec![score(1, 1); 2],
            vec![score(u32::MAX, 1)],
            vec![score(1, 0)],
        ] {
            assert_eq!(Scores::from_tables(3, vec![table, Vec::new(), Vec::new()], 0), None);
        }
        assert_eq!(Scores::from_tables(3, vec![Vec::new(); 2], 0), None);
        assert_eq!(Scores::from_tables(3, vec![Vec::new(); 3], 32), None);
        assert!(Scores::from_tables(2, vec![Vec::new()], 31).is_some());
    }
}
