use super::word::Word;
use crate::rules::{OutOfMemory, Weights};

/// Weights that many threads add to at once, two in a word.
///
/// Each weight is added to atomically and by itself, as Recht et al. assume (2011, "Hogwild!: a lock-free approach to
/// parallelizing stochastic gradient descent", section 2): no addition is lost, and a reader may see a part of a push.
#[derive(Debug)]
pub(super) struct AtomicWeights<W> {
    pairs: Box<[W]>,
    len: usize,
}

fn pack([first, second]: [f32; 2]) -> u64 {
    u64::from(first.to_bits()) | u64::from(second.to_bits()) << 32
}

fn unpack(word: u64) -> [f32; 2] {
    [f32::from_bits(word as u32), f32::from_bits((word >> 32) as u32)]
}

fn pair(values: &[f32]) -> [f32; 2] {
    [values.first().copied().unwrap_or(0.0), values.get(1).copied().unwrap_or(0.0)]
}

fn add_pair<W: Word>(word: &W, [first, second]: [f32; 2], factor: f32) {
    // Sparse pushes are mostly zeros.
    if first == 0.0 && second == 0.0 {
        return;
    }
    let mut now = word.get_relaxed();
    loop {
        let weights = unpack(now);
        let sum = pack([weights[0] + factor * first, weights[1] + factor * second]);
        match word.exchange_relaxed(now, sum) {
            Ok(_) => return,
            Err(other) => now = other,
        }
    }
}

impl<W: Word> AtomicWeights<W> {
    pub(super) fn of(weights: &Weights) -> Result<Self, OutOfMemory> {
        const { assert!(Weights::PIECE_VALUES.is_multiple_of(2), "a pair lies in one piece") };
        let mut pairs = Vec::new();
        let len = weights.len();
        pairs.try_reserve_exact(len.div_ceil(2)).map_err(OutOfMemory::from_reserve(len))?;
        for (_, piece) in weights.pieces() {
            pairs.extend(piece.chunks(2).map(|values| W::new(pack(pair(values)))));
        }
        Ok(Self { pairs: pairs.into_boxed_slice(), len })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds `factor` times each of `values`.
    pub(super) fn add(&self, values: &[f32], factor: f32) {
        let (pairs, rest) = values.as_chunks();
        for (word, pair) in self.pairs.iter().zip(pairs) {
            add_pair(word, *pair, factor);
        }
        if let ([value], Some(word)) = (rest, self.pairs.last()) {
            add_pair(word, [*value, 0.0], factor);
        }
    }

    /// Sets all weights, at a time when nobody adds.
    pub(super) fn set(&self, values: &[f32]) {
        self.pairs.iter().zip(values.chunks(2)).for_each(|(word, values)| word.put(pack(pair(values))));
    }

    /// Copies the weights from the place `start` on, as many as fit into `out`.
    pub(super) fn read(&self, start: usize, out: &mut [f32]) {
        let start = start.min(self.len);
        let (odd, out) = out.split_at_mut(out.len().min(start % 2));
        for value in odd {
            *value = self.pairs.get(start / 2).map_or(0.0, |word| unpack(word.get_relaxed())[1]);
        }
        let start = start.next_multiple_of(2);
        let mut words = self.pairs.get(start / 2..).unwrap_or_default().iter();
        let (pairs, rest) = out.as_chunks_mut();
        for (pair, word) in pairs.iter_mut().zip(&mut words) {
            *pair = unpack(word.get_relaxed());
        }
        if let ([value], Some(word)) = (rest, words.next()) {
            *value = unpack(word.get_relaxed())[0];
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn any_range_of_the_weights_can_be_read() {
        let values: Vec<f32> = (0..7).map(|value| value as f32).collect();
        let weights = AtomicWeights::<AtomicU64>::of(&Weights::of(&values).unwrap()).unwrap();
        for (start, end) in (0..=7).flat_map(|start| (start..=7).map(move |end| (start, end))) {
            let mut out = vec![-1.0; end - start];
            weights.read(start, &mut out);
            assert_eq!(out, values[start..end]);
        }
    }

    #[test]
    fn pushes_of_many_threads_all_count() {
        let weights = AtomicWeights::<AtomicU64>::of(&Weights::zeros(5).unwrap()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| weights.add(&[1.0, 2.0, 0.0, 0.0, 3.0], 1.0)));
            }
        });
        let mut out = [0.0; 5];
        weights.read(0, &mut out);
        assert_eq!(out, [4000.0, 8000.0, 0.0, 0.0, 12000.0]);
    }
}
