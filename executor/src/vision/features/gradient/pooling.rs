/// How the pixels along a side are gathered in slots.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::vision::features) struct Pooling {
    pub(super) places: usize,
    pub(super) slots: usize,
    /// [places, slots].
    pub(super) weights: Vec<f32>,
}

impl Pooling {
    /// Gathers `places` pixels in `slots`, each pixel with a weight in each.
    pub(in crate::vision::features) fn new(
        places: usize,
        slots: usize,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let weights = (0..places).flat_map(|place| (0..slots).map(move |slot| (slot, place)));
        let weights = weights.map(|(slot, place)| weight(slot, place)).collect();
        Self { places, slots, weights }
    }

    /// Brings what a slot weighs to a total of one.
    pub(in crate::vision::features) fn normalised(mut self) -> Self {
        for slot in 0..self.slots {
            let total: f32 = self.weights.iter().skip(slot).step_by(self.slots).sum();
            let weights = self.weights.iter_mut().skip(slot).step_by(self.slots);
            weights.for_each(|weight| *weight /= total.max(f32::MIN_POSITIVE));
        }
        self
    }

    /// The slots that a place belongs to, and how much of it each takes.
    pub(super) fn of_place(&self, place: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let row = &self.weights[place * self.slots..(place + 1) * self.slots];
        row.iter().copied().enumerate().filter(|&(_, weight)| weight != 0.0)
    }
}
