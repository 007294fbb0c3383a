use std::{cell::Cell, mem};

use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Result, Storage, Tensor, Var, bail};

/// A buffer that is a candle tensor for as long as the loan lives; no value is copied on the way there or back.
pub(super) struct Loan<'a> {
    home: &'a mut Vec<f32>,
    tensor: Tensor,
}

impl<'a> Loan<'a> {
    /// Lends `home` as a one-dimensional tensor that operations don't track.
    pub fn constant(home: &'a mut Vec<f32>) -> Result<Self> {
        let len = home.len();
        let tensor = Tensor::from_vec(mem::take(home), len, &Device::Cpu)?;
        Ok(Self { home, tensor })
    }

    /// Lends `home` as a one-dimensional variable.
    pub fn variable(home: &'a mut Vec<f32>) -> Result<Self> {
        let len = home.len();
        let tensor = Var::from_vec(mem::take(home), len, &Device::Cpu)?.into_inner();
        Ok(Self { home, tensor })
    }

    /// The buffer as a tensor; it is empty once the loan is over.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let taken = Take(Cell::default());
        // It fails only for tensors off the CPU, which `constant` and `variable` don't make.
        if self.tensor.inplace_op1(&taken).is_ok() {
            *self.home = taken.0.into_inner();
        }
    }
}

struct Take(Cell<Vec<f32>>);

impl InplaceOp1 for Take {
    fn name(&self) -> &'static str {
        "take"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _layout: &Layout) -> Result<()> {
        let CpuStorage::F32(values) = storage else { bail!("the tensor is not f32") };
        self.0.set(mem::take(values));
        Ok(())
    }
}

/// The values of a contiguous f32 tensor, inside an operation.
pub(super) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&values[start..end]),
        _ => bail!("the tensor is not contiguous f32"),
    }
}

/// The values of a contiguous f32 tensor that is written in place, inside an operation.
pub(super) fn values_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&mut values[start..end]),
        _ => bail!("the tensor is not contiguous f32"),
    }
}

/// Shows the values of a contiguous f32 tensor to `look`.
pub(super) fn read<R>(tensor: &Tensor, look: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(look(values(storage, layout)?)),
        _ => bail!("the tensor is not on the CPU"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loan_comes_back_in_the_same_memory() {
        let mut home = vec![1.0, 2.0, 3.0];
        let address = home.as_ptr();
        let loan = Loan::variable(&mut home).unwrap();
        let kept = loan.tensor().clone();
        assert_eq!(read(&kept, |values| values.to_vec()).unwrap(), [1.0, 2.0, 3.0]);
        drop(loan);
        assert_eq!((home.as_ptr(), home.as_slice()), (address, [1.0, 2.0, 3.0].as_slice()));
    }
}
