use super::{DecodeError, Residual, check_len};

pub(super) fn bytes(values: usize) -> u64 {
    (values * size_of::<f32>()) as u64
}

/// Copies the values; with a residual, the sum of both.
pub(super) fn encode(values: &[f32], residual: Option<Residual<'_>>, out: &mut Vec<u8>) {
    let Some(Residual { before, after }) = residual else {
        out.clear();
        out.extend_from_slice(bytemuck::cast_slice(values));
        return;
    };
    out.resize(size_of_val(values), 0);
    pulp::Arch::new().dispatch(|| {
        let (places, _) = out.as_chunks_mut::<4>();
        for ((place, value), before) in places.iter_mut().zip(values).zip(before) {
            *place = (value + before).to_le_bytes();
        }
    });
    after.fill(0.0);
}

pub(super) fn decode(bytes: &[u8], values: &mut [f32]) -> Result<(), DecodeError> {
    check_len(bytes, values.len(), self::bytes(values.len()))?;
    bytemuck::cast_slice_mut(values).copy_from_slice(bytes);
    Ok(())
}
