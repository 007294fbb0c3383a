use proptest::prelude::*;

use super::*;

const ALL: [Encoding; 6] = [
    Encoding::F32,
    Encoding::Bf16,
    Encoding::F16,
    Encoding::Int8,
    Encoding::TopK { permille: 10 },
    Encoding::TopK { permille: 700 },
];

fn encodings() -> impl Strategy<Value = Encoding> {
    prop::sample::select(ALL.to_vec())
}

/// Values of all magnitudes, some of them 0.
fn values(most: usize) -> impl Strategy<Value = Vec<f32>> {
    let value = prop_oneof![4 => -1f32..1.0, 1 => Just(0.0), 1 => any::<f32>().prop_filter("finite", |v| v.is_finite())];
    prop::collection::vec(value, 0..most)
}

fn through(encoding: Encoding, values: &[f32], residual: Option<&mut [f32]>) -> Vec<f32> {
    let mut bytes = vec![0xa5; 7];
    let before = residual.as_deref().map(<[f32]>::to_vec).unwrap_or_default();
    let residual = residual.map(|after| Residual { before: &before, after });
    encode(encoding, values, residual, &mut bytes);
    assert!(bytes.len() as u64 <= max_bytes(encoding, values.len()));
    let mut decoded = vec![f32::NAN; values.len()];
    decode(encoding, &bytes, &mut decoded).unwrap();
    decoded
}

proptest! {
    #[test]
    fn what_is_decoded_is_as_near_as_the_encoding_promises(values in values(3000)) {
        let near = |encoding, bound: &dyn Fn(f32) -> f32| {
            let decoded = through(encoding, &values, None);
            let far = values.iter().zip(&decoded).position(|(v, d)| (v - d).abs() > bound(*v));
            assert_eq!(far.map(|place| (values[place], decoded[place])), None, "{encoding:?}");
        };
        near(Encoding::F32, &|_| 0.0);
        near(Encoding::Bf16, &|v| (v.abs() / 256.0).max(2f32.powi(-134)));
        near(Encoding::F16, &|v| (v.abs() / 2048.0).max(2f32.powi(-25)).max(v.abs() - 65504.0));
        let decoded = through(Encoding::Int8, &values, None);
        for (values, decoded) in values.chunks(1024).zip(decoded.chunks(1024)) {
            let largest = values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
            let bound = largest / 253.99 + 2e-36;
            prop_assert!(values.iter().zip(decoded).all(|(v, d)| (v - d).abs() <= bound));
        }
    }

    #[test]
    fn what_is_decoded_and_the_residual_are_together_what_was_given(
        encoding in encodings(),
        values in prop::collection::vec(-1e4f32..1e4, 0..3000),
        share in -1f32..1.0,
    ) {
        let mut residual: Vec<f32> = values.iter().rev().map(|value| value * share).collect();
        let sums: Vec<f32> = values.iter().zip(&residual).map(|(value, residual)| value + residual).collect();
        let decoded = through(encoding, &values, Some(&mut residual));
        for ((sum, decoded), residual) in sums.iter().zip(&decoded).zip(&residual) {
            prop_assert_eq!(f64::from(*decoded) + f64::from(*residual), f64::from(*sum));
        }
        // Without a residual, the same sums give the same bytes.
        prop_assert_eq!(through(encoding, &sums, None), decoded);
    }

    #[test]
    fn what_is_left_out_comes_with_later_pushes(encoding in encodings(), values in values(200)) {
        let values: Vec<f32> = values.iter().map(|value| value.clamp(-1e3, 1e3)).collect();
        let mut residual = vec![0.0; values.len()];
        let mut received = vec![0f64; values.len()];
        for push in 0..100 {
            let given = if push < 3 { values.clone() } else { vec![0.0; values.len()] };
            for (received, decoded) in received.iter_mut().zip(through(encoding, &given, Some(&mut residual))) {
                *received += f64::from(decoded);
            }
        }
        for ((value, received), residual) in values.iter().zip(&received).zip(&residual) {
            prop_assert!((received + f64::from(*residual) - 3.0 * f64::from(*value)).abs() <= 1e-3);
        }
    }

    #[test]
    fn finite_values_stay_finite_and_others_do_not(encoding in encodings(), mut values in values(2000)) {
        prop_assert!(through(encoding, &values, None).iter().all(|value| value.is_finite()));
        values.push(f32::INFINITY);
        prop_assert!(through(encoding, &values, None).iter().any(|value| !value.is_finite()));
    }

    #[test]
    fn no_bytes_make_decoding_panic(
        encoding in encodings(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        len in 0usize..200,
    ) {
        let _ = decode(encoding, &bytes, &mut vec![0.0; len]);
    }

    #[test]
    fn damaged_bytes_never_panic_and_cut_ones_are_refused(
        encoding in encodings(),
        values in values(300),
        (place, byte) in (any::<prop::sample::Index>(), any::<u8>()),
    ) {
        let mut bytes = Vec::new();
        encode(encoding, &values, None, &mut bytes);
        prop_assume!(!bytes.is_empty());
        let mut decoded = vec![0.0; values.len()];
        let kept = place.index(bytes.len());
        prop_assert!(decode(encoding, &bytes[..kept], &mut decoded).is_err());
        bytes[kept] = byte;
        let _ = decode(encoding, &bytes, &mut decoded);
    }
}
