use super::Function;
use crate::rdd::{RddError, Slot, codec};

/// Accumulators under way, named by their slots.
pub(super) struct Slots<A> {
    items: Vec<Option<A>>,
    free: Vec<u32>,
}

impl<A> Slots<A> {
    pub(super) fn new() -> Self {
        Self { items: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, item: A) -> Slot {
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.items.get_mut(slot as usize)
        {
            *place = Some(item);
            return Slot(slot);
        }
        self.items.push(Some(item));
        Slot(self.items.len() as u32 - 1)
    }

    /// Looks at an accumulator.
    pub(super) fn get<F: Function>(&mut self, slot: Slot) -> Result<&mut A, RddError> {
        self.place(slot).and_then(Option::as_mut).ok_or_else(unused::<F>)
    }

    /// Puts another accumulator in the place of one.
    pub(super) fn replace<F: Function>(
        &mut self,
        slot: Slot,
        change: impl FnOnce(A) -> Result<A, RddError>,
    ) -> Result<(), RddError> {
        let place = self.place(slot).ok_or_else(unused::<F>)?;
        *place = Some(change(place.take().ok_or_else(unused::<F>)?)?);
        Ok(())
    }

    fn place(&mut self, slot: Slot) -> Option<&mut Option<A>> {
        self.items.get_mut(slot.0 as usize)
    }
}

impl<A: serde::Serialize> Slots<A> {
    /// Writes an accumulator and frees its slot.
    pub(super) fn finish<F: Function>(&mut self, slot: Slot, out: &mut Vec<u8>) -> Result<(), RddError> {
        let item = self.place(slot).and_then(Option::take).ok_or_else(unused::<F>)?;
        self.free.push(slot.0);
        codec::encode(&item, out).map(|_| ()).map_err(|error| error.of(F::NAME))
    }
}

fn unused<F: Function>() -> RddError {
    RddError::Codec {
        function: F::NAME.to_owned(),
        reason: "an accumulator was used after its end".to_owned(),
    }
}
